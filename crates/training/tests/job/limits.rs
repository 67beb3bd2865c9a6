//! Too little memory or disk: said in words, with the code that tells what to do.

use job_contract::{FailureCode, Outcome};
use language_model::synthetic::Synthetic;
use serde_json::json;

use crate::support::{Portal, chats};

fn failed(portal: &Portal) -> (FailureCode, String) {
    match portal.outcome() {
        Outcome::Failed { code, message } => (code, message),
        other => unreachable!("the job did not fail: {other:?}"),
    }
}

#[actix_web::test]
async fn what_cannot_fit_is_refused_before_it_starts_with_what_would() {
    let portal = Portal::with_data(&chats()).await;
    portal.spec(|spec| {
        spec["task"]["training"]["sequence_length"] = 512.into();
        spec["task"]["training"]["recompute"] = "never".into();
    });
    let mut command = portal.command();
    command.env("FACULTY_TRAINING_MEMORY", (28 << 20).to_string());
    assert_eq!(command.status().await.unwrap().code(), Some(1));
    let (code, message) = failed(&portal);
    assert_eq!(code, FailureCode::DoesNotFit);
    assert!(message.contains("sequence_length"), "{message}");
    assert!(portal.world.lock().unwrap().steps().is_empty());
}

#[actix_web::test]
async fn a_full_disk_is_named_as_that() {
    let portal = Portal::with_data(&chats()).await;
    portal.spec(|spec| {
        spec["task"]["lora"]["rank"] = 256.into();
        spec["task"]["lora"]["target_modules"] = json!(["gate_proj", "up_proj", "down_proj"]);
    });
    // No file may grow past this many blocks of 512 bytes: enough for the model, too little for a checkpoint.
    let status = portal.limited("ulimit -f 1000").status().await.unwrap();
    assert_eq!(status.code(), Some(1));
    let (code, message) = failed(&portal);
    assert_eq!(code, FailureCode::DiskFull, "{message}");
    assert!(message.contains("free some space"), "{message}");
}

#[actix_web::test]
async fn memory_that_runs_out_is_told_to_the_portal() {
    // Seventy million weights, which take 280 MB once they are opened.
    let model = Synthetic {
        hidden_size: 768,
        intermediate_size: 3072,
        layers: 8,
        ..Synthetic::default()
    };
    let portal = Portal::with_model(&model, &chats()).await;
    let status = portal.limited("ulimit -v 420000").status().await.unwrap();
    assert_eq!(status.code(), Some(1));
    let (code, message) = failed(&portal);
    assert_eq!(code, FailureCode::OutOfMemory, "{message}");
    assert!(message.contains("recompute"), "{message}");
}
