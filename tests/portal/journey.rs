//! The main job from sign-in to token, over HTTP only, with a real model that really trains and answers.

use std::process::Command;

use reqwest::{Method, StatusCode};
use serde_json::json;
use virtual_faculty::demo::{self, Record, Stage};

use crate::support::{Program, TestApp, base_model, check_with, sdk_checks, sdk_pythons};

/// Enough of the demonstration's data to see the loss fall.
const LINES: usize = 60;

#[actix_web::test]
async fn the_main_job_from_sign_in_to_token() {
    let app = TestApp::start().await;
    let _serving = Program::serving(&app);
    let base = app.base_model(demo::BASE_MODEL, &base_model()).await;
    let mut stage = Stage::new(app.url.as_str().trim_end_matches('/'), base);
    let lines: Vec<_> = stage
        .corpus
        .1
        .split(|b| *b == b'\n')
        .take(LINES)
        .map(<[u8]>::to_vec)
        .collect();
    stage.corpus.1 = lines.join(&b'\n');
    stage.epochs = 1;
    stage.max_steps = Some(8);
    let played = demo::play(&stage, &mut Record::unwritten()).await.unwrap();
    assert!(played.losses.1 < played.losses.0, "{:?}", played.losses);
    assert_ne!(played.base_answer, played.tuned_answer);

    every_step_is_in_the_audit_log(&app).await;
    the_receipt_holds_without_the_portal(&app, played.model).await;
    the_stock_clients_work(&app, &stage, &played).await;
    withdrawing_marks_the_model_and_refuses_new_jobs(&app, base.0, &played).await;
}

async fn every_step_is_in_the_audit_log(app: &TestApp) {
    let mut auditor = app.browser("auditor").await;
    let mut log = String::new();
    for page in ["/nl/audit", "/nl/audit?before=30"] {
        log.push_str(&auditor.get(page).await.unwrap().text);
    }
    for kind in [
        "datasets.registered",
        "datasets.submitted",
        "permissions.given",
        "jobs.requested",
        "jobs.approved",
        "jobs.dispatched",
        "models.registered",
        "models.released",
        "models.deployed",
        "keys.requested",
        "keys.approved",
    ] {
        assert!(log.contains(kind), "{kind} is not in the log");
    }
    let walked = virtual_faculty::audit::walk(
        &app.ports.audit_log(),
        virtual_faculty::audit::Depth::Everything,
    )
    .await
    .unwrap();
    assert!(walked.events > 10);
}

async fn the_receipt_holds_without_the_portal(app: &TestApp, model: uuid::Uuid) {
    let mut researcher = app.browser("researcher.harderwijk").await;
    let receipt = researcher
        .get(&format!("/api/v1/models/{model}/receipt"))
        .await
        .unwrap();
    assert_eq!(receipt.status, StatusCode::OK, "{}", receipt.text);
    let keys = researcher
        .get("/.well-known/faculty-keys.json")
        .await
        .unwrap()
        .text;
    let folder = app.folder.path();
    std::fs::write(folder.join("receipt.json"), &receipt.text).unwrap();
    std::fs::write(folder.join("keys.json"), keys).unwrap();
    let verify = |file: &str| {
        Command::new(env!("CARGO_BIN_EXE_faculty"))
            .args(["verify-receipt", file, "--keys", "keys.json"])
            .current_dir(folder)
            .env_clear()
            .output()
            .unwrap()
    };
    let held = verify("receipt.json");
    assert!(
        held.status.success(),
        "{}",
        String::from_utf8_lossy(&held.stderr)
    );
    assert!(String::from_utf8_lossy(&held.stdout).contains("dataset_version"));
    let mut envelope: serde_json::Value = serde_json::from_str(&receipt.text).unwrap();
    let forged = envelope["payload"].as_str().unwrap().replacen('A', "B", 1);
    envelope["payload"] = forged.into();
    std::fs::write(folder.join("forged.json"), envelope.to_string()).unwrap();
    assert!(
        !verify("forged.json").status.success(),
        "a changed receipt was accepted"
    );
}

async fn the_stock_clients_work(app: &TestApp, stage: &Stage, played: &demo::Played) {
    let pythons = sdk_pythons();
    assert_eq!(pythons.len(), 3, "one for each major version of the SDK");
    let exhausted = exhausted_key(app, played).await;
    let address = format!("{}v1", app.url);
    let settings = [
        ("OPENAI_BASE_URL", address.as_str()),
        ("OPENAI_API_KEY", played.api_key.as_str()),
        ("MODEL", played.model_name.as_str()),
        ("BASE_MODEL", demo::BASE_MODEL),
        ("EXHAUSTED_KEY", exhausted.as_str()),
        ("PROMPT", stage.question.as_str()),
    ];
    for (program, script) in sdk_checks() {
        check_with((&program, script), &[], &settings).await;
    }
}

/// A key of the developer with less left than any question takes.
async fn exhausted_key(app: &TestApp, played: &demo::Played) -> String {
    let mut developer = app.browser("developer.harderwijk").await;
    let requested = developer
        .api(
            Method::POST,
            "/api/v1/keys",
            Some(json!({
                "name": "bijna op", "purpose": "een sleutel zonder tegoed", "models": [demo::BASE_MODEL, played.model],
                "tokens_per_day": 1, "requests_per_minute": 100,
            })),
        )
        .await
        .unwrap();
    let key = requested["id"].as_str().unwrap().to_owned();
    let mut manager = app.browser("manager.harderwijk").await;
    manager
        .api(Method::POST, &format!("/api/v1/keys/{key}/approve"), None)
        .await
        .unwrap();
    let shown = developer
        .api(Method::POST, &format!("/api/v1/keys/{key}/reveal"), None)
        .await
        .unwrap();
    shown["api_key"].as_str().unwrap().to_owned()
}

async fn withdrawing_marks_the_model_and_refuses_new_jobs(
    app: &TestApp,
    base: uuid::Uuid,
    played: &demo::Played,
) {
    let mut manager = app.browser("manager.waterland").await;
    let dataset = played.dataset;
    manager
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/withdraw"),
            Some(json!({ "reason": "De schenker wil het niet meer." })),
        )
        .await
        .unwrap();
    let mut researcher = app.browser("researcher.harderwijk").await;
    let model = researcher
        .api(
            Method::GET,
            &format!("/api/v1/models/{}", played.model),
            None,
        )
        .await
        .unwrap();
    assert_eq!(model["marked_reason"], "permission_withdrawn", "{model}");
    let refused = researcher
        .call(
            Method::POST,
            "/api/v1/jobs",
            Some(json!({
                "title": "Nog eens", "motivation": "x", "purpose": "fine_tuning", "recipients": "consortium",
                "base_model": base, "dataset_versions": [played.version],
            })),
        )
        .await
        .unwrap();
    assert_eq!(
        refused.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        refused.text
    );
    assert!(
        refused.text.contains("permission-withdrawn"),
        "{}",
        refused.text
    );
}
