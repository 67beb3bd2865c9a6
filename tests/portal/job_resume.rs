//! Jobs that rest or are hit and go on end as if nothing had happened.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use virtual_faculty::{demo::Answer, ids::ModelId};

use crate::{
    kills::pids,
    support::{TestApp, given},
};

/// Long enough to be hit several times.
const EPOCHS: u32 = 60;
const SETTINGS: [(&str, &str); 3] = [
    ("FACULTY_TRAINING__CHECKPOINT_SECONDS", "1"),
    ("FACULTY_TRAINING__RETRY_SECONDS", "1"),
    ("FACULTY_TRAINING__LOST_AFTER_SECONDS", "5"),
];

/// A job that always draws the same.
pub(crate) async fn job(app: &TestApp, base: ModelId, version: Uuid, epochs: u32) -> Uuid {
    let mut wanted = given::job(base, version, epochs);
    wanted["seed"] = json!(7);
    given::approved_request(app, wanted).await
}

async fn ask(app: &TestApp, login: &str, job: Uuid, what: &str) -> Answer {
    app.browser(login)
        .await
        .call(Method::POST, &format!("/api/v1/jobs/{job}/{what}"), None)
        .await
        .unwrap()
}

async fn act(app: &TestApp, login: &str, job: Uuid, what: &str) -> Value {
    ask(app, login, job, what).await.json().unwrap()
}

/// The curve of a job as its attempts told it, the later word counting; each step once.
pub(crate) async fn curve(app: &TestApp, job: Uuid) -> Vec<(i64, String)> {
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT (e.event ->> 'step')::bigint, e.event ->> 'loss' FROM job_events e JOIN attempts a ON a.id = e.attempt_id
         WHERE e.job_id = $1 AND e.event ->> 'event' = 'step' ORDER BY a.number, e.number",
    )
    .bind(job)
    .fetch_all(&app.pool().await)
    .await
    .unwrap();
    let mut points = BTreeMap::new();
    for (step, loss) in rows {
        points.insert(step, loss);
    }
    points.into_iter().collect()
}

pub(crate) async fn ended(app: &TestApp, job: Uuid) -> Value {
    let state = given::job_until(app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    state
}

fn is_some_steps_on(state: &Value) -> bool {
    state["progress"]["step"].as_u64().unwrap_or(0) >= 5
}

#[actix_web::test]
async fn a_job_that_rested_ends_to_the_last_bit_as_one_that_did_not() {
    let app = TestApp::start_with(&SETTINGS).await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let whole = ended(&app, job(&app, base, data.version, EPOCHS).await).await;
    let rested = job(&app, base, data.version, EPOCHS).await;
    given::job_until(&app, rested, is_some_steps_on).await;
    let who = "researcher.harderwijk";
    act(&app, who, rested, "pause").await;
    let state = given::job_until(&app, rested, |state| state["status"] == "paused").await;
    let step = state["progress"]["step"].as_u64().unwrap();
    assert!(step >= 5, "{state:#}");
    let page = app
        .browser(who)
        .await
        .get(&format!("/en/jobs/{rested}"))
        .await
        .unwrap();
    assert!(
        page.text
            .contains(&format!("It can go on from step {step}.")),
        "{}",
        page.text
    );
    // Nobody else's business, and nothing to pause any more.
    let stranger = ask(&app, "manager.waterland", rested, "resume").await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND);
    let twice = ask(&app, who, rested, "pause").await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    act(&app, who, rested, "resume").await;
    let state = ended(&app, rested).await;
    assert_eq!(state["result"]["resumed_from_step"], step, "{state:#}");
    for figure in ["held_out_loss_after", "held_out_loss_before", "steps"] {
        assert_eq!(state["result"][figure], whole["result"][figure], "{figure}");
    }
    let id = |state: &Value| state["id"].as_str().unwrap().parse::<Uuid>().unwrap();
    assert_eq!(curve(&app, rested).await, curve(&app, id(&whole)).await);
    let settled: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM budget_entries WHERE kind = 'settle' AND attempt_id IN (
             SELECT id FROM attempts WHERE job_id = $1)",
    )
    .bind(rested)
    .fetch_one(&app.pool().await)
    .await
    .unwrap();
    assert_eq!(settled, 2, "each attempt is charged once");
}

