//! Checkpoints: what is taken, who reads them, when they go.

use data_encoding::HEXLOWER;
use job_contract::{
    ArtifactKind, ArtifactRequest, EventBatch, JobEvent, NumberedEvent, Outcome, ReadGrant,
    StoredArtifact,
};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use virtual_faculty::withdrawals;

use crate::{
    job_contract::{Program, portal},
    support::{TestApp, given},
    withdrawal_pages::{seen, withdraw},
};

pub(crate) fn checkpoint(number: u64, step: u32, files: &[&StoredArtifact]) -> EventBatch {
    EventBatch {
        events: vec![NumberedEvent {
            number,
            at: chrono::DateTime::UNIX_EPOCH,
            event: JobEvent::Checkpoint {
                step,
                run: "r".repeat(64),
                files: files.iter().map(|file| (*file).clone()).collect(),
                held_out_loss: None,
            },
        }],
    }
}

pub(crate) async fn stored(program: &Program, step: u32) -> StoredArtifact {
    let name = format!("checkpoint-{step}.safetensors");
    let content = format!("what was learnt at step {step}");
    program
        .put_as(ArtifactKind::Checkpoint, &name, content.as_bytes())
        .await
}

pub(crate) async fn told(program: &Program, batch: &EventBatch) -> StatusCode {
    program.call(Method::POST, "events", batch).await.0
}

/// A program that runs on this dataset and told of one checkpoint.
async fn told_at(app: &TestApp, version: Uuid, step: u32) -> (Program, StoredArtifact) {
    let program = Program::dispatched(app, version).await;
    let file = stored(&program, step).await;
    let status = told(&program, &checkpoint(1, step, &[&file])).await;
    assert_eq!(status, StatusCode::OK);
    (program, file)
}

pub(crate) async fn act(app: &TestApp, job: Uuid, what: &str) -> Value {
    app.browser("researcher.harderwijk")
        .await
        .api(Method::POST, &format!("/api/v1/jobs/{job}/{what}"), None)
        .await
        .unwrap()
}

/// The program rests, and the one of the attempt that goes on answers.
async fn rests_and_goes_on(app: &TestApp, program: &Program) -> Program {
    let asked = act(app, program.job, "pause").await;
    assert_eq!(asked["status"], "running", "its program is asked first");
    let heard = program.heartbeat().await;
    assert_eq!(
        (heard.cancel, heard.reason.as_deref()),
        (true, Some("paused"))
    );
    let outcome = Outcome::Cancelled {
        reason: "paused".into(),
    };
    assert_eq!(program.finish(&outcome).await, StatusCode::NO_CONTENT);
    let state = given::job_until(app, program.job, |state| state["status"] == "paused").await;
    assert_eq!(state["attempts"][0]["status"], "cancelled", "{state:#}");
    assert_eq!(act(app, program.job, "resume").await["status"], "approved");
    let state = given::job_until(app, program.job, |state| state["status"] == "running").await;
    let attempt = state["attempts"][1]["id"].as_str().unwrap();
    Program::of(app, program.job, attempt)
}

