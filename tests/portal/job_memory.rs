//! A job that needs more memory than its place has is refused with what would fit: when it is asked for, or else by the
//! trainer, however much the machine itself has.

use std::{fmt::Write as _, fs, path::Path};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::ids::ModelId;

use crate::{
    job_failures::fails,
    support::{TestApp, given},
};

/// Less than any machine of these tests has: enough for the tiny base with short sequences, too little with long ones.
const SMALL: u64 = 28 << 20;

/// Settings with these places of this machine, each with its memory where it says how much.
fn settings(folder: &Path, places: &[(&str, Option<u64>)]) -> String {
    let program = TestApp::programs().join("faculty-training");
    let mut text = String::new();
    for (name, memory) in places {
        let memory = memory.map(|bytes| format!(", memory_bytes = {bytes}"));
        write!(
            text,
            "[[compute.places]]\nname = \"{name}\"\nkind = \"local\"\nstate_dir = {:?}\nprogram = {program:?}\n\
             resources = {{ cores = 1{} }}\n",
            folder.join(name),
            memory.unwrap_or_default(),
        )
        .unwrap();
    }
    let file = folder.join("faculty.toml");
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

/// Two steps over sequences of so many tokens, of which nothing is computed twice.
fn wanted(base: ModelId, version: Uuid, sequence_length: u32) -> Value {
    let mut wanted = given::job(base, version, 1);
    wanted["sequence_length"] = json!(sequence_length);
    wanted["recompute"] = json!("never");
    wanted["max_steps"] = json!(2);
    wanted
}

#[actix_web::test]
async fn the_trainer_keeps_to_the_memory_of_its_place_and_says_what_would_fit() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), &[("small", Some(SMALL))]);
    let app = TestApp::start_with(&[("FACULTY_CONFIG", &file)]).await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    // As of a base that came in before its sizes were read: the portal cannot reckon with it.
    let pool = app.pool().await;
    sqlx::query("UPDATE models SET shape = NULL")
        .execute(&pool)
        .await
        .unwrap();
    let job = given::approved_request(&app, wanted(base, data.version, 512)).await;
    let said = [
        "staat welke instelling wel past",
        "stands which setting would fit",
    ];
    let state = fails(&app, job, "does_not_fit", said).await;
    assert_eq!(state["estimate"]["memory_bytes"], Value::Null, "{state:#}");
    let message = state["status_message"].as_str().unwrap();
    for part in ["0.03 GB can be had", "sequence_length"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    // Brought in again, it is the same base and its sizes are known.
    let path = app.folder.path().join("tiny.gguf");
    assert_eq!(app.base_model("tiny", &path).await, base);
    let is_known: bool = sqlx::query_scalar("SELECT shape IS NOT NULL FROM models WHERE id = $1")
        .bind(base.0)
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(is_known);
}

#[actix_web::test]
async fn what_fits_no_place_is_refused_when_it_is_asked_for_and_the_rest_goes_where_it_fits() {
    let folder = tempfile::tempdir().unwrap();
    let places = [("small", Some(SMALL)), ("roomy", None)];
    let file = settings(folder.path(), &places);
    let app = TestApp::start_with(&[("FACULTY_CONFIG", &file)]).await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let mut researcher = app.browser("researcher.harderwijk").await;
    let long = wanted(base, data.version, 512);
    let mut there = long.clone();
    there["place"] = json!("small");
    for path in ["/api/v1/jobs/estimate", "/api/v1/jobs"] {
        let answer = researcher
            .call(Method::POST, path, Some(there.clone()))
            .await
            .unwrap();
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{}",
            answer.text
        );
        let said: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(said["code"], "jobs-does-not-fit", "{said:#}");
        let detail = said["detail"].as_str().unwrap();
        for part in [
            "29.4 MB",
            "at most 64 tokens per sequence (sequence_length)",
        ] {
            assert!(detail.contains(part), "{part}: {detail}");
        }
    }
    let (own_base, version) = (base.to_string(), data.version.to_string());
    let fields = [
        ("title", "Proef"),
        ("motivation", "een test"),
        ("method", "lora"),
        ("is_commercial", "no"),
        ("recipients", "consortium"),
        ("territory", "NL"),
        ("base_model", own_base.as_str()),
        ("dataset_versions", version.as_str()),
        ("epochs", "1"),
        ("rank", "4"),
        ("batch_size", "4"),
        ("sequence_length", "512"),
        ("recompute", "never"),
        ("place", "small"),
    ];
    for (action, status, part) in [
        ("check", StatusCode::OK, "het trainen kost ten minste"),
        (
            "send",
            StatusCode::UNPROCESSABLE_ENTITY,
            "id=\"sequence_length-error\"",
        ),
    ] {
        let mut sent = fields.to_vec();
        sent.push(("action", action));
        let page = researcher.post_form("/nl/jobs/new", &sent).await.unwrap();
        assert_eq!(page.status, status, "{action}: {}", page.text);
        for part in [part, "hoogstens 64 tokens per reeks"] {
            assert!(page.text.contains(part), "{action}: {part}: {}", page.text);
        }
        assert!(!page.text.contains('⟨'), "a text is missing: {}", page.text);
    }
    let jobs = researcher
        .api(Method::GET, "/api/v1/jobs", None)
        .await
        .unwrap();
    assert_eq!(jobs["data"], json!([]), "none of them was taken");

    // It goes past the place that stands first and is too small; what the advice said goes there.
    let told = researcher
        .api(Method::POST, "/api/v1/jobs/estimate", Some(long.clone()))
        .await
        .unwrap();
    assert_eq!(told["place"], "roomy", "{told:#}");
    assert!(told["memory_bytes"].as_u64() > Some(SMALL), "{told:#}");
    let advised = wanted(base, data.version, 64);
    for (job, place) in [(long, "roomy@"), (advised, "small@")] {
        let job = given::approved_request(&app, job).await;
        let state = given::job_until(&app, job, given::is_over).await;
        assert_eq!(state["status"], "succeeded", "{state:#}");
        let ran = state["attempts"][0]["backend"].as_str().unwrap();
        assert!(ran.starts_with(place), "{state:#}");
        let needs = state["estimate"]["memory_bytes"].as_u64();
        assert_eq!(needs > Some(SMALL), place == "roomy@", "{state:#}");
    }
}
