//! The job contract, with the test in the place of the program.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use job_contract::{
    ArtifactKind, ArtifactRequest, ArtifactUpload, EventAnswer, EventBatch, FailureCode, JobEvent,
    JobResult, JobSpec, NumberedEvent, Outcome, Phase, ReadGrant, Refusal, StoredArtifact,
};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::support::{TestApp, given};

/// A program that holds an attempt's token.
pub(crate) struct Program {
    http: reqwest::Client,
    base: String,
    token: String,
    pub(crate) job: Uuid,
}

/// A portal whose training program does nothing for a minute: what the test does in its place counts.
pub(crate) async fn portal() -> TestApp {
    let program =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("idle-{}", Uuid::now_v7()));
    fs::write(
        &program,
        "#!/bin/sh\ntrap '' TERM\nn=0; while [ $n -lt 60 ]; do sleep 1; n=$((n+1)); done\n",
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = program.display().to_string();
    TestApp::start_with(&[("FACULTY_TRAINING__PROGRAM", &path)]).await
}

impl Program {
    /// A dispatched job; its real program idles.
    pub(crate) async fn dispatched(app: &TestApp, version: Uuid) -> Self {
        let base = given::tiny_base(app).await;
        let job = given::approved_job(app, base, version, 1).await;
        let state = given::job_until(app, job, |state| state["status"] == "running").await;
        let attempt = state["attempts"][0]["id"].as_str().unwrap();
        Self::of(app, job, attempt)
    }

    /// The program of one attempt of a job.
    pub(crate) fn of(app: &TestApp, job: Uuid, attempt: &str) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(b"0123456789abcdef0123456789abcdef")
            .unwrap()
            .chain_update(format!("attempt:{attempt}"))
            .finalize()
            .into_bytes();
        Self {
            http: reqwest::Client::builder()
                .timeout(std::time::Duration::from_secs(20))
                .build()
                .unwrap(),
            base: format!("{}internal/v1/attempts/{attempt}", app.url),
            token: format!("vfa_{attempt}_{}", HEXLOWER.encode(&mac)),
            job,
        }
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> (StatusCode, String) {
        self.call_as(&self.token, method, path, body).await
    }

