//! A thousand jobs that cannot go on hold up no other, nor does one whose file is read for long; and more figures than a page
//! holds go on behind it.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::{fine_tuning, objects::ObjectStore};

use crate::support::{Gate, Stop, TestApp, Tuner, given, waits_for};

/// The id of a job in the portal.
fn own(job: &Value) -> Uuid {
    let id = job["id"].as_str().unwrap_or_else(|| panic!("{job:#}"));
    id.trim_start_matches("ftjob-").parse().unwrap()
}

/// Looks at every job once, with files as `objects` has them.
async fn look(app: &TestApp, objects: &ObjectStore) {
    let ports = fine_tuning::Ports {
        db: &app.ports.db,
        objects,
        config: &app.ports.config,
        compute: &app.ports.compute,
    };
    fine_tuning::sweep(ports).await.unwrap();
}

/// Looks again and again until a job waits for people.
async fn look_until_queued(app: &TestApp, objects: &ObjectStore, tuner: &Tuner, path: &str) {
    for _ in 0..300 {
        look(app, objects).await;
        let (_, job) = tuner.get(path).await;
        if job["status"] == "queued" {
            return;
        }
        assert_eq!(job["status"], "validating_files", "{job:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path} did not go on within half a minute");
}

#[actix_web::test]
async fn a_file_that_is_read_for_long_holds_up_no_other_job_and_is_read_again_after_a_kill() {
    let app = TestApp::without_worker(&[]).await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let (stop, ends) = app.work_until_ended();
    let mut files = Vec::new();
    for name in ["groot.jsonl", "klein.jsonl"] {
        let (status, sent) = tuner.send(name, &given::small_corpus()).await;
        assert_eq!(status, 200, "{sent:#}");
        files.push(tuner.processed(&sent).await);
    }
    stop.cancel();
    ends.await.unwrap();
    let mut jobs = Vec::new();
    for file in &files {
        let wanted = json!({ "model": "tiny", "training_file": file["id"] });
        let (status, made) = tuner.post("fine_tuning/jobs", &wanted).await;
        assert_eq!(status, 200, "{made:#}");
        jobs.push((
            own(&made),
            format!("fine_tuning/jobs/{}", made["id"].as_str().unwrap()),
        ));
    }
    let [(large, large_path), (_, small_path)] = jobs.as_slice() else {
        panic!("two jobs: {jobs:?}");
    };
    let pool = app.pool().await;
    let file: Uuid = files[0]["id"]
        .as_str()
        .unwrap()
        .trim_start_matches("file-")
        .parse()
        .unwrap();
    let key: String = sqlx::query_scalar("SELECT object_key FROM dataset_files WHERE id = $1")
        .bind(file)
        .fetch_one(&pool)
        .await
        .unwrap();
    let key: &'static str = Box::leak(key.into_boxed_str());
    let words: &'static [&'static str] = Box::leak(Box::new(["GET ", key]));
    let gate = Gate::before(&app.ports.config.s3, words, Stop::Hold).await;
    let reader = async || -> Option<Uuid> {
        sqlx::query_scalar("SELECT examining_by FROM fine_tuning_jobs WHERE id = $1")
            .bind(large)
            .fetch_one(&pool)
            .await
            .unwrap()
    };
    // Not at once where other tests of this process are reading too.
    while reader().await.is_none() {
        look(&app, &gate.objects).await;
    }
    gate.reached().await;
    look_until_queued(&app, &gate.objects, &tuner, small_path).await;
    let first = reader().await;
    assert!(first.is_some(), "its file is being read");
    look(&app, &gate.objects).await;
    assert_eq!(reader().await, first, "by one at a time");
    let (_, held) = tuner.get(large_path).await;
    assert_eq!(held["status"], "validating_files", "{held:#}");
    // As if another had begun meanwhile, and been killed.
    sqlx::query(
        "UPDATE fine_tuning_jobs SET examining_by = gen_random_uuid(), examining_until = now() - interval '1 second'
         WHERE id = $1",
    )
    .bind(large)
    .execute(&pool)
    .await
    .unwrap();
    look_until_queued(&app, &app.ports.objects, &tuner, large_path).await;
    gate.open();
}

