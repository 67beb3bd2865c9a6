//! What is left of a job decides how much it reserves, and what jobs take decides whose turn it is.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use job_contract::{EventBatch, JobEvent, NumberedEvent, Outcome};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    dispatch_queue::{People, short},
    job_checkpoints::{act, checkpoint, stored, told},
    job_contract::{Program, portal},
    support::{TestApp, given},
};

/// The seconds that an attempt of a job reserved.
async fn reserved(app: &TestApp, job: Uuid, number: i32) -> i64 {
    sqlx::query_scalar(
        "SELECT b.seconds FROM budget_entries b JOIN attempts a ON a.id = b.attempt_id
         WHERE a.job_id = $1 AND a.number = $2 AND b.kind = 'reserve'",
    )
    .bind(job)
    .bind(number)
    .fetch_one(&app.pool().await)
    .await
    .unwrap()
}

/// The state of a job once its attempt of that number runs.
async fn running(app: &TestApp, job: Uuid, number: usize) -> Value {
    let state = given::job_until(app, job, |state| {
        let attempts = state["attempts"].as_array().map_or(0, Vec::len);
        given::is_over(state) || (state["status"] == "running" && attempts == number)
    })
    .await;
    assert_eq!(state["status"], "running", "attempt {number}: {state:#}");
    state
}

/// The program of the newest attempt.
fn program_of(app: &TestApp, job: Uuid, state: &Value) -> Program {
    let newest = state["attempts"].as_array().unwrap().last().unwrap();
    Program::of(app, job, newest["id"].as_str().unwrap())
}

#[actix_web::test]
async fn a_job_that_goes_on_reserves_no_more_than_is_left_of_it() {
    let app = portal().await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset_of(&app, &given::corpus(400)).await;
    let job = given::approved_job(&app, base, data.version, 1000).await;
    let state = running(&app, job, 1).await;
    let whole = reserved(&app, job, 1).await;
    assert!(whole > 100, "{whole} seconds");
    assert_eq!(state["estimate"]["seconds"], whole);
    let program = program_of(&app, job, &state);
    let ready = EventBatch {
        events: vec![NumberedEvent {
            number: 1,
            at: chrono::DateTime::UNIX_EPOCH,
            event: JobEvent::DataReady {
                documents: 400,
                held_out_documents: 0,
                tokens: 20_000,
                target_tokens: 20_000,
                total_steps: 1000,
            },
        }],
    };
    assert_eq!(told(&program, &ready).await, StatusCode::OK);
    let file = stored(&program, 875).await;
    let batch = checkpoint(2, 875, &[&file]);
    assert_eq!(told(&program, &batch).await, StatusCode::OK);
    act(&app, job, "pause").await;
    let outcome = Outcome::Cancelled {
        reason: "paused".into(),
    };
    assert_eq!(program.finish(&outcome).await, StatusCode::NO_CONTENT);
    given::job_until(&app, job, |state| state["status"] == "paused").await;

    // Half of the whole job is left of the budget, and an eighth of it is to be done.
    let budget = json!({
        "institution": "harderwijk", "begins_on": "2020-01-01", "ends_on": "2099-12-31", "core_seconds": whole / 2,
    });
    app.browser("admin")
        .await
        .api(Method::POST, "/api/v1/budgets", Some(budget))
        .await
        .unwrap();
    act(&app, job, "resume").await;
    let state = given::job_until(&app, job, |state| {
        state["status"] == "running" || state["queue"]["waits_for"] == "budget"
    })
    .await;
    assert_eq!(state["status"], "running", "{state:#}");
    assert_eq!(reserved(&app, job, 2).await, (whole + 7) / 8);
}

