//! What a job will need: told before it is asked for, from what is known of the place.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use virtual_faculty::ids::ModelId;

use crate::support::{TestApp, given};

const WHO: &str = "researcher.harderwijk";

async fn estimate(app: &TestApp, wanted: &Value) -> Value {
    app.browser(WHO)
        .await
        .api(Method::POST, "/api/v1/jobs/estimate", Some(wanted.clone()))
        .await
        .unwrap()
}

#[actix_web::test]
async fn an_estimate_is_the_one_that_the_request_keeps_and_asks_for_nothing() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let wanted = given::job(base, data.version, 3);
    let mut less = wanted.clone();
    for field in ["title", "motivation", "recipients"] {
        less.as_object_mut().unwrap().remove(field);
    }
    let told = estimate(&app, &less).await;
    assert_eq!(told["basis"], "default", "{told:#}");
    assert!(told["seconds"].as_u64() > Some(0), "{told:#}");
    assert_eq!(told, estimate(&app, &wanted).await);
    let mut researcher = app.browser(WHO).await;
    let jobs = researcher
        .api(Method::GET, "/api/v1/jobs", None)
        .await
        .unwrap();
    assert_eq!(jobs["data"], json!([]), "nothing was asked for");
    let asked = researcher
        .api(Method::POST, "/api/v1/jobs", Some(wanted.clone()))
        .await
        .unwrap();
    let path = format!("/api/v1/jobs/{}", asked["id"].as_str().unwrap());
    let job = researcher.api(Method::GET, &path, None).await.unwrap();
    assert_eq!(job["estimate"], told);
    // What nobody may know of is not there; what cannot be is named.
    let mut unknown = wanted.clone();
    unknown["dataset_versions"] = json!([uuid::Uuid::now_v7()]);
    let mut nowhere = wanted.clone();
    nowhere["place"] = json!("nowhere");
    let mut wrong = wanted;
    wrong["epochs"] = json!(0);
    for (body, status) in [
        (unknown, StatusCode::NOT_FOUND),
        (nowhere, StatusCode::UNPROCESSABLE_ENTITY),
        (wrong, StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let answer = researcher
            .call(Method::POST, "/api/v1/jobs/estimate", Some(body))
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    let contributor = app
        .browser("contributor.waterland")
        .await
        .call(Method::POST, "/api/v1/jobs/estimate", Some(less))
        .await
        .unwrap();
    assert_eq!(contributor.status, StatusCode::FORBIDDEN);
}

#[actix_web::test]
async fn a_new_base_is_told_from_what_other_jobs_at_the_place_took() {
    let app = TestApp::without_worker(&[]).await;
    let base = given::tiny_base(&app).await;
    let path = app.folder.path().join("tiny.gguf");
    let other: ModelId = app.base_model("tiny-2", &path).await;
    let (stop, ends) = app.work_until_ended();
    let data = given::approved_dataset(&app).await;
    stop.cancel();
    ends.await.unwrap();
    // All are told before any has run.
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(given::approved_job(&app, base, data.version, 3).await);
    }
    let wanted = given::job(other, data.version, 3);
    let assumed = estimate(&app, &wanted).await;
    assert_eq!(assumed["basis"], "default", "{assumed:#}");
    app.work();
    for job in jobs {
        let state = given::job_until(&app, job, given::is_over).await;
        assert_eq!(state["status"], "succeeded", "{state:#}");
        assert_eq!(state["estimate"]["basis"], "default", "{state:#}");
    }
    let short = estimate(&app, &wanted).await;
    assert_eq!(short["basis"], "default", "of short ones nothing follows");
    let alike = estimate(&app, &given::job(base, data.version, 3)).await;
    assert_eq!(alike["basis"], "default", "also where they are just alike");
    // As if they had been longer, one of them by far.
    sqlx::query(
        "UPDATE attempts SET outcome = jsonb_set(outcome, '{wall_seconds}',
             to_jsonb((ARRAY[200, 210, 9000])[(SELECT count(*) FROM attempts b WHERE b.id <= attempts.id)]))",
    )
    .execute(&app.pool().await)
    .await
    .unwrap();
    let told = estimate(&app, &wanted).await;
    assert_eq!(told["basis"], "place", "{told:#}");
    assert_eq!(told["flop"], assumed["flop"]);
    // The same work as each of them, at the speed of the middle one, and ten seconds beside.
    assert_eq!(told["seconds"], 220, "{told:#}");
    let known = estimate(&app, &given::job(base, data.version, 3)).await;
    assert_eq!(known["basis"], "measured", "{known:#}");
}
