//! How things come to be, through the same doors that people use.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::ids::ModelId;

use super::TestApp;

/// A dataset of Archief Waterland that passed both reviews and may be used for fine-tuning.
pub(crate) struct Approved {
    pub(crate) dataset: Uuid,
    pub(crate) version: Uuid,
}

/// Chats enough to train a tiny model on.
pub(crate) fn small_corpus() -> Vec<u8> {
    corpus(24)
}

/// So many chats.
pub(crate) fn corpus(count: usize) -> Vec<u8> {
    let mut lines = String::new();
    for n in 0..count {
        let line = json!({ "messages": [
            { "role": "user", "content": format!("vraag {n}") },
            { "role": "assistant", "content": format!("het archief is open op dag {n}") },
        ]});
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    lines.into_bytes()
}

/// Running text enough to train a tiny model on from nothing.
pub(crate) fn texts() -> Vec<u8> {
    (0..24)
        .map(|n| {
            let text =
                format!("Vraag {n}: wanneer is het archief open? Het archief is open op dag {n}.");
            format!("{}\n", json!({ "text": text }))
        })
        .collect::<String>()
        .into_bytes()
}

pub(crate) async fn approved_dataset(app: &TestApp) -> Approved {
    approved_dataset_of(app, &small_corpus()).await
}

pub(crate) async fn approved_dataset_of(app: &TestApp, corpus: &[u8]) -> Approved {
    let submitted = submitted_dataset(app, corpus, &[]).await;
    approve(app, submitted.dataset).await;
    submitted
}

/// A dataset that passed both reviews, with a permission of the test's own.
pub(crate) async fn approved_with(app: &TestApp, permission: Value) -> Approved {
    approved_with_of(app, &small_corpus(), permission).await
}

/// The same, of these lines.
pub(crate) async fn approved_with_of(app: &TestApp, corpus: &[u8], permission: Value) -> Approved {
    let draft = permitted_draft_with(app, corpus, &[], permission).await;
    submit(app, draft.dataset).await;
    approve(app, draft.dataset).await;
    draft
}

/// Both reviewers say yes.
pub(crate) async fn approve(app: &TestApp, dataset: Uuid) {
    for (login, kind) in [("steward", "data"), ("legal", "legal")] {
        let answer = app
            .browser(login)
            .await
            .post_form(
                &format!("/nl/datasets/{dataset}/review"),
                &[("kind", kind), ("decision", "approved"), ("reason", "")],
            )
            .await
            .unwrap();
        assert_eq!(answer.status, 303, "{}", answer.text);
    }
}

/// Its owner takes the whole dataset back.
pub(crate) async fn withdrawn(app: &TestApp, dataset: Uuid, reason: &str) {
    app.browser("manager.waterland")
        .await
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/withdraw"),
            Some(json!({ "reason": reason })),
        )
        .await
        .unwrap();
}

/// A dataset of Archief Waterland that was submitted, with permission for fine-tuning; `changes` replace facts.
pub(crate) async fn submitted_dataset(
    app: &TestApp,
    corpus: &[u8],
    changes: &[(&str, &str)],
) -> Approved {
    let draft = permitted_draft_with(app, corpus, changes, usual_permission()).await;
    submit(app, draft.dataset).await;
    draft
}

async fn submit(app: &TestApp, dataset: Uuid) {
    app.browser("contributor.waterland")
        .await
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/submit"),
            None,
        )
        .await
        .unwrap();
}

/// A dataset with a verified file and a permission, not yet submitted.
pub(crate) async fn permitted_draft_of(app: &TestApp, corpus: &[u8]) -> Approved {
    permitted_draft_with(app, corpus, &[], usual_permission()).await
}

async fn permitted_draft_with(
    app: &TestApp,
    corpus: &[u8],
    changes: &[(&str, &str)],
    permission: Value,
) -> Approved {
    let mut contributor = app.browser("contributor.waterland").await;
    let mut facts = json!({
        "title": "Notulen", "description": "Voor een test geschreven.", "language": "nl", "license": "CC0-1.0",
        "source": "test", "right_holder": "Archief Waterland", "personal_data": "no",
        "personal_data_basis": "", "confidentiality": "public",
    });
    for (name, value) in changes {
        facts[*name] = json!(value);
    }
    let registered = contributor
        .api(Method::POST, "/api/v1/datasets", Some(facts))
        .await
        .unwrap();
    let dataset: Uuid = registered["id"].as_str().unwrap().parse().unwrap();
    let version: Uuid = registered["version"]["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    contributor
        .upload(dataset, "notulen.jsonl", corpus)
        .await
        .unwrap();
    give(app, dataset, permission).await;
    Approved { dataset, version }
}

/// Fine-tuning for the consortium, anywhere.
fn usual_permission() -> Value {
    json!({
        "layers": ["copyright"], "purposes": ["fine_tuning"], "recipients": "consortium", "commercial": "no",
        "territories": "world", "processing_locations": "world", "model_families": "all",
        "valid_from": "2026-01-01", "valid_until": "2031-12-31", "evidence": "besluit", "delete_within_days": "30",
    })
}

async fn give(app: &TestApp, dataset: Uuid, permission: Value) {
    app.browser("manager.waterland")
        .await
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/permissions"),
            Some(permission),
        )
        .await
        .unwrap();
}

