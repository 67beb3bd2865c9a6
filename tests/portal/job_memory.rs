//! A job that needs more memory than its place has is refused with what would fit: when it is asked for, or else by the
//! trainer, however much the machine itself has. What its data may not go to counts as no place.

use std::{fmt::Write as _, fs, path::Path};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::{demo::Browser, ids::ModelId};

use crate::{
    job_failures::fails,
    support::{TestApp, Tuner, given},
};

/// Less than any machine of these tests has: enough for the tiny base with short sequences, too little with long ones.
const SMALL: u64 = 28 << 20;
const LARGE: u64 = 8 << 30;

/// Settings with these places of this machine, each with where it says that it stands, and its memory where it says how much.
fn settings(folder: &Path, places: &[(&str, &str, Option<u64>)]) -> String {
    let program = TestApp::programs().join("faculty-training");
    let mut text = String::new();
    for (name, location, memory) in places {
        let memory = memory.map(|bytes| format!(", memory_bytes = {bytes}"));
        write!(
            text,
            "[[compute.places]]\nname = \"{name}\"\nkind = \"local\"\nlocation = \"{location}\"\nstate_dir = {:?}\n\
             program = {program:?}\nresources = {{ cores = 1{} }}\n",
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
    let file = settings(folder.path(), &[("small", "NL", Some(SMALL))]);
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

/// Refused, by the estimate as by the request, with what the small place has and what would fit there.
async fn refused(researcher: &mut Browser, wanted: &Value) {
    for path in ["/api/v1/jobs/estimate", "/api/v1/jobs"] {
        let answer = researcher
            .call(Method::POST, path, Some(wanted.clone()))
            .await
            .unwrap();
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{path}: {}",
            answer.text
        );
        let said: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(said["code"], "jobs-does-not-fit", "{path}: {said:#}");
        let detail = said["detail"].as_str().unwrap();
        for part in [
            "the largest place that comes into question has 29.4 MB",
            "at most 64 tokens per sequence (sequence_length)",
        ] {
            assert!(detail.contains(part), "{path}: {part}: {detail}");
        }
    }
}

/// The same request in the wizard; answers the status and the page.
async fn form(
    researcher: &mut Browser,
    (base, version): (ModelId, Uuid),
    (place, action): (&str, &str),
) -> (StatusCode, String) {
    let (base, version) = (base.to_string(), version.to_string());
    let fields = [
        ("title", "Proef"),
        ("motivation", "een test"),
        ("method", "lora"),
        ("is_commercial", "no"),
        ("recipients", "consortium"),
        ("territory", "NL"),
        ("base_model", base.as_str()),
        ("dataset_versions", version.as_str()),
        ("epochs", "1"),
        ("rank", "4"),
        ("batch_size", "4"),
        ("sequence_length", "512"),
        ("recompute", "never"),
        ("place", place),
        ("action", action),
    ];
    let page = researcher.post_form("/nl/jobs/new", &fields).await.unwrap();
    (page.status, page.text)
}

#[actix_web::test]
async fn what_fits_no_place_is_refused_when_it_is_asked_for_and_the_rest_goes_where_it_fits() {
    let folder = tempfile::tempdir().unwrap();
    let places = [("small", "NL", Some(SMALL)), ("roomy", "NL", None)];
    let file = settings(folder.path(), &places);
    let app = TestApp::start_with(&[("FACULTY_CONFIG", &file)]).await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let mut researcher = app.browser("researcher.harderwijk").await;
    let long = wanted(base, data.version, 512);
    let mut there = long.clone();
    there["place"] = json!("small");
    refused(&mut researcher, &there).await;
    for (action, status, part) in [
        ("check", StatusCode::OK, "het trainen kost ten minste"),
        (
            "send",
            StatusCode::UNPROCESSABLE_ENTITY,
            "id=\"sequence_length-error\"",
        ),
    ] {
        let (told, page) = form(&mut researcher, (base, data.version), ("small", action)).await;
        assert_eq!(told, status, "{action}: {page}");
        for part in [part, "hoogstens 64 tokens per reeks"] {
            assert!(page.contains(part), "{action}: {part}: {page}");
        }
        assert!(!page.contains('⟨'), "a text is missing: {page}");
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

/// Fine-tuning for the consortium, on machines in the European Union.
fn within_the_union() -> Value {
    json!({
        "layers": ["copyright"], "purposes": ["fine_tuning"], "recipients": "consortium", "commercial": "no",
        "territories": "world", "processing_locations": "EU", "model_families": "all",
        "valid_from": "2026-01-01", "valid_until": "2031-12-31", "evidence": "besluit", "delete_within_days": "30",
    })
}

/// The place where an only attempt ran.
fn ran(state: &Value) -> &str {
    assert_eq!(state["status"], "succeeded", "{state:#}");
    state["attempts"][0]["backend"].as_str().unwrap()
}

#[actix_web::test]
async fn memory_where_the_data_may_not_be_is_none_and_what_would_fit_is_told_of_where_they_may() {
    let folder = tempfile::tempdir().unwrap();
    let places = [("abroad", "US", Some(LARGE)), ("here", "NL", Some(SMALL))];
    let file = settings(folder.path(), &places);
    let app = TestApp::start_with(&[("FACULTY_CONFIG", &file)]).await;
    let base = given::tiny_base(&app).await;
    let restricted = given::approved_with(&app, within_the_union()).await;
    let mut researcher = app.browser("researcher.harderwijk").await;
    refused(&mut researcher, &wanted(base, restricted.version, 512)).await;
    for (action, status, part) in [
        ("check", StatusCode::OK, "het trainen kost ten minste"),
        (
            "send",
            StatusCode::UNPROCESSABLE_ENTITY,
            "id=\"sequence_length-error\"",
        ),
    ] {
        let of = (base, restricted.version);
        let (told, page) = form(&mut researcher, of, ("", action)).await;
        assert_eq!(told, status, "{action}: {page}");
        for part in [part, "hoogstens 64 tokens per reeks"] {
            assert!(page.contains(part), "{action}: {part}: {page}");
        }
    }
    // Where it names the large one, it is the rules that say no.
    let mut there = wanted(base, restricted.version, 512);
    there["place"] = json!("abroad");
    let answer = researcher
        .call(Method::POST, "/api/v1/jobs", Some(there))
        .await
        .unwrap();
    assert!(
        answer.text.contains("jobs-not-permitted"),
        "{}",
        answer.text
    );
    // A job of the fine-tuning API ends so, and is not asked for again and again.
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let asked = json!({
        "model": "tiny", "training_file": format!("dataset:{}@1", restricted.dataset),
        "hyperparameters": { "n_epochs": 1 }, "gptnl": { "lora": { "rank": 4 }, "sequence_length": 512 },
    });
    let (status, made) = tuner.post("fine_tuning/jobs", &asked).await;
    assert_eq!(status, 200, "{made:#}");
    let path = format!("fine_tuning/jobs/{}", made["id"].as_str().unwrap());
    let failed = tuner.until(&path, |job| job["status"] == "failed").await;
    assert_eq!(failed["error"]["code"], "does_not_fit", "{failed:#}");
    let message = failed["error"]["message"].as_str().unwrap();
    for part in [
        "the largest place that comes into question has 29.4 MB",
        "sequence_length",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let jobs = researcher
        .api(Method::GET, "/api/v1/jobs", None)
        .await
        .unwrap();
    assert_eq!(jobs["data"], json!([]), "none of them was taken");

    // What was advised goes where the data may be, and the long one with data that may go anywhere to the large place.
    let advised = wanted(base, restricted.version, 64);
    let told = researcher
        .api(Method::POST, "/api/v1/jobs/estimate", Some(advised.clone()))
        .await
        .unwrap();
    assert_eq!(told["place"], "here", "{told:#}");
    let free = given::approved_dataset(&app).await;
    let long = wanted(base, free.version, 512);
    for (job, place) in [(advised, "here@"), (long, "abroad@")] {
        let job = given::approved_request(&app, job).await;
        let state = given::job_until(&app, job, given::is_over).await;
        assert!(ran(&state).starts_with(place), "{state:#}");
    }
}

#[actix_web::test]
async fn a_job_that_waits_for_the_one_place_where_its_data_may_be_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let places = [("abroad", "US", Some(LARGE)), ("here", "NL", Some(LARGE))];
    let file = settings(folder.path(), &places);
    let app = TestApp::start_with(&[("FACULTY_CONFIG", &file)]).await;
    let base = given::tiny_base(&app).await;
    let chats = given::corpus(4000);
    let restricted = given::approved_with_of(&app, &chats, within_the_union()).await;
    let free = given::approved_dataset(&app).await;
    let runs = given::approved_job(&app, base, restricted.version, 50).await;
    let state = given::job_until(&app, runs, |state| state["status"] == "running").await;
    let place = state["attempts"][0]["backend"].as_str().unwrap();
    assert!(place.starts_with("here@"), "{state:#}");
    let waits = given::approved_request(&app, wanted(base, restricted.version, 64)).await;
    given::job_until(&app, waits, |state| state["queue"]["waits_for"] == "room").await;
    // It stands behind the one that waits, and goes to the place that has room.
    let goes = given::approved_request(&app, wanted(base, free.version, 64)).await;
    let state = given::job_until(&app, goes, given::is_over).await;
    assert!(ran(&state).starts_with("abroad@"), "{state:#}");
    app.browser("researcher.harderwijk")
        .await
        .api(Method::POST, &format!("/api/v1/jobs/{runs}/cancel"), None)
        .await
        .unwrap();
    let state = given::job_until(&app, waits, given::is_over).await;
    assert!(ran(&state).starts_with("here@"), "{state:#}");
}