/// A job that waits for an operator, with nothing that works in the background; and its path.
async fn waiting(app: &TestApp) -> (Tuner, Value, String) {
    given::tiny_base(app).await;
    let tuner = Tuner::of(app, "manager.harderwijk", "tiny", true).await;
    let (stop, ends) = app.work_until_ended();
    let data = given::approved_dataset(app).await;
    let wanted = json!({ "model": "tiny", "training_file": format!("dataset:{}@1", data.dataset) });
    let (status, made) = tuner.post("fine_tuning/jobs", &wanted).await;
    assert_eq!(status, 200, "{made:#}");
    let path = format!("fine_tuning/jobs/{}", made["id"].as_str().unwrap());
    tuner
        .until(&path, |job| waits_for(job) == ["compute"])
        .await;
    stop.cancel();
    ends.await.unwrap();
    (tuner, made, path)
}

/// The rows of a job's table of figures, once it was cancelled.
async fn figures(tuner: &Tuner, made: &Value, path: &str) -> Vec<String> {
    let (status, over) = tuner.post(&format!("{path}/cancel"), &json!(null)).await;
    assert_eq!(status, 200, "{over:#}");
    let results = format!("files/file-results-{}/content", own(made).simple());
    let (status, csv) = tuner.get(&results).await;
    assert_eq!(status, 200, "{csv}");
    let rows = csv.as_str().unwrap().lines().skip(1);
    rows.map(str::to_owned).collect()
}

#[actix_web::test]
async fn of_a_job_that_was_tried_often_each_step_has_its_last_figures() {
    let app = TestApp::without_worker(&[]).await;
    let (tuner, made, path) = waiting(&app).await;
    // Each attempt began anew: the loss is its number. Only the first came to its second checkpoint.
    let pool = app.pool().await;
    for statement in [
        "INSERT INTO attempts (id, job_id, number, backend, status, created_at, ended_at)
         SELECT gen_random_uuid(), $1, n, 'local', 'lost', now(), now() FROM generate_series(1, 5) n",
        "INSERT INTO job_events (attempt_id, number, job_id, occurred_at, event)
         SELECT a.id, step, $1, now(), jsonb_build_object('event', 'step', 'step', step, 'total_steps', 3000,
             'loss', a.number, 'accuracy', NULL, 'learning_rate', 0.1, 'gradient_norm', 1.0, 'tokens_per_second', 1.0,
             'tokens_seen', 1, 'tokens_by_dataset', '[]'::jsonb, 'seconds_left', NULL)
         FROM attempts a, generate_series(1, 3000) step
         WHERE a.job_id = $1 AND (a.number <> 5 OR step <= 2000)",
        "INSERT INTO job_events (attempt_id, number, job_id, occurred_at, event)
         SELECT a.id, 10000 + step, $1, now(), jsonb_build_object('event', 'checkpoint', 'step', step, 'run', 'r',
             'files', '[]'::jsonb, 'held_out_loss', NULL)
         FROM attempts a, unnest(ARRAY[1000, 2500]) step
         WHERE a.job_id = $1 AND (a.number = 1 OR step = 1000)",
    ] {
        sqlx::query(statement)
            .bind(own(&made))
            .execute(&pool)
            .await
            .unwrap();
    }
    let (status, page) = tuner.get(&format!("{path}/checkpoints")).await;
    assert_eq!(status, 200, "{page:#}");
    let checkpoints: Vec<(u64, f64)> = page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let step = one["step_number"].as_u64().unwrap();
            (step, one["metrics"]["train_loss"].as_f64().unwrap())
        })
        .collect();
    assert_eq!(
        checkpoints,
        [(1000, 5.0), (2500, 4.0)],
        "the newest first, each with the last figures of its step"
    );
    let name = page["data"][0]["fine_tuned_model_checkpoint"]
        .as_str()
        .unwrap();
    let permissions = format!("fine_tuning/checkpoints/{name}/permissions");
    let (status, listed) = tuner.get(&permissions).await;
    assert_eq!(status, 200, "{listed:#}");
    let (status, _) = tuner
        .get(&permissions.replace("step-1000", "step-1001"))
        .await;
    assert_eq!(status, 404, "a step without a checkpoint");
    let rows = figures(&tuner, &made, &path).await;
    assert_eq!(rows.len(), 3000, "each step once");
    assert_eq!(
        (rows[0].as_str(), rows[2999].as_str()),
        ("1,5,,,", "3000,4,,,")
    );
}

