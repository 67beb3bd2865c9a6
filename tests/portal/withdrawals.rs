//! A right holder changes their mind.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{TestApp, given};

#[actix_web::test]
async fn withdrawing_while_a_job_runs_stops_it_within_ten_seconds() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    // More than it will ever get to.
    let data = given::approved_dataset_of(&app, &given::corpus(4000)).await;
    let job = given::approved_job(&app, base, data.version, 50).await;
    given::job_until(&app, job, |state| {
        state["progress"]["step"].as_u64().unwrap_or(0) > 0
    })
    .await;
    given::withdrawn(&app, data.dataset, "bezwaar van de schenker").await;
    let asked = Instant::now();
    let state = given::job_until(&app, job, given::is_over).await;
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        asked.elapsed()
    );
    assert_ne!(state["status"], "succeeded", "{state:#}");
    assert!(
        state.to_string().contains("permission_withdrawn"),
        "{state:#}"
    );
}

#[actix_web::test]
async fn what_waits_is_blocked_and_what_is_new_is_refused_with_the_rule() {
    let app = TestApp::without_worker(&[]).await;
    app.work();
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let mut researcher = app.browser("researcher.harderwijk").await;
    let waiting = researcher
        .api(
            Method::POST,
            "/api/v1/jobs",
            Some(given::job(base, data.version, 1)),
        )
        .await
        .unwrap();
    let mut manager = app.browser("manager.waterland").await;
    let answer = manager
        .post_form(
            &format!("/nl/datasets/{}/withdraw", data.dataset),
            &[("reason", "niet langer")],
        )
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let blocked = researcher
        .api(
            Method::GET,
            &format!("/api/v1/jobs/{}", waiting["id"].as_str().unwrap()),
            None,
        )
        .await
        .unwrap();
    assert_eq!(blocked["status"], "blocked", "{blocked:#}");
    let refused = researcher
        .call(
            Method::POST,
            "/api/v1/jobs",
            Some(given::job(base, data.version, 1)),
        )
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.text.contains("permission-withdrawn"),
        "{}",
        refused.text
    );
}

#[actix_web::test]
async fn only_the_owners_manager_withdraws_and_others_do_not_see_the_page() {
    let app = TestApp::start().await;
    let data = given::approved_dataset(&app).await;
    let path = format!("/api/v1/datasets/{}/withdraw", data.dataset);
    let body = json!({ "reason": "x" });
    let mut foreign = app.browser("manager.harderwijk").await;
    let answer = foreign
        .call(Method::POST, &path, Some(body.clone()))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.text);
    let mut contributor = app.browser("contributor.waterland").await;
    let answer = contributor
        .call(Method::POST, &path, Some(body))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
}
