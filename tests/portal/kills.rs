//! `kill -9` at random moments: no job lost, none run twice to completion.

use std::{fs, time::Duration};

use serde_json::Value;
use uuid::Uuid;

use crate::support::{Program, TestApp, given, portal_is_up};

/// What is killed, in turn.
const VICTIMS: [&str; 3] = ["portal", "worker", "trainer"];

/// The processes whose environment names this test's folder and whose program is `name`.
pub(crate) fn pids(app: &TestApp, name: &str) -> Vec<i32> {
    let mark = app.folder.path().display().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|text| text.parse::<i32>().ok())
        else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let surroundings = fs::read(entry.path().join("environ")).unwrap_or_default();
        let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let folder = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        let is_ours = String::from_utf8_lossy(&surroundings).contains(&mark)
            || folder.display().to_string().contains(&mark);
        if String::from_utf8_lossy(program).ends_with(name) && is_ours {
            found.push(pid);
        }
    }
    found
}

async fn rows(app: &TestApp, job: Uuid) -> (i64, i64) {
    let mut conn = app.ports.db.read().await.unwrap();
    let row = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM attempts WHERE job_id = $1 AND status = 'succeeded') AS "successes!",
                  (SELECT count(*) FROM models WHERE job_id = $1) AS "models!""#,
        job,
    )
    .fetch_one(&mut *conn)
    .await
    .unwrap();
    (row.successes, row.models)
}

#[actix_web::test]
async fn killed_at_random_moments_each_job_still_ends_once() {
    let rounds = if std::env::var("FACULTY_TEST_DEEP").is_ok() {
        60
    } else {
        12
    };
    let app = TestApp::without_worker(&[
        ("FACULTY_TRAINING__LOST_AFTER_SECONDS", "5"),
        // Jobs queue behind each other here, so one may be hit again and again.
        ("FACULTY_TRAINING__MAX_ATTEMPTS", "30"),
    ])
    .await;
    app.stop_serving().await;
    let mut portal = Program::start(&app, "faculty", &["serve"]);
    let mut worker = Program::start(&app, "faculty", &["worker"]);
    portal_is_up(&app).await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let mut jobs = Vec::new();
    for round in 0..rounds {
        let job = given::approved_job(&app, base, data.version, 12).await;
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..2500))).await;
        match VICTIMS[round % VICTIMS.len()] {
            "portal" => {
                portal.kill();
                portal = Program::start(&app, "faculty", &["serve"]);
                portal_is_up(&app).await;
            }
            "worker" => {
                worker.kill();
                worker = Program::start(&app, "faculty", &["worker"]);
            }
            _ => {
                for pid in pids(&app, "faculty-training") {
                    let _ = nix::sys::signal::kill(
                        nix::unistd::Pid::from_raw(pid),
                        nix::sys::signal::Signal::SIGKILL,
                    );
                }
            }
        }
        jobs.push(job);
    }
    for job in jobs {
        let state: Value = given::job_until(&app, job, given::is_over).await;
        assert_eq!(state["status"], "succeeded", "{state:#}");
        assert_eq!(
            rows(&app, job).await,
            (1, 1),
            "a job succeeds once and makes one model: {state:#}"
        );
    }
}