#[actix_web::test]
async fn of_very_many_steps_some_stand_in_the_table_and_each_once_among_the_events() {
    let app = TestApp::without_worker(&[]).await;
    let (tuner, made, path) = waiting(&app).await;
    // The second attempt went on from the checkpoint of the first, which had come further. The loss is the attempt's number.
    let pool = app.pool().await;
    for statement in [
        "INSERT INTO attempts (id, job_id, number, backend, status, created_at, ended_at)
         SELECT gen_random_uuid(), $1, n, 'local', 'lost', now(), now() FROM generate_series(1, 2) n",
        "INSERT INTO job_events (attempt_id, number, job_id, occurred_at, event)
         SELECT a.id, step, $1, timestamptz '2026-11-01' + (a.number * 100000 + step) * interval '1 millisecond',
             jsonb_build_object('event', 'step', 'step', step, 'total_steps', 20000, 'loss', a.number, 'accuracy', NULL,
                 'learning_rate', 0.1, 'gradient_norm', 1.0, 'tokens_per_second', 1.0, 'tokens_seen', 1,
                 'tokens_by_dataset', '[]'::jsonb, 'seconds_left', NULL)
         FROM attempts a, generate_series(1, 20000) step
         WHERE a.job_id = $1 AND CASE a.number WHEN 1 THEN step <= 12000 ELSE step > 9000 END",
        "INSERT INTO job_events (attempt_id, number, job_id, occurred_at, event)
         SELECT a.id, 100000 + step, $1, timestamptz '2026-11-01' + (a.number * 100000 + step) * interval '1 millisecond',
             jsonb_build_object('event', 'held_out', 'step', step, 'loss', 7, 'accuracy', NULL)
         FROM attempts a, generate_series(1001, 19001, 1000) step
         WHERE a.job_id = $1 AND CASE a.number WHEN 1 THEN step <= 12000 ELSE step > 9000 END",
    ] {
        sqlx::query(statement)
            .bind(own(&made))
            .execute(&pool)
            .await
            .unwrap();
    }
    let (mut steps, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) = tuner.get(&format!("{path}/events?limit=1000{after}")).await;
        assert_eq!(status, 200, "{page:#}");
        let all = page["data"].as_array().unwrap();
        let told = all
            .iter()
            .filter(|event| !event["data"]["train_loss"].is_null());
        steps.extend(told.map(|event| event["data"]["step"].as_u64().unwrap()));
        if page["has_more"] == false {
            break;
        }
        after = format!("&after={}", page["last_id"].as_str().unwrap());
    }
    assert!(
        steps.iter().copied().eq((1..=20_000_u64).rev()),
        "{} steps, from {:?} to {:?}",
        steps.len(),
        steps.first(),
        steps.last()
    );
    let rows = figures(&tuner, &made, &path).await;
    assert_eq!(
        rows.len(),
        5000 + 19,
        "every fourth step, and those at which was measured"
    );
    for row in [
        "4,1,,,",
        "9000,1,,,",
        "9001,2,,7,",
        "9004,2,,,",
        "1001,1,,7,",
        "20000,2,,,",
    ] {
        assert!(rows.iter().any(|one| one == row), "{row} is not there");
    }
}

