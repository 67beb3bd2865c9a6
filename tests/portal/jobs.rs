//! Jobs from request to model, with the real training program on a tiny base.

use std::{fs, time::Duration};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestApp, given};

async fn counts(app: &TestApp, job: Uuid) -> (i64, i64, i64, i64) {
    let mut conn = app.ports.db.read().await.unwrap();
    let row = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM attempts a WHERE a.job_id = $1) AS "attempts!",
                  (SELECT count(*) FROM models m WHERE m.job_id = $1) AS "models!",
                  (SELECT count(*) FROM dataset_uses u JOIN attempts a ON a.id = u.attempt_id WHERE a.job_id = $1)
                      AS "uses!",
                  (SELECT coalesce(sum(t.tokens), 0)::bigint FROM tokens_read t JOIN attempts a ON a.id = t.attempt_id
                   WHERE a.job_id = $1) AS "tokens!""#,
        job,
    )
    .fetch_one(&mut *conn)
    .await
    .unwrap();
    (row.attempts, row.models, row.uses, row.tokens)
}

#[actix_web::test]
async fn a_job_runs_from_request_to_model_and_its_page_tells_it() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let job = given::approved_job(&app, base, data.version, 3).await;
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    let (before, after) = (
        state["result"]["held_out_loss_before"].as_f64().unwrap(),
        state["result"]["held_out_loss_after"].as_f64().unwrap(),
    );
    assert!(after < before, "{before} then {after}");
    assert_eq!(state["datasets"][0]["verdict"]["is_allowed"], true);
    assert!(
        state["model"]["name"]
            .as_str()
            .unwrap()
            .starts_with("ft:tiny:")
    );
    let (attempts, models, uses, tokens) = counts(&app, job).await;
    assert_eq!((attempts, models, uses), (1, 1, 1));
    assert!(tokens > 0, "tokens that were read are kept");
    let mut researcher = app.browser("researcher.harderwijk").await;
    for (lang, word) in [("nl", "geslaagd"), ("en", "succeeded")] {
        let page = researcher
            .get(&format!("/{lang}/jobs/{job}"))
            .await
            .unwrap();
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert!(
            page.text.contains(word) && page.text.contains("ft:tiny:"),
            "{}",
            page.text
        );
        assert!(!page.text.contains('⟨'), "a text is missing: {}", page.text);
        let list = researcher.get(&format!("/{lang}/jobs")).await.unwrap();
        assert!(list.text.contains("Proef"), "{}", list.text);
    }
    // The stream of a job that is over says so once, and ends.
    let stream = researcher
        .get(&format!("/nl/jobs/{job}/events"))
        .await
        .unwrap();
    let data = stream.text.strip_prefix("event: snapshot\ndata: ").unwrap();
    let snapshot: Value = serde_json::from_str(data.trim()).unwrap();
    assert_eq!(
        (&snapshot["is_over"], &snapshot["phase"]),
        (&json!(true), &json!("done"))
    );
    assert!(
        snapshot["losses"].as_array().unwrap().len() > 2,
        "{snapshot}"
    );
}

#[actix_web::test]
async fn what_waits_is_cancelled_at_once_and_what_runs_within_seconds() {
    let app = TestApp::without_worker(&[]).await;
    app.work();
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset_of(&app, &given::corpus(4000)).await;
    let running = given::approved_job(&app, base, data.version, 50).await;
    given::job_until(&app, running, |state| {
        state["progress"]["step"].as_u64().unwrap_or(0) > 0
    })
    .await;
    // The only slot is taken, so this one waits.
    let waiting = given::approved_job(&app, base, data.version, 1).await;
    let mut researcher = app.browser("researcher.harderwijk").await;
    let cancelled = researcher
        .api(
            Method::POST,
            &format!("/api/v1/jobs/{waiting}/cancel"),
            None,
        )
        .await
        .unwrap();
    assert_eq!(cancelled["status"], "cancelled");
    let answer = researcher
        .post_form(&format!("/nl/jobs/{running}/cancel"), &[])
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let asked = std::time::Instant::now();
    let state = given::job_until(&app, running, given::is_over).await;
    assert!(
        asked.elapsed() < Duration::from_secs(12),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(state["status"], "cancelled", "{state:#}");
    assert_eq!(state["status_code"], "cancelled_by_requester");
    let (_, models, ..) = counts(&app, running).await;
    assert_eq!(models, 0);
    let again = researcher
        .call(
            Method::POST,
            &format!("/api/v1/jobs/{running}/cancel"),
            None,
        )
        .await
        .unwrap();
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text);
}