    async fn call_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> (StatusCode, String) {
        let answer = self
            .http
            .request(method, format!("{}/{path}", self.base))
            .bearer_auth(token)
            .json(body)
            .send()
            .await
            .unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    pub(crate) async fn spec(&self) -> JobSpec {
        let (status, text) = self.call(Method::GET, "spec", &json!({})).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn grant(&self, file: Uuid) -> (StatusCode, String) {
        self.call(Method::POST, "grants", &json!({ "file": file }))
            .await
    }

    pub(crate) async fn heartbeat(&self) -> EventAnswer {
        let (status, text) = self
            .call(Method::POST, "events", &EventBatch::default())
            .await;
        assert_eq!(status, StatusCode::OK, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn finish(&self, outcome: &Outcome) -> StatusCode {
        self.call(Method::POST, "finish", outcome).await.0
    }

    /// Puts a file of the model as the contract says.
    pub(crate) async fn put(&self, name: &str, content: &[u8]) -> StoredArtifact {
        self.put_as(ArtifactKind::Model, name, content).await
    }

    /// Puts a file as the contract says.
    pub(crate) async fn put_as(
        &self,
        kind: ArtifactKind,
        name: &str,
        content: &[u8],
    ) -> StoredArtifact {
        let request = ArtifactRequest {
            kind,
            name: name.to_owned(),
            size_bytes: content.len() as u64,
            sha256: HEXLOWER.encode(&Sha256::digest(content)),
        };
        let (status, text) = self.call(Method::POST, "artifacts", &request).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        let place: ArtifactUpload = serde_json::from_str(&text).unwrap();
        assert!(!place.is_stored);
        let mut put = self.http.put(&place.url).body(content.to_vec());
        for (name, value) in &place.headers {
            put = put.header(name, value);
        }
        let answer = put.send().await.unwrap();
        assert!(
            answer.status().is_success(),
            "{}",
            answer.text().await.unwrap()
        );
        let (_, text) = self.call(Method::POST, "artifacts", &request).await;
        let again: ArtifactUpload = serde_json::from_str(&text).unwrap();
        assert!(again.is_stored, "the same file again is there already");
        assert_eq!(again.artifact, place.artifact);
        StoredArtifact {
            artifact: place.artifact,
            name: request.name,
            size_bytes: request.size_bytes,
            sha256: request.sha256,
        }
    }
}

pub(crate) fn result(spec: &JobSpec, artifacts: Vec<StoredArtifact>) -> JobResult {
    JobResult {
        artifacts,
        held_out_loss_before: Some(3.5),
        held_out_loss_after: Some(2.1),
        steps: 6,
        best_step: None,
        resumed_from_step: None,
        tokens_trained: 1000,
        tokens_by_dataset: spec
            .inputs
            .iter()
            .filter_map(|input| Some((input.dataset_version?, 1000)))
            .collect(),
        tokens_by_dataset_in_run: Vec::new(),
        files_read: spec
            .inputs
            .iter()
            .map(|input| (input.file, input.sha256.clone()))
            .collect(),
        wall_seconds: 12.25,
        energy_joules: None,
        // Databases write numbers like this in their own way.
        flop: 2.5e17,
        program: "test 1".into(),
        code: None,
    }
}

#[actix_web::test]
async fn the_token_of_an_attempt_opens_that_attempt_and_nothing_else() {
    let app = portal().await;
    let data = given::approved_dataset(&app).await;
    let program = Program::dispatched(&app, data.version).await;
    assert_eq!(program.spec().await.inputs.len(), 1);
    for token in ["", "vfa_x", &program.token[..program.token.len() - 1]] {
        let (status, text) = program
            .call_as(token, Method::GET, "spec", &json!({}))
            .await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{text}");
        let refusal: Refusal = serde_json::from_str(&text).unwrap();
        assert_eq!(refusal.code, "token_invalid");
    }
}

#[actix_web::test]
async fn each_file_is_read_by_leave_and_a_withdrawal_ends_it_at_the_next_read() {
    let app = portal().await;
    let data = given::approved_dataset(&app).await;
    let program = Program::dispatched(&app, data.version).await;
    let spec = program.spec().await;
    let file = &spec.inputs[0];
    let (status, text) = program.grant(file.file).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let grant: ReadGrant = serde_json::from_str(&text).unwrap();
    let bytes = program
        .http
        .get(&grant.url)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(bytes.as_ref(), given::small_corpus());
    assert_eq!(
        program
            .grant(spec.base_model.as_ref().unwrap().files[0].file)
            .await
            .0,
        StatusCode::OK
    );
    let (status, text) = program.grant(Uuid::now_v7()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
    assert!(!program.heartbeat().await.cancel);

    given::withdrawn(&app, data.dataset, "bezwaar").await;
    let (status, text) = program.grant(file.file).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{text}");
    let refusal: Refusal = serde_json::from_str(&text).unwrap();
    assert_eq!(refusal.code, "permission_withdrawn");
    assert_eq!(refusal.rules, ["permission-withdrawn"]);
    let answer = program.heartbeat().await;
    assert_eq!(
        (answer.cancel, answer.reason.as_deref()),
        (true, Some("permission_withdrawn"))
    );

    let outcome = Outcome::Failed {
        code: FailureCode::Refused,
        message: "a grant was refused".into(),
    };
    assert_eq!(program.finish(&outcome).await, StatusCode::NO_CONTENT);
    assert_eq!(
        program.finish(&outcome).await,
        StatusCode::NO_CONTENT,
        "twice is fine"
    );
    let late = Outcome::Succeeded(Box::new(result(&spec, vec![])));
    assert_eq!(program.finish(&late).await, StatusCode::CONFLICT);
    let state = given::job_until(&app, program.job, given::is_over).await;
    assert_eq!(
        (&state["status"], &state["status_code"]),
        (&json!("blocked"), &json!("permission_withdrawn"))
    );
    assert_eq!(
        program.grant(file.file).await.0,
        StatusCode::CONFLICT,
        "the attempt is over"
    );
}

#[actix_web::test]
async fn events_count_once_however_often_they_are_sent() {
    let app = portal().await;
    let data = given::approved_dataset(&app).await;
    let program = Program::dispatched(&app, data.version).await;
    let at = app.ports.db.now();
    let event = |number, event| NumberedEvent { number, at, event };
    let step = |step, loss| JobEvent::Step {
        step,
        total_steps: 6,
        loss,
        accuracy: None,
        learning_rate: 0.001,
        gradient_norm: 1.0,
        tokens_per_second: 100.0,
        tokens_seen: 64,
        tokens_by_dataset: Vec::new(),
        seconds_left: Some(5),
    };
    let batch = EventBatch {
        events: vec![
            event(
                1,
                JobEvent::Phase {
                    phase: Phase::Training,
                },
            ),
            event(2, step(1, 3.5)),
            event(3, step(2, 3.25)),
        ],
    };
    for _ in 0..2 {
        let (status, text) = program.call(Method::POST, "events", &batch).await;
        assert_eq!(status, StatusCode::OK, "{text}");
    }
    let state = given::job_until(&app, program.job, |state| state["progress"]["step"] == 2).await;
    assert_eq!(state["progress"]["phase"], "training");
    assert_eq!(state["progress"]["loss"], 3.25);
    let mut conn = app.ports.db.read().await.unwrap();
    let kept = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM job_events WHERE job_id = $1"#,
        program.job
    )
    .fetch_one(&mut *conn)
    .await
    .unwrap();
    assert_eq!(kept, 3);
    let bad = EventBatch {
        events: vec![event(0, step(1, 1.0))],
    };
    let (status, _) = program.call(Method::POST, "events", &bad).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[actix_web::test]
async fn a_job_succeeds_once_with_files_that_are_there_and_data_that_was_granted() {
    let app = portal().await;
    let data = given::approved_dataset(&app).await;
    let program = Program::dispatched(&app, data.version).await;
    let spec = program.spec().await;
    let weights = program
        .put("adapter_model.safetensors", b"weights of a test")
        .await;
    let config = program.put("adapter_config.json", b"{}").await;
    let good = Outcome::Succeeded(Box::new(result(
        &spec,
        vec![weights.clone(), config.clone()],
    )));

    let (status, text) = program.call(Method::POST, "finish", &good).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
    assert!(text.contains("without leave"), "{text}");
    assert_eq!(program.grant(spec.inputs[0].file).await.0, StatusCode::OK);

    let mut altered = weights.clone();
    altered.sha256 = "0".repeat(64);
    for artifacts in [vec![weights.clone()], vec![altered, config.clone()]] {
        let bad = Outcome::Succeeded(Box::new(result(&spec, artifacts)));
        assert_eq!(program.finish(&bad).await, StatusCode::UNPROCESSABLE_ENTITY);
    }

    let (first, second) = tokio::join!(program.finish(&good), program.finish(&good));
    assert_eq!(
        (first, second),
        (StatusCode::NO_CONTENT, StatusCode::NO_CONTENT)
    );
    assert_eq!(program.finish(&good).await, StatusCode::NO_CONTENT);
    let other = Outcome::Cancelled { reason: "x".into() };
    assert_eq!(program.finish(&other).await, StatusCode::CONFLICT);
    let state = given::job_until(&app, program.job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    let mut conn = app.ports.db.read().await.unwrap();
    let row = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM models WHERE job_id = $1) AS "models!",
                  (SELECT count(*) FROM model_files f JOIN models m ON m.id = f.model_id WHERE m.job_id = $1) AS "files!",
                  (SELECT count(*) FROM receipts r JOIN models m ON m.id = r.model_id WHERE m.job_id = $1)
                      AS "receipts!",
                  (SELECT sum(tokens)::bigint FROM tokens_read t JOIN attempts a ON a.id = t.attempt_id
                   WHERE a.job_id = $1) AS "tokens!""#,
        program.job
    )
    .fetch_one(&mut *conn)
    .await
    .unwrap();
    assert_eq!(
        (row.models, row.files, row.receipts, row.tokens),
        (1, 2, 1, 1000)
    );
}

#[actix_web::test]
async fn a_file_that_is_not_as_it_was_verified_ends_the_attempt_and_is_in_the_log() {
    let app = portal().await;
    let data = given::approved_dataset(&app).await;
    let program = Program::dispatched(&app, data.version).await;
    let spec = program.spec().await;
    let file = spec.inputs[0].file;
    let told = |number, file, sha256: &str| EventBatch {
        events: vec![NumberedEvent {
            number,
            at: app.ports.db.now(),
            event: JobEvent::FileRead {
                file,
                sha256: sha256.to_owned(),
            },
        }],
    };
    let right = spec.inputs[0].sha256.clone();
    let (status, text) = program
        .call(Method::POST, "events", &told(1, file, &right))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
    assert!(text.contains("without leave"), "{text}");
    assert_eq!(program.grant(file).await.0, StatusCode::OK);
    for (file, sha256) in [(Uuid::now_v7(), right.as_str()), (file, "no hash")] {
        let (status, text) = program
            .call(Method::POST, "events", &told(1, file, sha256))
            .await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
    }
    let (status, text) = program
        .call(Method::POST, "events", &told(1, file, &"0".repeat(64)))
        .await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let answer: EventAnswer = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (answer.cancel, answer.reason.as_deref()),
        (true, Some("hash_mismatch"))
    );
    let state = given::job_until(&app, program.job, given::is_over).await;
    assert_eq!(
        (&state["status"], &state["status_code"]),
        (&json!("failed"), &json!("hash_mismatch"))
    );
    let log = app
        .browser("auditor")
        .await
        .get("/nl/audit")
        .await
        .unwrap()
        .text;
    assert!(
        log.contains("jobs.read_mismatch"),
        "the incident is not in the log"
    );
    let mut conn = app.ports.db.read().await.unwrap();
    let kept = sqlx::query_scalar::<_, bool>(
        "SELECT is_as_verified FROM files_read r JOIN attempts a ON a.id = r.attempt_id WHERE a.job_id = $1",
    )
    .bind(program.job)
    .fetch_all(&mut *conn)
    .await
    .unwrap();
    assert_eq!(
        kept,
        [false],
        "what was really read is kept, also where it was wrong"
    );
}

#[actix_web::test]
async fn a_result_on_other_bytes_is_no_success() {
    let app = portal().await;
    let data = given::approved_dataset(&app).await;
    let program = Program::dispatched(&app, data.version).await;
    let spec = program.spec().await;
    assert_eq!(program.grant(spec.inputs[0].file).await.0, StatusCode::OK);
    let weights = program
        .put("adapter_model.safetensors", b"weights of a test")
        .await;
    let config = program.put("adapter_config.json", b"{}").await;
    let mut made = result(&spec, vec![weights, config]);
    // The right hash as well: every word of the program counts.
    made.files_read
        .insert(0, (spec.inputs[0].file, "0".repeat(64)));
    let outcome = Outcome::Succeeded(Box::new(made));
    assert_eq!(program.finish(&outcome).await, StatusCode::NO_CONTENT);
    let state = given::job_until(&app, program.job, given::is_over).await;
    assert_eq!(
        (&state["status"], &state["status_code"]),
        (&json!("failed"), &json!("hash_mismatch"))
    );
    assert_eq!(
        program.finish(&outcome).await,
        StatusCode::NO_CONTENT,
        "twice is fine"
    );
    let mut conn = app.ports.db.read().await.unwrap();
    let models = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM models WHERE job_id = $1")
        .bind(program.job)
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    assert_eq!(models, 0);
}

#[actix_web::test]
async fn a_prohibition_stops_a_job_with_its_own_rule_and_nobody_withdrew() {
    let app = portal().await;
    let data = given::approved_dataset(&app).await;
    let program = Program::dispatched(&app, data.version).await;
    let spec = program.spec().await;
    let mut manager = app.browser("manager.waterland").await;
    manager
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{}/permissions", data.dataset),
            Some(json!({
                "layers": ["copyright"], "purposes": ["evaluation"], "prohibited": ["fine_tuning"],
                "recipients": "consortium", "commercial": "no", "territories": "world",
                "processing_locations": "world", "model_families": "all", "valid_from": "2026-01-01",
                "valid_until": "2031-12-31", "evidence": "besluit", "delete_within_days": "30",
            })),
        )
        .await
        .unwrap();
    let (status, text) = program.grant(spec.inputs[0].file).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{text}");
    let refusal: Refusal = serde_json::from_str(&text).unwrap();
    assert_eq!(refusal.code, "not_permitted", "{text}");
    let outcome = Outcome::Cancelled {
        reason: "not_permitted".into(),
    };
    assert_eq!(program.finish(&outcome).await, StatusCode::NO_CONTENT);
    let state = given::job_until(&app, program.job, given::is_over).await;
    assert_eq!(
        (&state["status"], &state["status_code"]),
        (&json!("blocked"), &json!("not_permitted")),
        "{state:#}"
    );
    assert!(state.to_string().contains("prohibited"), "{state:#}");
}
