//! What fails on the machine is told on the job's page: what it was, and what to do next, in both languages.

use std::{
    fs,
    os::unix::fs::{FileExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use job_contract::{EventBatch, FailureCode, JobEvent, NumberedEvent, Outcome};
use language_model::synthetic::Synthetic;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    job_contract::{Program, portal},
    support::{TestApp, given},
};

/// The real training program, with less of the machine: `limit` is a line of shell.
fn limited(limit: &str) -> String {
    let path =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("limited-{}", Uuid::now_v7()));
    let training = TestApp::programs().join("faculty-training");
    let script = format!("#!/bin/sh\n{limit}\nexec '{}' \"$@\"\n", training.display());
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// The job fails by this word at its first attempt, and its page says so in Dutch and in English; answers its state.
pub(crate) async fn fails(app: &TestApp, job: Uuid, code: &str, said: [&str; 2]) -> Value {
    let state = given::job_until(app, job, given::is_over).await;
    assert_eq!(
        (&state["status"], &state["status_code"]),
        (&json!("failed"), &json!(code)),
        "{state:#}"
    );
    assert_eq!(
        state["attempts"].as_array().unwrap().len(),
        1,
        "the same would happen again: {state:#}"
    );
    let mut researcher = app.browser("researcher.harderwijk").await;
    for (lang, said) in ["nl", "en"].into_iter().zip(said) {
        let page = researcher
            .get(&format!("/{lang}/jobs/{job}"))
            .await
            .unwrap();
        assert!(page.text.contains(said), "{said}: {}", page.text);
        assert!(!page.text.contains('⟨'), "a text is missing: {}", page.text);
    }
    state
}

#[actix_web::test]
async fn a_disk_that_is_full_is_said_with_who_can_help() {
    let path = tempfile::tempdir().unwrap();
    let base = path.path().join("tiny.gguf");
    Synthetic::default().write_gguf(&base).unwrap();
    // In blocks of 512 bytes: enough for the base model, and too little for all its weights with their optimiser.
    let blocks = fs::metadata(&base).unwrap().len() / 512 * 3 / 2;
    let program = limited(&format!("trap '' XFSZ; ulimit -f {blocks}"));
    let app = TestApp::start_with(&[("FACULTY_TRAINING__PROGRAM", &program)]).await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let mut wanted = given::job(base, data.version, 1);
    wanted["method"] = json!("full");
    let job = given::approved_request(&app, wanted).await;
    let said = [
        "De beheerder van het platform moet ruimte maken",
        "operator must make room; request the job again",
    ];
    let state = fails(&app, job, "disk_full", said).await;
    let message = state["status_message"].as_str().unwrap();
    assert!(message.contains("free some space"), "{message}");
}

#[actix_web::test]
async fn memory_that_runs_out_is_said_with_what_takes_less() {
    // A base that takes some 280 MB once it is opened, of the 420 MB that all of the program may have.
    let program = limited("ulimit -v 420000");
    let app = TestApp::start_with(&[("FACULTY_TRAINING__PROGRAM", &program)]).await;
    let path = app.folder.path().join("large.gguf");
    let large = Synthetic {
        hidden_size: 768,
        intermediate_size: 3072,
        layers: 8,
        ..Synthetic::default()
    };
    large.write_gguf(&path).unwrap();
    let base = app.base_model("large", &path).await;
    let data = given::approved_dataset(&app).await;
    let job = given::approved_job(&app, base, data.version, 1).await;
    let said = [
        "Kies minder reeksen per stap of kortere reeksen",
        "Choose fewer sequences per step or shorter sequences",
    ];
    let state = fails(&app, job, "out_of_memory", said).await;
    let message = state["status_message"].as_str().unwrap();
    assert!(message.contains("a smaller batch"), "{message}");
}

#[actix_web::test]
async fn lines_that_cannot_be_learnt_are_named_with_file_line_and_field_and_not_quoted() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let text = String::from_utf8(given::small_corpus()).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[3] = json!({ "messages": [
        { "role": "user", "content": "a" },
        { "role": "assistant", "content": "b", "weight": 3 },
    ]})
    .to_string();
    lines[5] = json!({ "prompt": "a", "completion": "b" }).to_string();
    let data = given::approved_dataset_of(&app, lines.join("\n").as_bytes()).await;
    let job = given::approved_job(&app, base, data.version, 1).await;
    let said = [
        "De data kon niet gebruikt worden.",
        "The data could not be used.",
    ];
    let state = fails(&app, job, "bad_data", said).await;
    assert_eq!(
        state["status_message"],
        "file 1, line 4: messages[1].weight: the weight must be 0 (not learnt) or 1 (learnt) (and one more line that cannot be used)"
    );
    let page = app
        .browser("researcher.harderwijk")
        .await
        .get(&format!("/en/jobs/{job}"))
        .await
        .unwrap();
    for line in ["file 1:4: messages[1].weight:", "file 1:6:"] {
        assert!(page.text.contains(line), "{line}: {}", page.text);
    }
    // The data are another institution's than the researcher's.
    assert!(!page.text.contains("the weight is 3"), "{}", page.text);
}