#[actix_web::test]
async fn jobs_behind_a_thousand_that_wait_go_on_and_start() {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let data = given::approved_dataset(&app).await;
    let wanted = |suffix: &str| {
        json!({
            "model": "tiny", "training_file": format!("dataset:{}@1", data.dataset), "suffix": suffix,
            "hyperparameters": { "n_epochs": 1 }, "gptnl": { "lora": { "rank": 4 }, "sequence_length": 64 },
        })
    };
    let (_, first) = tuner.post("fine_tuning/jobs", &wanted("eerste")).await;
    let path = format!("fine_tuning/jobs/{}", first["id"].as_str().unwrap());
    tuner
        .until(&path, |job| waits_for(job) == ["compute"])
        .await;
    let own: Uuid = first["id"]
        .as_str()
        .unwrap()
        .trim_start_matches("ftjob-")
        .parse()
        .unwrap();
    // Older ones, of which some wait for people and others for a place that does not come.
    let pool = app.pool().await;
    for statement in [
        "INSERT INTO fine_tuning_jobs
         SELECT (jsonb_populate_record(f, jsonb_build_object(
             'id', '00000000-0000-7000-8000-' || lpad(n::text, 12, '0')))).*
         FROM fine_tuning_jobs f, generate_series(1, 1001) n WHERE f.id = $1",
        "INSERT INTO jobs
         SELECT (jsonb_populate_record(j, jsonb_build_object(
             'id', '00000000-0000-7000-9000-' || lpad(n::text, 12, '0'), 'status', 'approved', 'place', 'elders',
             'waits_for', 'place', 'approved_at', '2026-01-01T00:00:00Z',
             'approved_by', (SELECT u.id FROM users u WHERE u.id <> j.requested_by LIMIT 1)))).*
         FROM jobs j, generate_series(1, 1001) n WHERE j.id = $1",
    ] {
        let done = sqlx::query(statement)
            .bind(own)
            .execute(&pool)
            .await
            .unwrap();
        assert_eq!(done.rows_affected(), 1001);
    }
    let (status, made) = tuner.post("fine_tuning/jobs", &wanted("laatste")).await;
    assert_eq!(status, 200, "{made:#}");
    let job = made["id"].as_str().unwrap();
    tuner.let_run(&app, job).await;
    tuner
        .until(&format!("fine_tuning/jobs/{job}"), |job| {
            job["status"] == "succeeded"
        })
        .await;

    // Figures of a hundred and twenty more: a page ends after a hundred, and the next goes on behind it.
    let done: Uuid = job.trim_start_matches("ftjob-").parse().unwrap();
    for statement in [
        "INSERT INTO jobs
         SELECT (jsonb_populate_record(j, jsonb_build_object(
             'id', '00000000-0000-7000-a000-' || lpad(n::text, 12, '0')))).*
         FROM jobs j, generate_series(1, 120) n WHERE j.id = $1",
        "INSERT INTO fine_tuning_jobs
         SELECT (jsonb_populate_record(f, jsonb_build_object(
             'id', '00000000-0000-7000-a000-' || lpad(n::text, 12, '0')))).*
         FROM fine_tuning_jobs f, generate_series(1, 120) n WHERE f.id = $1",
        "INSERT INTO job_events
         SELECT (jsonb_populate_record(e, jsonb_build_object(
             'job_id', '00000000-0000-7000-a000-' || lpad(n::text, 12, '0'), 'number', 1000000 + n))).*
         FROM job_events e, generate_series(1, 120) n
         WHERE (e.attempt_id, e.number) = (SELECT attempt_id, number FROM job_events
             WHERE job_id = $1 AND event ->> 'event' = 'step' LIMIT 1)",
    ] {
        sqlx::query(statement).bind(done).execute(&pool).await.unwrap();
    }
    let mut listed = Vec::new();
    let mut pages = Vec::new();
    let mut path = "files?purpose=fine-tune-results".to_owned();
    loop {
        let (_, page) = tuner.get(&path).await;
        let ids: Vec<String> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| file["id"].as_str().unwrap().to_owned())
            .collect();
        pages.push(ids.len());
        listed.extend(ids);
        if page["has_more"] == false {
            break;
        }
        path = format!(
            "files?purpose=fine-tune-results&after={}",
            listed.last().unwrap()
        );
    }
    assert_eq!(pages, [100, 21]);
    listed.sort_unstable();
    listed.dedup();
    assert_eq!(listed.len(), 121, "each once");
}
