//! The stock SDK of three generations against the fine-tuning API: only address, key and model are ours.

use std::path::Path;

use language_model::synthetic::Synthetic;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;
use virtual_faculty::ids::ModelId;

use crate::support::{Program, Script, TestApp, Tuner, decide_data, given, sdk_pythons};

const MANAGER: &str = "manager.harderwijk";

/// A portal whose base model `tiny` is served.
async fn portal() -> (TestApp, Program) {
    let app = TestApp::start().await;
    let file = app.folder.path().join("tiny.gguf");
    // Room for a question and the answer that published examples ask for.
    let roomy = Synthetic {
        context_length: 2048,
        ..Synthetic::default()
    };
    roomy.write_gguf(&file).unwrap();
    let base = app.base_model("tiny", &file).await;
    let serving = Program::serving(&app);
    serve(&app, base).await;
    (app, serving)
}

/// The operator deploys a released model; it is ready afterwards.
async fn serve(app: &TestApp, model: ModelId) {
    let mut operator = app.browser("operator").await;
    let path = format!("/api/v1/models/{model}/deploy");
    operator.api(Method::POST, &path, None).await.unwrap();
    for _ in 0..300 {
        let listed = operator
            .api(Method::GET, "/api/v1/deployments", None)
            .await
            .unwrap();
        let all = listed["data"].as_array().unwrap();
        if all
            .iter()
            .any(|one| one["model"] == json!(model) && one["ready"] == 1)
        {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("{model} was not ready within a minute");
}

/// A key that may tune and ask, with so many requests a minute.
async fn tuner(app: &TestApp, requests_per_minute: u32) -> Tuner {
    let asked = json!({
        "name": "tuner", "purpose": "een proef", "models": ["tiny"], "tokens_per_day": 100_000,
        "requests_per_minute": requests_per_minute, "may_fine_tune": true,
    });
    Tuner::asking_for(app, MANAGER, asked).await
}

#[actix_web::test]
async fn the_stock_sdk_tunes_from_file_to_model() {
    let (app, _serving) = portal().await;
    let pythons = sdk_pythons();
    assert!(!pythons.is_empty());
    for (n, python) in pythons.iter().enumerate() {
        let tuner = tuner(&app, 2).await;
        let file = app.folder.path().join(format!("chats-{n}.jsonl"));
        std::fs::write(&file, given::corpus(40)).unwrap();
        let mut script = Script::start((python, "tune.py"), &app, &tuner, &file);
        while let Some(line) = script.line().await {
            let Some(waiting) = line.strip_prefix("waiting ") else {
                continue;
            };
            let (job, datasets) = waiting.split_once(' ').unwrap();
            for dataset in datasets.split(' ') {
                decide_data(&app, dataset).await;
            }
            tuner.let_run(&app, job).await;
        }
        script.succeeded().await;
    }
}

/// People say yes to the data of a job and to its computing time; answers its id in the portal.
async fn allow(app: &TestApp, tuner: &Tuner, job: &str) -> Uuid {
    let path = format!("fine_tuning/jobs/{job}");
    let waiting = tuner.until(&path, |job| job["status"] == "queued").await;
    for name in ["training_file", "validation_file"] {
        let file = waiting[name].as_str().unwrap();
        let (_, file) = tuner.get(&format!("files/{file}")).await;
        decide_data(app, file["gptnl"]["dataset"].as_str().unwrap()).await;
    }
    tuner.let_run(app, job).await.0
}

/// The operator releases and deploys what a job made.
async fn offer(app: &TestApp, job: Uuid) {
    let state = given::job_until(app, job, |state| state["model"].is_object()).await;
    let model: ModelId = state["model"]["id"].as_str().unwrap().parse().unwrap();
    let path = format!("/api/v1/models/{model}/release");
    let mut operator = app.browser("operator").await;
    operator.api(Method::POST, &path, None).await.unwrap();
    serve(app, model).await;
}

/// Runs the example with one of the SDKs while people do their part; answers what it said.
async fn run_published(app: &TestApp, python: &Path) -> String {
    let tuner = tuner(app, 30).await;
    let mut script = Script::start_with((python, "published.py"), app, &tuner, &[]);
    let mut made = None;
    while let Some(line) = script.line().await {
        match line.split_once(' ') {
            Some(("job", job)) => made = Some(allow(app, &tuner, job).await),
            Some(("tuned", _)) => offer(app, made.unwrap()).await,
            _ => {}
        }
    }
    script.succeeded().await
}

#[actix_web::test]
async fn a_published_example_runs_with_another_address_key_and_model() {
    let (app, _serving) = portal().await;
    let pythons = sdk_pythons();
    assert!(!pythons.is_empty());
    for python in &pythons {
        let said = run_published(&app, python).await;
        for part in ["\nanswer ", "\ntuned ft:tiny:harderwijk:days:"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}
