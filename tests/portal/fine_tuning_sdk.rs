//! The stock SDK of three generations against the fine-tuning API: only address, key and model are ours.

use std::{path::PathBuf, process::Stdio};

use reqwest::Method;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::Command,
};

use crate::support::{TestApp, Tuner, decide_data, given, sdk_pythons};

#[actix_web::test]
async fn the_stock_sdk_tunes_from_file_to_model() {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/tune.py");
    let pythons = sdk_pythons();
    assert!(!pythons.is_empty());
    for (n, python) in pythons.iter().enumerate() {
        let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
        let file = app.folder.path().join(format!("chats-{n}.jsonl"));
        std::fs::write(&file, given::corpus(40)).unwrap();
        let mut child = Command::new(python)
            .arg(&script)
            .env("OPENAI_BASE_URL", app.url.join("/v1").unwrap().as_str())
            .env("OPENAI_API_KEY", &tuner.key)
            .env("BASE_MODEL", "tiny")
            .env("TRAINING_FILE", &file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            said.push_str(&line);
            said.push('\n');
            if let Some(waiting) = line.strip_prefix("waiting ") {
                let (job, dataset) = waiting.split_once(' ').unwrap();
                decide_data(&app, dataset).await;
                approve(&app, &tuner, job).await;
            }
        }
        let mut wrong = String::new();
        let mut errors = child.stderr.take().unwrap();
        errors.read_to_string(&mut wrong).await.unwrap();
        let status = child.wait().await.unwrap();
        assert!(status.success(), "{}: {said}{wrong}", python.display());
    }
}

/// The operator says yes as soon as the job is theirs to decide on.
async fn approve(app: &TestApp, tuner: &Tuner, job: &str) {
    tuner
        .until(&format!("fine_tuning/jobs/{job}"), |job| {
            job["gptnl"]["approvals"][0]["role"] == "compute"
        })
        .await;
    let id = uuid::Uuid::try_parse(job.trim_start_matches("ftjob-")).unwrap();
    app.browser("operator")
        .await
        .api(Method::POST, &format!("/api/v1/jobs/{id}/approve"), None)
        .await
        .unwrap();
}
