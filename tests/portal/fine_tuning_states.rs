//! What the fine-tuning API tells of jobs and files over time: their phases, each step once, files that go by themselves.

use std::collections::BTreeSet;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::fine_tuning;

use crate::{
    kills::pids,
    support::{TestApp, Tuner, decide_data, form, given, waits_for},
};

fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap_or_else(|| panic!("{thing:#}"))
}

/// The id of a job in the portal.
fn own(job: &Value) -> Uuid {
    id(job).trim_start_matches("ftjob-").parse().unwrap()
}

fn job(file: &str, epochs: u32) -> Value {
    json!({
        "model": "tiny", "training_file": file, "hyperparameters": { "n_epochs": epochs },
        "gptnl": { "lora": { "rank": 4 }, "sequence_length": 64 },
    })
}

async fn change(app: &TestApp, statement: &'static str, job: Uuid) {
    sqlx::query(statement)
        .bind(job)
        .execute(&app.pool().await)
        .await
        .unwrap();
}

/// Every event of a job, newest first, page by page.
async fn events(tuner: &Tuner, path: &str) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) = tuner.get(&format!("{path}/events?limit=200{after}")).await;
        assert_eq!(status, 200, "{page:#}");
        all.extend(page["data"].as_array().unwrap().iter().cloned());
        if page["has_more"] == false {
            return all;
        }
        after = format!("&after={}", page["last_id"].as_str().unwrap());
    }
}

async fn stands(tuner: &Tuner, path: &str) -> (String, String) {
    let (_, job) = tuner.get(path).await;
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    (word(&job["status"]), word(&job["gptnl"]["phase"]))
}

#[actix_web::test]
async fn each_phase_has_its_word_and_slurms_number_is_told_once() {
    let app = TestApp::without_worker(&[]).await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let (_, file) = tuner.send("chats.jsonl", &given::small_corpus()).await;
    let (_, made) = tuner.post("fine_tuning/jobs", &job(id(&file), 1)).await;
    let (path, number) = (format!("fine_tuning/jobs/{}", id(&made)), own(&made));
    let is = async |status: &str, phase: &str| {
        let seen = stands(&tuner, &path).await;
        assert_eq!((seen.0.as_str(), seen.1.as_str()), (status, phase));
    };
    is("validating_files", "received").await;
    let (stop, ends) = app.work_until_ended();
    tuner
        .until(&path, |job| job["gptnl"]["phase"] == "awaiting_approval")
        .await;
    decide_data(&app, file["gptnl"]["dataset"].as_str().unwrap()).await;
    tuner
        .until(&path, |job| waits_for(job) == ["compute"])
        .await;
    stop.cancel();
    ends.await.unwrap();
    // As it stood for a moment.
    let checked = "UPDATE fine_tuning_jobs SET phase = 'validating' WHERE id = $1";
    change(&app, checked, number).await;
    is("validating_files", "permission_check").await;
    let unread = "UPDATE fine_tuning_jobs SET examined_at = NULL WHERE id = $1";
    change(&app, unread, number).await;
    is("validating_files", "validating").await;
    let back = "UPDATE fine_tuning_jobs SET phase = 'requested', examined_at = now() WHERE id = $1";
    change(&app, back, number).await;
    is("queued", "awaiting_approval").await;
    given::let_run(&app, number).await;
    is("queued", "approved").await;
    // As Slurm tells of a job that it has not begun.
    for statement in [
        "UPDATE jobs SET status = 'running' WHERE id = $1",
        "INSERT INTO compute_places (id, name, kind, location, slots, seen_at)
         SELECT 'cluster', 'cluster', 'slurm', 'NL', 1, now() WHERE $1::uuid IS NOT NULL",
        "INSERT INTO attempts (id, job_id, number, backend, status, created_at)
         VALUES (gen_random_uuid(), $1, 1, 'cluster', 'dispatching', now())",
        "INSERT INTO attempt_reports (attempt_id, state, native_id, reason, queue_position, used_seconds, told_at)
         SELECT id, 'pending', '8123456', 'Resources', 14, 0, now() FROM attempts WHERE job_id = $1",
    ] {
        change(&app, statement, number).await;
    }
    is("queued", "queued_slurm").await;
    for _ in 0..3 {
        let ports = fine_tuning::Ports {
            db: &app.ports.db,
            objects: &app.ports.objects,
            config: &app.ports.config,
            compute: &app.ports.compute,
        };
        fine_tuning::sweep(ports).await.unwrap();
    }
    let told = events(&tuner, &path).await;
    let slurm: Vec<&Value> = told
        .iter()
        .filter(|event| event["message"].as_str().unwrap().starts_with("Slurm job"))
        .collect();
    assert_eq!(slurm.len(), 1, "{told:#?}");
    assert_eq!(slurm[0]["message"], "Slurm job 8123456, position 14");
    assert_eq!(slurm[0]["data"]["queue_position"], 14);
    // Slurm put it back after it had begun; then the portal did.
    let step = "INSERT INTO job_events (attempt_id, number, job_id, occurred_at, event)
         SELECT id, 1, $1, now(), '{\"event\": \"step\", \"step\": 1, \"total_steps\": 2, \"loss\": 1.0, \"accuracy\": null,
             \"learning_rate\": 0.1, \"gradient_norm\": 1.0, \"tokens_per_second\": 1.0, \"tokens_seen\": 1,
             \"tokens_by_dataset\": [], \"seconds_left\": null}' FROM attempts WHERE job_id = $1";
    change(&app, step, number).await;
    is("queued", "requeued").await;
    for statement in [
        "UPDATE attempts SET status = 'lost', ended_at = now() WHERE job_id = $1",
        "UPDATE jobs SET status = 'approved' WHERE id = $1",
    ] {
        change(&app, statement, number).await;
    }
    is("queued", "requeued").await;
}