/// A tiny base model that really trains, in a second or two.
pub(crate) async fn tiny_base(app: &TestApp) -> ModelId {
    let path = tiny_model(app);
    app.base_model("tiny", &path).await
}

pub(crate) fn tiny_model(app: &TestApp) -> PathBuf {
    let path = app.folder.path().join("tiny.gguf");
    language_model::synthetic::Synthetic::default()
        .write_gguf(&path)
        .unwrap();
    path
}

/// A job of Universiteit Harderwijk on that dataset, approved; answers its id.
pub(crate) async fn approved_job(app: &TestApp, base: ModelId, version: Uuid, epochs: u32) -> Uuid {
    approved_request(app, job(base, version, epochs)).await
}

/// The job of a request with settings of the test's own, approved; answers its id.
pub(crate) async fn approved_request(app: &TestApp, wanted: Value) -> Uuid {
    let requested = app
        .browser("researcher.harderwijk")
        .await
        .api(Method::POST, "/api/v1/jobs", Some(wanted))
        .await
        .unwrap();
    let job: Uuid = requested["id"].as_str().unwrap().parse().unwrap();
    let_run(app, job).await;
    job
}

/// The operator approves a job that was asked for.
pub(crate) async fn let_run(app: &TestApp, job: Uuid) {
    app.browser("operator")
        .await
        .api(Method::POST, &format!("/api/v1/jobs/{job}/approve"), None)
        .await
        .unwrap();
}

/// What a job's request says.
pub(crate) fn job(base: ModelId, version: Uuid, epochs: u32) -> Value {
    json!({
        "title": "Proef", "motivation": "een test", "purpose": "fine_tuning", "recipients": "consortium",
        "base_model": base, "dataset_versions": [version], "epochs": epochs, "rank": 4, "batch_size": 4,
        "sequence_length": 64,
    })
}

/// Watches a job until `holds`; fails with the job's state after two minutes.
pub(crate) async fn job_until(app: &TestApp, job: Uuid, holds: impl Fn(&Value) -> bool) -> Value {
    job_within(app, job, 2, holds).await
}

/// As [`job_until`], for so many minutes.
pub(crate) async fn job_within(
    app: &TestApp,
    job: Uuid,
    minutes: u32,
    holds: impl Fn(&Value) -> bool,
) -> Value {
    let mut operator = app.browser("operator").await;
    let mut last = Value::Null;
    for _ in 0..minutes * 300 {
        // The portal may be away for a moment in tests that kill it.
        if let Ok(state) = operator
            .api(Method::GET, &format!("/api/v1/jobs/{job}"), None)
            .await
        {
            if holds(&state) {
                return state;
            }
            last = state;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("the job did not come to that within {minutes} minutes: {last:#}");
}

/// Whether a job has come to its end.
pub(crate) fn is_over(state: &Value) -> bool {
    ["succeeded", "failed", "cancelled", "rejected", "blocked"]
        .contains(&state["status"].as_str().unwrap_or(""))
}

/// A key that one person asked for and another approved: its id, and the whole key.
pub(crate) async fn key(
    app: &TestApp,
    (asker, approver): (&str, &str),
    wanted: Value,
) -> (String, String) {
    let mut asker = app.browser(asker).await;
    let asked = asker.api(Method::POST, "/api/v1/keys", Some(wanted)).await;
    let id = asked.unwrap()["id"].as_str().unwrap().to_owned();
    let path = |act: &str| format!("/api/v1/keys/{id}/{act}");
    let mut approver = app.browser(approver).await;
    let approved = approver.api(Method::POST, &path("approve"), None).await;
    approved.unwrap();
    let shown = asker.api(Method::POST, &path("reveal"), None).await;
    let key = shown.unwrap()["api_key"].as_str().unwrap().to_owned();
    (id, key)
}

/// The institution that a key belongs to.
pub(crate) async fn institution_of(app: &TestApp, key: &str) -> String {
    let mut admin = app.browser("admin").await;
    let path = format!("/api/v1/keys/{key}");
    let key = admin.api(Method::GET, &path, None).await.unwrap();
    key["institution"]["id"].as_str().unwrap().to_owned()
}

/// A project of an institution; answers its id.
pub(crate) async fn project(app: &TestApp, institution: &str, name: &str) -> String {
    let mut admin = app.browser("admin").await;
    let wanted = json!({"institution": institution, "name": name});
    let made = admin
        .api(Method::POST, "/api/v1/projects", Some(wanted))
        .await
        .unwrap();
    made["id"].as_str().unwrap().to_owned()
}

/// An administrator sets a limit.
pub(crate) async fn limit(app: &TestApp, node: &str, (measure, period): (&str, &str), cap: i64) {
    let mut admin = app.browser("admin").await;
    let wanted = json!({"measure": measure, "period": period, "cap": cap});
    let path = format!("/api/v1/quotas/{node}");
    admin.api(Method::PUT, &path, Some(wanted)).await.unwrap();
}

/// The institution of somebody has accepted the terms under which models are used.
pub(crate) async fn accepted_terms(app: &TestApp, login: &str) {
    let institution = login.split_once('.').unwrap().1;
    app.browser(&format!("manager.{institution}"))
        .await
        .api(Method::POST, "/api/v1/model-terms/accept", None)
        .await
        .unwrap();
}