#[actix_web::test]
async fn a_job_whose_program_is_killed_goes_on_from_its_last_checkpoint() {
    let app = TestApp::start_with(&SETTINGS).await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let whole = ended(&app, job(&app, base, data.version, EPOCHS).await).await;
    let hit = job(&app, base, data.version, EPOCHS).await;
    let has_checkpoint = async |app: &TestApp| -> bool {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM checkpoints WHERE job_id = $1)")
            .bind(hit)
            .fetch_one(&app.pool().await)
            .await
            .unwrap()
    };
    while !has_checkpoint(&app).await {
        let running = given::job_until(&app, hit, |_| true).await;
        assert!(!given::is_over(&running), "it ended before: {running:#}");
    }
    for pid in pids(&app, "faculty-training") {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    let state = ended(&app, hit).await;
    assert_eq!(state["attempts"][0]["status"], "lost", "{state:#}");
    assert!(state["result"]["resumed_from_step"].as_u64() > Some(0));
    assert_eq!(
        state["result"]["held_out_loss_after"],
        whole["result"]["held_out_loss_after"]
    );
    let id: Uuid = whole["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(curve(&app, hit).await, curve(&app, id).await);
}

#[actix_web::test]
async fn a_job_whose_program_is_held_up_for_long_is_stopped_and_goes_on_elsewhere() {
    let app = TestApp::start_with(&[
        SETTINGS[0],
        SETTINGS[1],
        ("FACULTY_TRAINING__SILENT_AFTER_SECONDS", "8"),
    ])
    .await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let held_up = job(&app, base, data.version, EPOCHS).await;
    given::job_until(&app, held_up, is_some_steps_on).await;
    // It neither ends nor says anything, as where a disk or a machine hangs.
    for pid in pids(&app, "faculty-training") {
        kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    }
    let state = ended(&app, held_up).await;
    assert_eq!(state["attempts"][0]["status"], "lost", "{state:#}");
    assert_eq!(state["attempts"].as_array().unwrap().len(), 2, "{state:#}");
    assert!(pids(&app, "faculty-training").is_empty(), "nothing is left");
}

/// The stored checkpoints of a job, newest first: key, version and hash of each part.
async fn stored(app: &TestApp, job: Uuid) -> Vec<(String, String, String)> {
    sqlx::query_as(
        "SELECT f.object_key, f.object_version, f.sha256 FROM checkpoints c
         JOIN attempts a ON a.id = c.attempt_id JOIN checkpoint_parts p ON p.checkpoint_id = c.id
         JOIN artifacts f ON f.id = p.artifact_id
         WHERE c.job_id = $1 AND f.dropped_at IS NULL ORDER BY a.number DESC, c.number DESC",
    )
    .bind(job)
    .fetch_all(&app.pool().await)
    .await
    .unwrap()
}

/// Changes one byte of an object where the store keeps it, as a bad disk would.
fn rot(app: &TestApp, sha256: &str) {
    let mut folders = vec![app.folder.path().join("objects").join("blobs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut bytes = std::fs::read(&path).unwrap();
            if HEXLOWER.encode(&Sha256::digest(&bytes)) == sha256 {
                *bytes.last_mut().unwrap() ^= 1;
                std::fs::write(&path, bytes).unwrap();
                return;
            }
        }
    }
    panic!("the store has no object with the hash {sha256}");
}

#[actix_web::test]
async fn a_job_whose_newest_checkpoint_is_damaged_goes_on_from_the_one_before() {
    let app = TestApp::without_worker(&SETTINGS).await;
    let base = given::tiny_base(&app).await;
    let (stop, ends) = app.work_until_ended();
    let data = given::approved_dataset(&app).await;
    let whole = ended(&app, job(&app, base, data.version, EPOCHS).await).await;
    let hit = job(&app, base, data.version, EPOCHS).await;
    while stored(&app, hit).await.len() < 2 {
        let running = given::job_until(&app, hit, |_| true).await;
        assert!(!given::is_over(&running), "it ended before: {running:#}");
    }
    // Nobody starts another attempt before the damage is done.
    stop.cancel();
    ends.await.unwrap();
    for pid in pids(&app, "faculty-training") {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    let newest = stored(&app, hit).await.remove(0);
    rot(&app, &newest.2);
    app.work();
    let state = ended(&app, hit).await;
    let how: Vec<_> = state["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["status"].as_str().unwrap())
        .collect();
    assert_eq!(how, ["lost", "lost", "succeeded"], "{state:#}");
    assert!(state["result"]["resumed_from_step"].as_u64() > Some(0));
    assert_eq!(
        state["result"]["held_out_loss_after"],
        whole["result"]["held_out_loss_after"]
    );
    let told: (String, String) = sqlx::query_as(
        "SELECT f.object_key, a.failure_code FROM artifacts f JOIN attempts a ON a.id = f.damaged_told_by",
    )
    .fetch_one(&app.pool().await)
    .await
    .unwrap();
    assert_eq!(told, (newest.0, "checkpoint_damaged".to_owned()));
    let page = app
        .browser("researcher.harderwijk")
        .await
        .get(&format!("/en/jobs/{hit}"))
        .await
        .unwrap();
    assert!(
        page.text
            .contains("cannot be read. The job goes on from an older one, or from the beginning."),
        "{}",
        page.text
    );
}

#[actix_web::test]
async fn a_job_of_which_every_checkpoint_is_gone_begins_again() {
    let mut settings = SETTINGS.to_vec();
    settings.push(("FACULTY_TRAINING__MAX_ATTEMPTS", "1"));
    let app = TestApp::start_with(&settings).await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let whole = ended(&app, job(&app, base, data.version, EPOCHS).await).await;
    let rested = job(&app, base, data.version, EPOCHS).await;
    while stored(&app, rested).await.len() < 2 {
        let running = given::job_until(&app, rested, |_| true).await;
        assert!(!given::is_over(&running), "it ended before: {running:#}");
    }
    let who = "researcher.harderwijk";
    act(&app, who, rested, "pause").await;
    given::job_until(&app, rested, |state| state["status"] == "paused").await;
    for (key, version, _) in stored(&app, rested).await {
        app.ports.objects.delete(&key, &version).await.unwrap();
    }
    act(&app, who, rested, "resume").await;
    let state = ended(&app, rested).await;
    assert_eq!(
        state["result"]["resumed_from_step"],
        Value::Null,
        "{state:#}"
    );
    assert_eq!(
        state["result"]["held_out_loss_after"],
        whole["result"]["held_out_loss_after"]
    );
    let causes: Vec<Option<String>> =
        sqlx::query_scalar("SELECT failure_code FROM attempts WHERE job_id = $1 ORDER BY number")
            .bind(rested)
            .fetch_all(&app.pool().await)
            .await
            .unwrap();
    let damaged = causes
        .iter()
        .filter(|code| code.as_deref() == Some("checkpoint_damaged"))
        .count();
    assert!(damaged >= 2, "one after another: {causes:?}");
}

#[actix_web::test]
async fn a_job_that_waits_rests_at_once_and_ends_when_it_is_cancelled() {
    let app = TestApp::without_worker(&[]).await;
    let base = given::tiny_base(&app).await;
    let worker = app.work_until_stopped();
    let data = given::approved_dataset(&app).await;
    worker.cancel();
    let waits = job(&app, base, data.version, EPOCHS).await;
    let who = "researcher.harderwijk";
    let state = act(&app, who, waits, "pause").await;
    assert_eq!(state["status"], "paused");
    app.run_tasks().await;
    let state = given::job_until(&app, waits, |_| true).await;
    assert_eq!(state["status"], "paused", "nothing starts it: {state:#}");
    assert_eq!(state["attempts"], json!([]));
    act(&app, who, waits, "cancel").await;
    let state = given::job_until(&app, waits, given::is_over).await;
    assert_eq!(state["status"], "cancelled");
}

#[actix_web::test]
async fn a_log_is_read_searched_and_downloaded_by_those_who_may_see_the_job() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let done = given::approved_job(&app, base, data.version, 1).await;
    ended(&app, done).await;
    let mut researcher = app.browser("researcher.harderwijk").await;
    let address = format!("/en/jobs/{done}/log");
    // Its end is read shortly after the job's; what is asked for after that is whole.
    let mut text = String::new();
    for _ in 0..100 {
        let is_closed: Option<bool> = sqlx::query_scalar("SELECT is_closed FROM attempt_logs")
            .fetch_optional(&app.pool().await)
            .await
            .unwrap();
        let whole = researcher
            .get(&format!("/en/jobs/{done}/log.txt"))
            .await
            .unwrap();
        assert_eq!(whole.status, StatusCode::OK, "{}", whole.text);
        text = whole.text;
        if is_closed == Some(true) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let first = text.lines().next().unwrap_or_default();
    assert!(first.contains("\"level\""), "{text}");
    assert!(!text.contains("vfa_0"), "no secrets: {text}");
    let page = researcher.get(&address).await.unwrap();
    let all = text.lines().count();
    assert!(
        page.text.contains(&format!("{all} of {all} lines")),
        "{}",
        page.text
    );
    let none = researcher
        .get(&format!("{address}?q=no-such-word-anywhere"))
        .await
        .unwrap();
    assert!(none.text.contains("0 of 0 lines"), "{}", none.text);
    let mut stranger = app.browser("manager.waterland").await;
    for path in [address.clone(), format!("{address}.txt")] {
        assert_eq!(
            stranger.get(&path).await.unwrap().status,
            StatusCode::NOT_FOUND
        );
    }
    let other = researcher
        .get(&format!("{address}?attempt=9"))
        .await
        .unwrap();
    assert_eq!(other.status, StatusCode::NOT_FOUND);
}