const RESUMED: [(&str, &str); 3] = [
    ("FACULTY_TRAINING__CHECKPOINT_SECONDS", "1"),
    ("FACULTY_TRAINING__RETRY_SECONDS", "1"),
    ("FACULTY_TRAINING__LOST_AFTER_SECONDS", "5"),
];

#[actix_web::test]
async fn steps_done_again_after_a_kill_are_listed_once_as_in_the_results() {
    let app = TestApp::start_with(&RESUMED).await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let data = given::approved_dataset(&app).await;
    let wanted = job(&format!("dataset:{}@1", data.dataset), 100);
    let (_, made) = tuner.post("fine_tuning/jobs", &wanted).await;
    let path = format!("fine_tuning/jobs/{}", id(&made));
    let (number, _) = tuner.let_run(&app, id(&made)).await;
    let pool = app.pool().await;
    // So far past a checkpoint that steps will be done again.
    let is_past = async || -> bool {
        sqlx::query_scalar(
            "SELECT coalesce((SELECT max((event ->> 'step')::integer) FROM job_events
                              WHERE job_id = $1 AND event ->> 'event' = 'step')
                             >= (SELECT max(step) + 3 FROM checkpoints WHERE job_id = $1), false)",
        )
        .bind(number)
        .fetch_one(&pool)
        .await
        .unwrap()
    };
    while !is_past().await {
        let (_, seen) = tuner.get(&path).await;
        assert_eq!(
            seen["finished_at"],
            Value::Null,
            "it ended before: {seen:#}"
        );
    }
    for pid in pids(&app, "faculty-training") {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    let done = tuner
        .until(&path, |job| !job["finished_at"].is_null())
        .await;
    assert_eq!(done["status"], "succeeded", "{done:#}");
    let (told, once): (i64, i64) = sqlx::query_as(
        "SELECT count(*), count(DISTINCT event ->> 'step') FROM job_events
         WHERE job_id = $1 AND event ->> 'event' = 'step'",
    )
    .bind(number)
    .fetch_one(&pool)
    .await
    .unwrap();
    assert!(told > once, "no step was done again: {told}");
    // A place told of a checkpoint that it could not read.
    change(
        &app,
        "INSERT INTO job_events (attempt_id, number, job_id, occurred_at, event)
         SELECT id, 1000000, $1, now(), jsonb_build_object('event', 'checkpoint_unreadable', 'step', 1,
             'file', gen_random_uuid(), 'problem', 'gone') FROM attempts WHERE job_id = $1 AND number = 1",
        number,
    )
    .await;
    let all = events(&tuner, &path).await;
    let steps: Vec<u64> = all
        .iter()
        .filter(|event| !event["data"]["train_loss"].is_null())
        .map(|event| event["data"]["step"].as_u64().unwrap())
        .collect();
    let distinct: BTreeSet<u64> = steps.iter().copied().collect();
    assert_eq!(steps.len(), distinct.len(), "{steps:?}");
    let of = |start: &str| -> Vec<&Value> {
        let starts = |event: &&Value| event["message"].as_str().unwrap().starts_with(start);
        all.iter().filter(starts).collect()
    };
    let checkpoints: BTreeSet<String> = of("Checkpoint created")
        .iter()
        .map(|event| event["message"].to_string())
        .collect();
    assert_eq!(checkpoints.len(), of("Checkpoint created").len());
    let unreadable = of("The checkpoint of step 1 cannot be read");
    assert_eq!(unreadable.len(), 1, "{all:#?}");
    assert_eq!(unreadable[0]["level"], "warn");

    let results = done["result_files"][0].as_str().unwrap();
    let (_, csv) = tuner.get(&format!("files/{results}/content")).await;
    let csv = csv.as_str().unwrap();
    let rows: BTreeSet<u64> = csv
        .lines()
        .skip(1)
        .filter(|line| line.split(',').nth(1).is_some_and(|loss| !loss.is_empty()))
        .map(|line| line.split(',').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(distinct, rows);
    // The figures are a file like any other, in lists too.
    let (_, sent) = tuner.send("chats.jsonl", &given::small_corpus()).await;
    let ids = async |query: &str| -> Vec<String> {
        let (status, page) = tuner.get(&format!("files?{query}")).await;
        assert_eq!(status, 200, "{page:#}");
        let data = page["data"].as_array().unwrap();
        data.iter().map(|file| id(file).to_owned()).collect()
    };
    assert_eq!(ids("purpose=fine-tune-results").await, [results]);
    assert_eq!(ids("purpose=fine-tune").await, [id(&sent)]);
    assert_eq!(ids("").await, [id(&sent), results]);
    assert_eq!(ids("order=asc&limit=1").await, [results]);
    assert_eq!(
        ids(&format!("after={results}&order=asc")).await,
        [id(&sent)]
    );
    let (_, page) = tuner.get("files?purpose=fine-tune-results").await;
    assert_eq!(page["data"][0]["bytes"], csv.len());
    let foreign = Tuner::of(&app, "manager.waterland", "tiny", true).await;
    let (_, page) = foreign.get("files?purpose=fine-tune-results").await;
    assert_eq!(page["data"], json!([]));
}

#[actix_web::test]
async fn a_repetition_finds_its_job_though_the_permission_fell_meanwhile() {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let data = given::approved_dataset(&app).await;
    let body = job(&format!("dataset:{}@1", data.dataset), 1);
    let send = |header: &'static str, value: &'static str| {
        let ask = tuner.ask(Method::POST, "fine_tuning/jobs");
        Tuner::answer(ask.header(header, value).json(&body))
    };
    let retry = "x-stainless-retry-count";
    let (status, made) = send(retry, "0").await;
    assert_eq!(status, 200, "{made:#}");
    let (status, keyed) = send("idempotency-key", "sleutel").await;
    assert_eq!(status, 200, "{keyed:#}");
    given::withdrawn(&app, data.dataset, "bezwaar").await;
    let (status, again) = send(retry, "1").await;
    assert_eq!(
        (status, id(&again)),
        (200, id(&keyed)),
        "the newest like it"
    );
    let (status, again) = send("idempotency-key", "sleutel").await;
    assert_eq!((status, id(&again)), (200, id(&keyed)));
    // Another wish is judged as things stand.
    let (status, refused) = send(retry, "0").await;
    assert!(matches!(status, 400 | 403 | 404), "{status} {refused:#}");
}

#[actix_web::test]
async fn what_reviewers_wrote_on_data_of_others_is_not_told() {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let data = given::submitted_dataset(&app, &given::small_corpus(), &[]).await;
    let word = "onderling besproken";
    for (login, kind) in [("steward", "data"), ("legal", "legal")] {
        let answer = app
            .browser(login)
            .await
            .post_form(
                &format!("/nl/datasets/{}/review", data.dataset),
                &[("kind", kind), ("decision", "approved"), ("reason", word)],
            )
            .await
            .unwrap();
        assert_eq!(answer.status, 303, "{}", answer.text);
    }
    let named = format!("dataset:{}@1", data.dataset);
    let (status, made) = tuner.post("fine_tuning/jobs", &job(&named, 1)).await;
    assert_eq!(status, 200, "{made:#}");
    let approvals = made["gptnl"]["approvals"].as_array().unwrap();
    let decided = approvals.iter().filter(|one| one["role"] != "compute");
    assert_eq!(decided.clone().count(), 2, "{made:#}");
    for one in decided {
        assert_eq!(one["decision"], "approved");
        assert_eq!(one["reason"], Value::Null, "{made:#}");
    }
    assert!(!made.to_string().contains(word), "{made:#}");
}

#[actix_web::test]
async fn a_file_goes_when_its_time_comes_and_what_was_handed_in_stays() {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let corpus = given::small_corpus();
    let send = async |anchor: &str, seconds: &str| {
        let fields = [
            ("purpose", None, &b"fine-tune"[..]),
            ("expires_after[anchor]", None, anchor.as_bytes()),
            ("expires_after[seconds]", None, seconds.as_bytes()),
            ("file", Some("chats.jsonl"), &corpus[..]),
        ];
        Tuner::answer(form(tuner.ask(Method::POST, "files"), &fields)).await
    };
    for (anchor, seconds, param) in [
        ("created_at", "3599", "expires_after.seconds"),
        ("created_at", "2592001", "expires_after.seconds"),
        ("created_at", "morgen", "expires_after.seconds"),
        ("last_active_at", "3600", "expires_after.anchor"),
    ] {
        let (status, refused) = send(anchor, seconds).await;
        assert_eq!(
            (status, &refused["error"]["param"]),
            (400, &json!(param)),
            "{refused:#}"
        );
    }
    let open = |after: Value| {
        json!({
            "bytes": 10, "filename": "chats.jsonl", "mime_type": "application/jsonl", "purpose": "fine-tune",
            "expires_after": after,
        })
    };
    let good = json!({ "anchor": "created_at", "seconds": 3600 });
    let (status, upload) = tuner.post("uploads", &open(good)).await;
    assert_eq!(status, 200, "{upload:#}");
    let (status, refused) = tuner
        .post("uploads", &open(json!({ "seconds": 3600 })))
        .await;
    assert_eq!(
        (status, &refused["error"]["param"]),
        (400, &json!("expires_after.anchor"))
    );

    let (status, goes) = send("created_at", "3600").await;
    assert_eq!(status, 200, "{goes:#}");
    let lifetime = goes["expires_at"].as_i64().unwrap() - goes["created_at"].as_i64().unwrap();
    assert_eq!(lifetime, 3600);
    let (_, stays) = send("created_at", "3600").await;
    tuner.processed(&goes).await;
    tuner.processed(&stays).await;
    let (_, made) = tuner.post("fine_tuning/jobs", &job(id(&stays), 1)).await;
    let path = format!("fine_tuning/jobs/{}", id(&made));
    tuner.until(&path, |job| job["status"] == "queued").await;
    // An hour later.
    let pool = app.pool().await;
    sqlx::query(
        "UPDATE api_files SET created_at = created_at - interval '2 hours', expires_at = expires_at - interval '2 hours'",
    )
    .execute(&pool)
    .await
    .unwrap();
    fine_tuning::sweep_expired(&app.ports.db).await.unwrap();
    let (status, _) = tuner.get(&format!("files/{}", id(&goes))).await;
    assert_eq!(status, 404);
    let (status, there) = tuner.get(&format!("files/{}", id(&stays))).await;
    assert_eq!(
        (status, &there["expires_at"]),
        (200, &Value::Null),
        "handed in: {there:#}"
    );
    let file: Uuid = id(&goes).trim_start_matches("file-").parse().unwrap();
    let key: String = sqlx::query_scalar("SELECT object_key FROM dataset_files WHERE id = $1")
        .bind(file)
        .fetch_one(&pool)
        .await
        .unwrap();
    let mut is_there = true;
    for _ in 0..100 {
        is_there = app.ports.objects.head(&key).await.is_ok();
        if !is_there {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert!(!is_there, "its bytes are still in the store");
}