/// A training program that is killed, without a word, once there is a file of this name.
fn killed_by(sign: &Path) -> PathBuf {
    let program =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("killed-{}", Uuid::now_v7()));
    let script = format!(
        "#!/bin/sh\nwhile [ ! -e '{sign}' ]; do sleep 0.1; done\nrm -f '{sign}'\nkill -9 $$\n",
        sign = sign.display(),
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

#[actix_web::test]
async fn a_job_that_began_anew_and_moves_on_is_not_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let sign = folder.path().join("now");
    let program = killed_by(&sign).display().to_string();
    let app = TestApp::start_with(&[
        ("FACULTY_TRAINING__PROGRAM", &program),
        ("FACULTY_TRAINING__MAX_ATTEMPTS", "2"),
        ("FACULTY_TRAINING__RETRY_SECONDS", "1"),
    ])
    .await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let job = given::approved_job(&app, base, data.version, 1).await;
    // The second comes to a place that cannot take up what the first kept, and begins at the start.
    for (number, step) in [(1, 900), (2, 300), (3, 600)] {
        let state = running(&app, job, number).await;
        sqlx::query(
            "UPDATE attempts SET backend = 'elsewhere' WHERE job_id = $1 AND number = 1 AND $2 > 1",
        )
        .bind(job)
        .bind(i32::try_from(number).unwrap())
        .execute(&app.pool().await)
        .await
        .unwrap();
        let program = program_of(&app, job, &state);
        let file = stored(&program, step).await;
        let batch = checkpoint(1, step, &[&file]);
        assert_eq!(told(&program, &batch).await, StatusCode::OK);
        fs::write(&sign, "").unwrap();
    }
    // The fourth gets no further than the third, which is one too many.
    running(&app, job, 4).await;
    fs::write(&sign, "").unwrap();
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(
        (&state["status"], &state["status_code"]),
        (&json!("failed"), &json!("exit_137")),
        "{state:#}"
    );
    assert_eq!(state["attempts"].as_array().unwrap().len(), 4, "{state:#}");
}

/// Asked for and approved like that job, and of that length; with ids that end in `first` to `last`.
async fn more_like(app: &TestApp, job: Uuid, (first, last): (i32, i32), seconds: i64) {
    let pool = app.pool().await;
    sqlx::query(
        "INSERT INTO jobs
         SELECT (jsonb_populate_record(j, jsonb_build_object(
             'id', '00000000-0000-7000-a000-' || lpad(n::text, 12, '0')))).*
         FROM jobs j, generate_series($2::int, $3::int) n WHERE j.id = $1",
    )
    .bind(job)
    .bind(first)
    .bind(last)
    .execute(&pool)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO job_estimates
         SELECT (jsonb_populate_record(e, jsonb_build_object(
             'job_id', '00000000-0000-7000-a000-' || lpad(n::text, 12, '0'), 'seconds', $4::bigint))).*
         FROM job_estimates e, generate_series($2::int, $3::int) n WHERE e.job_id = $1",
    )
    .bind(job)
    .bind(first)
    .bind(last)
    .bind(seconds)
    .execute(&pool)
    .await
    .unwrap();
}

#[actix_web::test]
async fn institutions_with_jobs_of_unequal_length_share_by_core_seconds() {
    const LONG: i64 = 300;
    const ALL: i64 = 20 * LONG;
    let app = TestApp::without_worker(&[]).await;
    let (stop, ends) = app.work_until_ended();
    let mut people = People::of(&app).await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    stop.cancel();
    ends.await.unwrap();
    // Nothing starts. Three short ones of Harderwijk for each long one of Waterland: both ask for as much.
    let harderwijk = people
        .approved("harderwijk", short(base, data.version))
        .await;
    let waterland = people
        .approved("waterland", short(base, data.version))
        .await;
    more_like(&app, harderwijk, (1001, 1060), LONG / 3).await;
    more_like(&app, waterland, (2001, 2020), LONG).await;
    let rows: Vec<(Uuid, String, i64)> = sqlx::query_as(
        "SELECT j.id, i.slug, e.seconds FROM jobs j JOIN institutions i ON i.id = j.institution_id
         JOIN job_estimates e ON e.job_id = j.id",
    )
    .fetch_all(&app.pool().await)
    .await
    .unwrap();
    let known: HashMap<Uuid, (String, i64)> = rows
        .into_iter()
        .map(|(job, slug, seconds)| (job, (slug, seconds)))
        .collect();
    let ports = &app.ports;
    let line = virtual_faculty::jobs::line(&ports.db, &ports.config, &ports.compute)
        .await
        .unwrap();
    assert_eq!(line.len(), 82);
    let (mut shorts, mut longs) = (0_i64, 0_i64);
    for job in line {
        let (slug, seconds) = &known[&job.0];
        if slug == "harderwijk" {
            shorts += seconds;
        } else {
            longs += seconds;
        }
        // One of them asks for nothing more.
        if shorts.max(longs) >= ALL {
            break;
        }
        let apart = (shorts - longs).abs();
        assert!(apart <= LONG, "{shorts} and {longs} core seconds");
        // Before, one job more or less is more than a tenth.
        if shorts.min(longs) >= 10 * LONG {
            assert!(
                10 * apart <= shorts.max(longs),
                "{shorts} and {longs} core seconds"
            );
        }
    }
    assert!(
        shorts.min(longs) >= ALL - LONG,
        "it was looked at for long enough: {shorts} and {longs}"
    );
}