#[actix_web::test]
async fn only_what_an_attempt_has_in_the_store_is_a_checkpoint_of_it() {
    let app = portal().await;
    let data = given::approved_dataset(&app).await;
    let program = Program::dispatched(&app, data.version).await;
    let first = stored(&program, 1).await;
    let mut altered = first.clone();
    altered.sha256 = "0".repeat(64);
    let mut elsewhere = first.clone();
    elsewhere.artifact = Uuid::now_v7();
    let weights = program.put("adapter_model.safetensors", b"weights").await;
    let absent = ArtifactRequest {
        kind: ArtifactKind::Checkpoint,
        name: "checkpoint-2.safetensors".into(),
        size_bytes: 4,
        sha256: HEXLOWER.encode(&Sha256::digest(b"data")),
    };
    let (_, text) = program.call(Method::POST, "artifacts", &absent).await;
    let place: job_contract::ArtifactUpload = serde_json::from_str(&text).unwrap();
    let absent = StoredArtifact {
        artifact: place.artifact,
        name: absent.name,
        size_bytes: 4,
        sha256: absent.sha256,
    };
    let bad: [&[&StoredArtifact]; 6] = [
        &[],
        &[&first, &first],
        &[&altered],
        &[&elsewhere],
        &[&weights],
        &[&first, &absent],
    ];
    for files in bad {
        let status = told(&program, &checkpoint(1, 1, files)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{files:?}");
    }
    assert!(program.spec().await.resume.is_none());
    // Told twice, as after an answer that was lost.
    for _ in 0..2 {
        let status = told(&program, &checkpoint(1, 1, &[&first])).await;
        assert_eq!(status, StatusCode::OK);
    }
    let resume = program.spec().await.resume.unwrap();
    assert_eq!((resume.step, resume.files.len()), (1, 1));
    assert_eq!(resume.files[0].sha256, first.sha256);
}

#[actix_web::test]
async fn an_attempt_goes_on_from_the_checkpoint_of_the_one_before_by_leave() {
    let app = portal().await;
    let data = given::approved_dataset(&app).await;
    let (program, first) = told_at(&app, data.version, 3).await;
    let next = rests_and_goes_on(&app, &program).await;
    assert_eq!(program.grant(first.artifact).await.0, StatusCode::CONFLICT);
    let resume = next.spec().await.resume.unwrap();
    assert_eq!((resume.step, resume.files[0].file), (3, first.artifact));
    let (status, text) = next.grant(first.artifact).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let grant: ReadGrant = serde_json::from_str(&text).unwrap();
    let content = reqwest::get(&grant.url)
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(content, "what was learnt at step 3");
    // What was read of the dataset through it is written down as leave to read the dataset.
    let of: Option<Uuid> =
        sqlx::query_scalar("SELECT dataset_version_id FROM read_grants WHERE file_id = $1")
            .bind(first.artifact)
            .fetch_one(&app.pool().await)
            .await
            .unwrap();
    assert_eq!(of, Some(data.version));
    let other = Program::dispatched(&app, data.version).await;
    let (status, text) = other.grant(first.artifact).await;
    assert_eq!(
        status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "another job's: {text}"
    );
}

#[actix_web::test]
async fn a_withdrawal_stops_the_job_and_takes_its_checkpoints_out_of_the_store() {
    let app = portal().await;
    let data = given::approved_dataset(&app).await;
    let (program, first) = told_at(&app, data.version, 3).await;
    let next = rests_and_goes_on(&app, &program).await;
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(&mut manager, data.dataset, "").await;
    let (status, text) = next.grant(first.artifact).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{text}");
    let late = ArtifactRequest {
        kind: ArtifactKind::Checkpoint,
        name: "checkpoint-4.safetensors".into(),
        size_bytes: 4,
        sha256: HEXLOWER.encode(&Sha256::digest(b"late")),
    };
    let (status, text) = next.call(Method::POST, "artifacts", &late).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{text}");
    let outcome = Outcome::Cancelled {
        reason: "permission_withdrawn".into(),
    };
    assert_eq!(next.finish(&outcome).await, StatusCode::NO_CONTENT);

    let pool = app.pool().await;
    let key: String = sqlx::query_scalar("SELECT object_key FROM artifacts WHERE id = $1")
        .bind(first.artifact)
        .fetch_one(&pool)
        .await
        .unwrap();
    let proven = async |app: &TestApp| -> bool {
        withdrawals::purge_artifacts(&app.ports.db, &app.ports.objects)
            .await
            .unwrap();
        let seen = seen(&mut app.browser("manager.waterland").await, id).await;
        let items = seen["copies"]["items"].as_array().unwrap();
        let item = items.iter().find(|one| one["kind"] == "artifact").unwrap();
        item["verified_absent_at"].is_string()
    };
    assert!(!proven(&app).await, "somebody may still be putting it");
    sqlx::query("UPDATE artifacts SET put_until = now() - interval '1 second'")
        .execute(&pool)
        .await
        .unwrap();
    assert!(proven(&app).await);
    assert_eq!(app.ports.objects.versions(&key).await.unwrap(), []);
    let page = manager.get(&format!("/nl/withdrawals/{id}")).await.unwrap();
    assert!(
        page.text
            .contains("Wat een opdracht al geleerd had: checkpoint-3.safetensors"),
        "{}",
        page.text
    );
}

#[actix_web::test]
async fn the_newest_two_are_kept_and_none_once_the_job_is_over() {
    let app = portal().await;
    let data = given::approved_dataset(&app).await;
    let program = Program::dispatched(&app, data.version).await;
    let pool = app.pool().await;
    let left = async |app: &TestApp| -> Vec<String> {
        app.run_tasks().await;
        sqlx::query("UPDATE artifacts SET put_until = now() - interval '1 second'")
            .execute(&pool)
            .await
            .unwrap();
        app.run_tasks().await;
        let rows: Vec<(String, String, bool)> = sqlx::query_as(
            "SELECT name, object_key, deleted_at IS NOT NULL FROM artifacts ORDER BY name",
        )
        .fetch_all(&pool)
        .await
        .unwrap();
        let mut left = Vec::new();
        for (name, key, is_deleted) in rows {
            let is_there = !app.ports.objects.versions(&key).await.unwrap().is_empty();
            assert_eq!(is_there, !is_deleted, "{name}");
            if is_there {
                left.push(name);
            }
        }
        left
    };
    for step in 1..=3 {
        let part = stored(&program, step).await;
        let batch = checkpoint(step.into(), step, &[&part]);
        assert_eq!(told(&program, &batch).await, StatusCode::OK);
    }
    let both = ["checkpoint-2.safetensors", "checkpoint-3.safetensors"];
    assert_eq!(left(&app).await, both);
    // The first one is gone; a program that tells everything again is not asked for it.
    let absent = StoredArtifact {
        artifact: Uuid::now_v7(),
        name: "checkpoint-1.safetensors".into(),
        size_bytes: 1,
        sha256: "0".repeat(64),
    };
    assert_eq!(
        told(&program, &checkpoint(1, 1, &[&absent])).await,
        StatusCode::OK
    );
    act(&app, program.job, "cancel").await;
    let outcome = Outcome::Cancelled {
        reason: "cancelled_by_requester".into(),
    };
    assert_eq!(program.finish(&outcome).await, StatusCode::NO_CONTENT);
    assert_eq!(left(&app).await, Vec::<String>::new());
}

#[actix_web::test]
async fn a_pause_ends_by_itself_a_week_after_a_notice_and_nothing_is_kept() {
    let app = portal().await;
    let data = given::approved_dataset(&app).await;
    let program = Program::dispatched(&app, data.version).await;
    let first = stored(&program, 3).await;
    assert_eq!(
        told(&program, &checkpoint(1, 3, &[&first])).await,
        StatusCode::OK
    );
    act(&app, program.job, "pause").await;
    let outcome = Outcome::Cancelled {
        reason: "paused".into(),
    };
    assert_eq!(program.finish(&outcome).await, StatusCode::NO_CONTENT);
    let pool = app.pool().await;
    let rests_since = async |days: i32| {
        sqlx::query("UPDATE jobs SET paused_at = now() - make_interval(days => $1)")
            .bind(days)
            .execute(&pool)
            .await
            .unwrap();
        app.run_tasks().await;
    };
    let mut researcher = app.browser("researcher.harderwijk").await;
    rests_since(22).await;
    let notices = researcher.get("/en/notices").await.unwrap();
    assert!(!notices.text.contains("Your paused job"), "eight days left");
    rests_since(24).await;
    let end = chrono::Utc::now() + chrono::TimeDelta::days(6);
    let day = virtual_faculty::web::day("en".parse().unwrap(), end);
    let notices = researcher.get("/en/notices").await.unwrap();
    let words = format!("Your paused job is cancelled on {day}");
    assert!(notices.text.contains(&words), "{words}: {}", notices.text);
    let page = format!("/en/jobs/{}", program.job);
    let shown = researcher.get(&page).await.unwrap();
    let words = format!("If nobody lets it go on, it is cancelled on {day}");
    assert!(shown.text.contains(&words), "{words}: {}", shown.text);
    rests_since(31).await;
    let state = given::job_until(&app, program.job, given::is_over).await;
    assert_eq!(state["status"], "cancelled", "{state:#}");
    assert_eq!(state["status_code"], "paused_too_long");
    let shown = researcher.get(&page).await.unwrap();
    assert!(
        shown
            .text
            .contains("The job was paused and nobody let it go on in time."),
        "{}",
        shown.text
    );
    app.run_tasks().await;
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM artifacts WHERE dropped_at IS NULL")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(kept, 0);
}
