//! The trainer by itself, for people who only want that, gives what a job of the portal gives.

use std::process::Command;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{TestApp, given};

/// The flags that say the same as the work of a job.
fn flags(task: &Value) -> Vec<String> {
    let mut flags = Vec::new();
    for part in ["lora", "training"] {
        for (name, value) in task[part].as_object().unwrap() {
            let value = match value {
                Value::Array(names) => names
                    .iter()
                    .map(|name| name.as_str().unwrap())
                    .collect::<Vec<_>>()
                    .join(","),
                Value::String(word) => word.clone(),
                Value::Number(number) => number.to_string(),
                // What is off has no flag; what is not said is usual.
                Value::Null | Value::Bool(false) => continue,
                other => panic!("{name}: {other}"),
            };
            // The program takes it for all its work, before the command.
            if name != "precision" {
                flags.push(format!("--{}={value}", name.replace('_', "-")));
            }
        }
    }
    flags
}

#[actix_web::test]
async fn the_trainer_by_itself_gives_the_adapter_of_a_job_to_the_last_bit() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let corpus = given::corpus(24);
    let data = given::approved_dataset_of(&app, &corpus).await;
    let mut wanted = given::job(base, data.version, 2);
    wanted["seed"] = json!(7);
    let job = given::approved_request(&app, wanted).await;
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    let (task, seed, sha256): (Value, i64, String) = sqlx::query_as(
        "SELECT j.task, j.seed, f.sha256 FROM jobs j JOIN attempts a ON a.job_id = j.id
         JOIN artifacts f ON f.attempt_id = a.id AND f.name = 'adapter_model.safetensors' WHERE j.id = $1",
    )
    .bind(job)
    .fetch_one(&app.pool().await)
    .await
    .unwrap();

    let folder = app.folder.path();
    std::fs::write(folder.join("data.jsonl"), &corpus).unwrap();
    let output = Command::new(TestApp::programs().join("faculty-training"))
        .current_dir(folder)
        .args([
            "finetune",
            "--base=tiny.gguf",
            "--data=data.jsonl",
            "--out=mine",
        ])
        .arg(format!("--seed={seed}"))
        .args(flags(&task))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mine = std::fs::read(folder.join("mine/adapter_model.safetensors")).unwrap();
    assert_eq!(HEXLOWER.encode(&Sha256::digest(&mine)), sha256);
}