#[actix_web::test]
async fn what_a_program_quotes_of_the_data_all_the_same_is_not_kept() {
    let app = portal().await;
    let data = given::approved_dataset(&app).await;
    let program = Program::dispatched(&app, data.version).await;
    let at = app.ports.db.now();
    let told = |number, file: &str, field: &str, problem: &str| NumberedEvent {
        number,
        at,
        event: JobEvent::DataProblem {
            file: file.to_owned(),
            line: 3 + number,
            field: Some(field.to_owned()),
            problem: problem.to_owned(),
        },
    };
    let name = program.spec().await.inputs[0].name.clone();
    let unknown = "the role \"geheimschrijver\" is not known, only system, user and assistant";
    let missing = "this field is missing; add it";
    let batch = EventBatch {
        events: vec![
            told(1, &name, "messages[1].role", unknown),
            told(2, "geheimschrijver.jsonl", "geheimschrijver", missing),
        ],
    };
    let (status, text) = program.call(Method::POST, "events", &batch).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let kept: Vec<Value> =
        sqlx::query_scalar("SELECT event FROM job_events WHERE job_id = $1 ORDER BY number")
            .bind(program.job)
            .fetch_all(&app.pool().await)
            .await
            .unwrap();
    let [first, second] = kept.as_slice() else {
        panic!("two problems: {kept:?}");
    };
    assert_eq!(
        (&first["file"], &first["field"]),
        (&json!("file 1"), &json!("messages[1].role"))
    );
    assert_eq!(
        (&second["file"], &second["field"], &second["problem"]),
        (&json!("the data"), &Value::Null, &json!(missing))
    );
    let all = format!("{kept:?}");
    assert!(!all.contains("geheimschrijver"), "{all}");
}

#[actix_web::test]
async fn what_a_program_quotes_of_the_data_at_its_end_is_not_kept() {
    let app = portal().await;
    let data = given::approved_dataset(&app).await;
    let program = Program::dispatched(&app, data.version).await;
    let quoting = Outcome::Failed {
        code: FailureCode::BadData,
        message: "file 1, line 4: messages[1].role: the role \"geheimschrijver\" is not known"
            .to_owned(),
    };
    for time in ["once", "once more"] {
        let status = program.finish(&quoting).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{time}");
    }
    let kept: String = sqlx::query_scalar(
        "SELECT concat(to_jsonb(j), to_jsonb(a)) FROM jobs j JOIN attempts a ON a.job_id = j.id WHERE j.id = $1",
    )
    .bind(program.job)
    .fetch_one(&app.pool().await)
    .await
    .unwrap();
    assert!(!kept.contains("geheimschrijver"), "{kept}");
    assert_eq!(
        kept.matches("is left out, since it may quote the data")
            .count(),
        3,
        "of the job, and of the attempt with its outcome: {kept}"
    );
}

/// The file below `folder` with these bytes.
fn holder_of(folder: &Path, bytes: &[u8]) -> Option<PathBuf> {
    fs::read_dir(folder).unwrap().flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holder_of(&path, bytes);
        }
        let is_it = entry.metadata().unwrap().len() == bytes.len() as u64
            && fs::read(&path).unwrap() == bytes;
        is_it.then_some(path)
    })
}

#[actix_web::test]
async fn a_base_model_that_is_missing_or_altered_is_said_as_that() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let said = [
        "Het basismodel ontbreekt of is niet het model dat geregistreerd is.",
        "The base model is missing or is not the one that was registered.",
    ];
    // A byte on the store's own disk is another one.
    let bytes = fs::read(app.folder.path().join("tiny.gguf")).unwrap();
    let blob = holder_of(&app.folder.path().join("objects"), &bytes).unwrap();
    let last = bytes.len() as u64 - 1;
    let file = fs::OpenOptions::new().write(true).open(blob).unwrap();
    file.write_at(&[!bytes[bytes.len() - 1]], last).unwrap();
    let job = given::approved_job(&app, base, data.version, 1).await;
    let state = fails(&app, job, "base_altered", said).await;
    let message = state["status_message"].as_str().unwrap();
    assert!(message.contains("tiny.gguf"), "{message}");

    let (key, version): (String, String) =
        sqlx::query_as("SELECT object_key, object_version FROM model_files WHERE model_id = $1")
            .bind(base.0)
            .fetch_one(&app.pool().await)
            .await
            .unwrap();
    app.ports.objects.delete(&key, &version).await.unwrap();
    let job = given::approved_job(&app, base, data.version, 1).await;
    fails(&app, job, "base_altered", said).await;
}