#[actix_web::test]
async fn what_is_not_permitted_is_refused_with_the_rule_and_changes_nothing() {
    let app = TestApp::without_worker(&[]).await;
    app.work();
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let mut researcher = app.browser("researcher.harderwijk").await;
    let mut wanted = given::job(base, data.version, 1);
    wanted["is_commercial"] = json!(true);
    let refused = researcher
        .call(Method::POST, "/api/v1/jobs", Some(wanted))
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.text.contains("commercial-not-covered"),
        "{}",
        refused.text
    );
    let unknown = researcher
        .call(
            Method::POST,
            "/api/v1/jobs",
            Some(given::job(base, Uuid::now_v7(), 1)),
        )
        .await
        .unwrap();
    assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{}", unknown.text);
    let mut too_many = given::job(base, data.version, 1);
    too_many["epochs"] = json!(100_000);
    let bounded = researcher
        .call(Method::POST, "/api/v1/jobs", Some(too_many))
        .await
        .unwrap();
    assert_eq!(
        bounded.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        bounded.text
    );
    let jobs = researcher
        .api(Method::GET, "/api/v1/jobs", None)
        .await
        .unwrap();
    assert_eq!(jobs["data"].as_array().unwrap().len(), 0, "{jobs}");
    // The same answer before sending, on the page, per dataset.
    let page = researcher
        .get(&format!(
            "/nl/jobs/new?dataset_versions={}&is_commercial=yes",
            data.version
        ))
        .await
        .unwrap();
    assert!(
        page.text
            .contains("geldt niet voor gebruik met winstoogmerk"),
        "{}",
        page.text
    );
    assert!(!page.text.contains('⟨'), "a text is missing: {}", page.text);
}

#[actix_web::test]
async fn others_do_not_see_a_job_and_nobody_approves_without_the_role() {
    let app = TestApp::without_worker(&[]).await;
    app.work();
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let mut researcher = app.browser("researcher.harderwijk").await;
    let requested = researcher
        .api(
            Method::POST,
            "/api/v1/jobs",
            Some(given::job(base, data.version, 1)),
        )
        .await
        .unwrap();
    let job = requested["id"].as_str().unwrap().to_owned();
    let mut foreign = app.browser("manager.waterland").await;
    for path in [
        format!("/api/v1/jobs/{job}"),
        format!("/nl/jobs/{job}"),
        format!("/nl/jobs/{job}/events"),
    ] {
        let answer = foreign.get(&path).await.unwrap();
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "{path}: {}",
            answer.text
        );
    }
    for path in ["approve", "cancel"] {
        let answer = foreign
            .call(Method::POST, &format!("/api/v1/jobs/{job}/{path}"), None)
            .await
            .unwrap();
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "{path}: {}",
            answer.text
        );
    }
    let own = researcher
        .call(Method::POST, &format!("/api/v1/jobs/{job}/approve"), None)
        .await
        .unwrap();
    assert_eq!(own.status, StatusCode::FORBIDDEN, "{}", own.text);
    let mut operator = app.browser("operator").await;
    let page = operator
        .post_form(
            &format!("/nl/jobs/{job}/decide"),
            &[("decision", "reject"), ("reason", "")],
        )
        .await
        .unwrap();
    assert_eq!(
        page.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        page.text
    );
    let page = operator
        .post_form(
            &format!("/nl/jobs/{job}/decide"),
            &[("decision", "reject"), ("reason", "te vaag")],
        )
        .await
        .unwrap();
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let page = researcher.get(&format!("/nl/jobs/{job}")).await.unwrap();
    assert!(page.text.contains("te vaag"), "{}", page.text);
}

/// The training program of an attempt, found by what it was started with.
fn trainer_of(attempt: &str) -> Option<i32> {
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let program = line.split(|byte| *byte == 0).next()?;
        let surroundings = fs::read(entry.path().join("environ")).ok()?;
        let is_it = String::from_utf8_lossy(program).ends_with("faculty-training")
            && String::from_utf8_lossy(&surroundings)
                .contains(&format!("FACULTY_ATTEMPT={attempt}"));
        is_it.then_some(pid)
    })
}

#[actix_web::test]
async fn a_trainer_that_is_killed_gets_a_second_attempt_that_succeeds() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset_of(&app, &given::corpus(400)).await;
    let job = given::approved_job(&app, base, data.version, 8).await;
    let state = given::job_until(&app, job, |state| {
        state["progress"]["step"].as_u64().unwrap_or(0) > 0 || given::is_over(state)
    })
    .await;
    let attempt = state["attempts"][0]["id"].as_str().unwrap();
    let pid = trainer_of(attempt).expect("the program runs");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    assert_eq!(state["attempts"][0]["status"], "lost", "{state:#}");
    assert_eq!(state["attempts"][0]["failure_code"], "exit_137");
    let (attempts, models, uses, _) = counts(&app, job).await;
    assert_eq!(
        (attempts, models, uses),
        (2, 1, 2),
        "decided afresh for the second"
    );
}

#[actix_web::test]
async fn two_workers_side_by_side_dispatch_each_job_once() {
    let app = TestApp::without_worker(&[("FACULTY_TRAINING__SLOTS", "2")]).await;
    app.work();
    app.work();
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(given::approved_job(&app, base, data.version, 1).await);
    }
    for job in jobs {
        let state = given::job_until(&app, job, given::is_over).await;
        assert_eq!(state["status"], "succeeded", "{state:#}");
        let (attempts, models, ..) = counts(&app, job).await;
        assert_eq!((attempts, models), (1, 1));
    }
}
