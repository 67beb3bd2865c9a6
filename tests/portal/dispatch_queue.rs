//! The queue: who goes first, who waits for what, and that each job runs once whatever is killed.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::{demo::Browser, ids::ModelId};

use crate::kills::pids;
use crate::support::{Program, TestApp, Tuner, given, portal_is_up};

/// Somebody who asks for jobs, and somebody who lets them run; signed in once.
pub(crate) struct People {
    harderwijk: Browser,
    waterland: Browser,
    operator: Browser,
}

impl People {
    pub(crate) async fn of(app: &TestApp) -> Self {
        Self {
            harderwijk: app.browser("researcher.harderwijk").await,
            waterland: app.browser("manager.waterland").await,
            operator: app.browser("operator").await,
        }
    }

    pub(crate) async fn approved(&mut self, who: &str, wanted: Value) -> Uuid {
        let asker = if who == "harderwijk" {
            &mut self.harderwijk
        } else {
            &mut self.waterland
        };
        let requested = asker
            .api(Method::POST, "/api/v1/jobs", Some(wanted))
            .await
            .unwrap();
        let job: Uuid = requested["id"].as_str().unwrap().parse().unwrap();
        self.operator
            .api(Method::POST, &format!("/api/v1/jobs/{job}/approve"), None)
            .await
            .unwrap();
        job
    }

    async fn state(&mut self, job: Uuid) -> Value {
        self.operator
            .api(Method::GET, &format!("/api/v1/jobs/{job}"), None)
            .await
            .unwrap()
    }
}

pub(crate) fn short(base: ModelId, version: Uuid) -> Value {
    let mut wanted = given::job(base, version, 1);
    wanted["max_steps"] = json!(2);
    wanted
}

/// The institutions' short names of attempts, in the order in which they started.
async fn started(app: &TestApp) -> Vec<(Uuid, String)> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "SELECT a.job_id, i.slug FROM attempts a JOIN jobs j ON j.id = a.job_id
         JOIN institutions i ON i.id = j.institution_id ORDER BY a.created_at, a.id",
    )
    .fetch_all(&app.pool().await)
    .await
    .unwrap();
    rows
}

pub(crate) async fn all_over(people: &mut People, jobs: &[Uuid], seconds: u64) -> Vec<Value> {
    let mut states = Vec::new();
    let until = Instant::now() + Duration::from_secs(seconds);
    for job in jobs {
        loop {
            let state = people
                .operator
                .api(Method::GET, &format!("/api/v1/jobs/{job}"), None)
                .await
                .unwrap_or(Value::Null);
            if given::is_over(&state) {
                states.push(state);
                break;
            }
            assert!(
                Instant::now() < until,
                "not over in {seconds} seconds: {state:#}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    states
}

#[actix_web::test]
async fn the_urgent_go_first_and_institutions_take_turns() {
    let app = TestApp::without_worker(&[]).await;
    let mut people = People::of(&app).await;
    app.run_tasks().await;
    let uploads = app.work_until_stopped();
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    uploads.cancel();
    // Nothing is dispatched now; the first institution asks for all of its jobs first.
    let mut jobs = HashMap::new();
    for n in 0..5 {
        let job = people
            .approved("harderwijk", short(base, data.version))
            .await;
        jobs.insert(job, format!("h{n}"));
    }
    for n in 0..3 {
        let job = people
            .approved("waterland", short(base, data.version))
            .await;
        jobs.insert(job, format!("w{n}"));
    }
    let named = |name: &str| *jobs.iter().find(|(_, it)| *it == name).unwrap().0;
    // Who asked may let a job go later, and not earlier.
    for (priority, status) in [("high", StatusCode::FORBIDDEN), ("low", StatusCode::OK)] {
        let answer = people
            .harderwijk
            .call(
                Method::POST,
                &format!("/api/v1/jobs/{}/priority", named("h0")),
                Some(json!({ "priority": priority })),
            )
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{priority}: {}", answer.text);
    }
    let foreign = people
        .waterland
        .call(
            Method::POST,
            &format!("/api/v1/jobs/{}/priority", named("h0")),
            Some(json!({ "priority": "low" })),
        )
        .await
        .unwrap();
    assert_eq!(foreign.status, StatusCode::NOT_FOUND, "{}", foreign.text);
    people
        .operator
        .api(
            Method::POST,
            &format!("/api/v1/jobs/{}/priority", named("h4")),
            Some(json!({ "priority": "high" })),
        )
        .await
        .unwrap();
    let urgent = people.state(named("h4")).await;
    assert_eq!(urgent["queue"]["position"], 1, "{urgent:#}");
    assert_eq!(urgent["queue"]["waiting"], 8, "{urgent:#}");
    let last = people.state(named("h0")).await;
    assert_eq!(last["queue"]["position"], 8, "{last:#}");
    let page = people
        .harderwijk
        .get(&format!("/en/jobs/{}", named("h0")))
        .await
        .unwrap();
    assert!(page.text.contains("Number 8 of 8"), "{}", page.text);
    assert!(!page.text.contains('⟨'), "a text is missing: {}", page.text);
    app.work();
    let ids: Vec<Uuid> = jobs.keys().copied().collect();
    for state in all_over(&mut people, &ids, 120).await {
        assert_eq!(state["status"], "succeeded", "{state:#}");
    }
    let order: Vec<String> = started(&app)
        .await
        .into_iter()
        .map(|(job, _)| jobs[&job].clone())
        .collect();
    // The urgent one is one of Harderwijk, so Waterland is next; from there they take turns, and what was put last is.
    assert_eq!(order.first().unwrap(), "h4", "{order:?}");
    assert_eq!(order.get(1).unwrap(), "w0", "{order:?}");
    assert_eq!(order.last().unwrap(), "h0", "{order:?}");
    let first_six: Vec<bool> = order[..6].iter().map(|it| it.starts_with('w')).collect();
    let of_waterland = first_six.iter().filter(|it| **it).count();
    assert!(of_waterland >= 2, "{order:?}");
}

#[actix_web::test]
async fn what_a_budget_has_not_left_waits_and_each_attempt_is_settled_once() {
    let app = TestApp::without_worker(&[]).await;
    app.work();
    let mut people = People::of(&app).await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let mut admin = app.browser("admin").await;
    let mut budget = json!({
        "institution": "harderwijk", "begins_on": "2020-01-01", "ends_on": "2099-12-31", "core_seconds": 0,
    });
    let denied = people
        .operator
        .call(Method::POST, "/api/v1/budgets", Some(budget.clone()))
        .await
        .unwrap();
    assert_eq!(denied.status, StatusCode::FORBIDDEN, "{}", denied.text);
    admin
        .api(Method::POST, "/api/v1/budgets", Some(budget.clone()))
        .await
        .unwrap();
    let waits = people
        .approved("harderwijk", short(base, data.version))
        .await;
    let goes = people
        .approved("waterland", short(base, data.version))
        .await;
    let state = given::job_until(&app, goes, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    let state =
        given::job_until(&app, waits, |state| state["queue"]["waits_for"] == "budget").await;
    assert_eq!(state["status"], "approved", "{state:#}");
    assert!(
        state["estimate"]["seconds"].as_u64().unwrap() > 1,
        "{state:#}"
    );
    let page = people
        .harderwijk
        .get(&format!("/en/jobs/{waits}"))
        .await
        .unwrap();
    assert!(page.text.contains("budget does not have"), "{}", page.text);
    // Another budget in the same days is refused; more in the same one lets the job go.
    let mut other = budget.clone();
    other["begins_on"] = json!("2021-01-01");
    let overlaps = admin
        .call(Method::POST, "/api/v1/budgets", Some(other))
        .await
        .unwrap();
    assert_eq!(overlaps.status, StatusCode::CONFLICT, "{}", overlaps.text);
    budget["core_seconds"] = json!(100_000);
    admin
        .api(Method::POST, "/api/v1/budgets", Some(budget))
        .await
        .unwrap();
    let state = given::job_until(&app, waits, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    let used = state["used"]["seconds"].as_i64().unwrap();
    assert!(used >= 1, "{state:#}");
    let budgets = people
        .harderwijk
        .api(Method::GET, "/api/v1/budgets", None)
        .await
        .unwrap();
    let one = &budgets["data"][0];
    assert_eq!(one["core_seconds"]["used"], used, "{budgets:#}");
    assert_eq!(one["core_seconds"]["reserved"], 0, "{budgets:#}");
    let theirs = people
        .waterland
        .api(Method::GET, "/api/v1/budgets", None)
        .await
        .unwrap();
    assert_eq!(theirs["data"], json!([]), "others' budgets are not shown");
    for lang in ["nl", "en"] {
        let page = admin.get(&format!("/{lang}/admin/budgets")).await.unwrap();
        assert!(page.text.contains("2020-01-01"), "{}", page.text);
        assert!(!page.text.contains('⟨'), "a text is missing: {}", page.text);
    }
    every_attempt_is_settled_once(&app).await;
    // The database itself refuses a second settlement, and more than is left.
    let again = sqlx::query(
        "INSERT INTO budget_entries SELECT gen_random_uuid(), attempt_id, institution_id, budget_id, kind, place, gpus,
             cores, milli_sbu_per_gpu_hour, milli_sbu_per_core_hour, watts_per_gpu, watts_per_core, seconds, milli_sbu,
             gpu_seconds, core_seconds, joules, written_at
         FROM budget_entries WHERE kind = 'settle' LIMIT 1",
    )
    .execute(&app.pool().await)
    .await;
    assert!(again.is_err(), "settled twice");
    let too_much = sqlx::query(
        "WITH entry AS (SELECT * FROM budget_entries WHERE kind = 'reserve' AND budget_id IS NOT NULL LIMIT 1),
              attempt AS (SELECT a.id FROM attempts a, entry WHERE a.id <> entry.attempt_id LIMIT 1)
         INSERT INTO budget_entries SELECT gen_random_uuid(), attempt.id, institution_id, budget_id, kind, place, gpus,
             cores, milli_sbu_per_gpu_hour, milli_sbu_per_core_hour, watts_per_gpu, watts_per_core, 200000, 0, 0, 200000,
             0, written_at
         FROM entry, attempt",
    )
    .execute(&app.pool().await)
    .await
    .unwrap_err();
    assert!(
        too_much.to_string().contains("left of the budget"),
        "{too_much}"
    );
}

pub(crate) async fn every_attempt_is_settled_once(app: &TestApp) {
    let (ended, settled, reserved): (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM attempts WHERE ended_at IS NOT NULL),
                (SELECT count(*) FROM budget_entries WHERE kind = 'settle'),
                (SELECT count(*) FROM budget_entries WHERE kind = 'reserve')",
    )
    .fetch_one(&app.pool().await)
    .await
    .unwrap();
    assert_eq!((settled, reserved), (ended, ended));
}

/// Within this a slot that has come free is taken: the dispatcher looks twice a second, and a worker that was killed is there
/// again.
const SOON: Duration = Duration::from_secs(6);

/// A moment soon after this one, by chance.
fn pause(from: Instant) -> Instant {
    from + Duration::from_millis(rand::random_range(500..2500))
}

#[actix_web::test]
async fn two_workers_and_random_kills_run_each_short_job_once_and_share_fairly() {
    let count = if std::env::var("FACULTY_TEST_DEEP").is_ok() {
        200
    } else {
        12
    };
    let app = TestApp::without_worker(&[
        ("FACULTY_TRAINING__LOST_AFTER_SECONDS", "5"),
        ("FACULTY_TRAINING__MAX_ATTEMPTS", "30"),
        ("FACULTY_TRAINING__SLOTS", "2"),
    ])
    .await;
    let mut people = People::of(&app).await;
    let uploads = app.work_until_stopped();
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    uploads.cancel();
    app.stop_serving().await;
    let _portal = Program::start(&app, "faculty", &["serve"]);
    portal_is_up(&app).await;
    let mut jobs = Vec::new();
    for who in ["harderwijk", "waterland"] {
        for _ in 0..count / 2 {
            jobs.push(people.approved(who, short(base, data.version)).await);
        }
    }
    let mut workers: Vec<Program> = (0..2)
        .map(|_| Program::start(&app, "faculty", &["worker"]))
        .collect();
    let mut kills = 0;
    let begun = Instant::now();
    let (mut next_kill, mut disturbed) = (pause(begun), begun);
    let until = begun + Duration::from_secs(if count > 12 { 2400 } else { 240 });
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let (waiting, ready, live): (i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM jobs WHERE status = 'approved'),
                    (SELECT count(*) FROM jobs WHERE status = 'approved' AND coalesce(not_before < now(), true)),
                    (SELECT count(*) FROM attempts WHERE status IN ('dispatching', 'running'))",
        )
        .fetch_one(&app.pool().await)
        .await
        .unwrap();
        assert!(live <= 2, "{live} attempts in two slots");
        if waiting == 0 && live == 0 {
            break;
        }
        assert!(Instant::now() < until, "{waiting} wait, {live} run");
        // Who was killed and is put off for a while does not wait for a slot.
        if ready == 0 || live == 2 {
            disturbed = Instant::now();
        }
        assert!(
            disturbed.elapsed() < SOON,
            "{ready} jobs wait while a slot is free, and for {SOON:?} nothing was killed"
        );
        if kills < count / 2 && Instant::now() >= next_kill {
            kills += 1;
            for pid in pids(&app, "faculty-training").into_iter().take(kills % 2) {
                let pid = nix::unistd::Pid::from_raw(pid);
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            }
            let victim = rand::random_range(0..workers.len());
            workers[victim].kill();
            workers[victim] = Program::start(&app, "faculty", &["worker"]);
            disturbed = Instant::now();
            next_kill = pause(disturbed);
        }
    }
    for state in all_over(&mut people, &jobs, 30).await {
        assert_eq!(state["status"], "succeeded", "{state:#}");
    }
    let (successes, models): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM attempts WHERE status = 'succeeded'),
                (SELECT count(*) FROM models WHERE job_id IS NOT NULL)",
    )
    .fetch_one(&app.pool().await)
    .await
    .unwrap();
    let count = i64::try_from(count).unwrap();
    assert_eq!((successes, models), (count, count));
    every_attempt_is_settled_once(&app).await;
    // At each moment while both have jobs left, neither is ahead by more than a tenth of all, or by what runs at once.
    // Who was killed begins again, which is nobody's turn.
    let (mut harderwijk, mut waterland) = (0_i64, 0_i64);
    let mut begun = HashSet::new();
    for (job, slug) in started(&app).await {
        if !begun.insert(job) {
            continue;
        }
        match slug.as_str() {
            "harderwijk" => harderwijk += 1,
            _ => waterland += 1,
        }
        if harderwijk.min(waterland) < count / 2 - 2 {
            let most = (count / 10).max(3);
            assert!(
                (harderwijk - waterland).abs() <= most,
                "{harderwijk} against {waterland}"
            );
        }
    }
}

#[actix_web::test]
async fn a_job_goes_to_the_place_that_has_room_and_may_have_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("faculty.toml");
    let program = TestApp::programs().join("faculty-training");
    let place = |name: &str, location: &str| {
        format!(
            "[[compute.places]]\nname = \"{name}\"\nkind = \"local\"\nlocation = \"{location}\"\n\
             state_dir = {:?}\nprogram = {:?}\nmilli_sbu_per_core_hour = 1000\nwatts_per_core = 10\n",
            folder.path().join(name),
            program,
        )
    };
    std::fs::write(&settings, place("abroad", "US") + &place("here", "NL")).unwrap();
    let app = TestApp::without_worker(&[("FACULTY_CONFIG", settings.to_str().unwrap())]).await;
    app.work();
    let mut people = People::of(&app).await;
    let base = given::tiny_base(&app).await;
    let permission = json!({
        "layers": ["copyright"], "purposes": ["fine_tuning"], "recipients": "consortium", "commercial": "no",
        "territories": "world", "processing_locations": "EU", "model_families": "all",
        "valid_from": "2026-01-01", "valid_until": "2031-12-31", "evidence": "besluit", "delete_within_days": "30",
    });
    let restricted = given::approved_with(&app, permission).await;
    let mut abroad = short(base, restricted.version);
    abroad["place"] = json!("abroad");
    let refused = people
        .harderwijk
        .call(Method::POST, "/api/v1/jobs", Some(abroad))
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    // Form and fine-tuning API say so beforehand, for the places where it would run.
    let form = format!(
        "/en/jobs/new?base_model={base}&recipients=consortium&is_commercial=no&territory=NL&dataset_versions={}",
        restricted.version
    );
    for (place, says) in [("abroad", "✗"), ("", "✓")] {
        let page = people
            .harderwijk
            .get(&format!("{form}&place={place}"))
            .await
            .unwrap();
        assert!(page.text.contains(says), "{place}: {}", page.text);
    }
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let mut asked = json!({
        "model": "tiny", "training_file": format!("dataset:{}@1", restricted.dataset), "gptnl": { "place": "abroad" },
    });
    let (status, said) = tuner.post("fine_tuning/jobs", &asked).await;
    assert_eq!(
        (status, &said["error"]["code"]),
        (403, &json!("purpose_not_permitted")),
        "{said:#}"
    );
    asked["gptnl"] = json!({ "time_limit_seconds": 600 });
    let (status, said) = tuner.post("fine_tuning/jobs", &asked).await;
    assert_eq!(status, 200, "{said:#}");
    let asked = format!("fine_tuning/jobs/{}", said["id"].as_str().unwrap());
    tuner.post(&format!("{asked}/cancel"), &json!(null)).await;
    let mut nowhere = short(base, restricted.version);
    nowhere["place"] = json!("nowhere");
    let unknown = people
        .harderwijk
        .call(Method::POST, "/api/v1/jobs", Some(nowhere))
        .await
        .unwrap();
    assert!(
        unknown.text.contains("jobs-unknown-place"),
        "{}",
        unknown.text
    );
    let kept = people
        .approved("harderwijk", short(base, restricted.version))
        .await;
    let state = given::job_until(&app, kept, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    let place = state["attempts"][0]["backend"].as_str().unwrap();
    assert!(place.starts_with("here@"), "{state:#}");
    assert!(state["used"]["joules"].as_u64().unwrap() >= 10, "{state:#}");
    // What may go anywhere goes to the first place, and with that taken to the second.
    let free = given::approved_dataset_of(&app, &given::corpus(4000)).await;
    let mut long = given::job(base, free.version, 50);
    let first = people.approved("harderwijk", long.clone()).await;
    long["time_limit_seconds"] = json!(3600);
    let second = people.approved("harderwijk", long).await;
    let mut places = Vec::new();
    for job in [first, second] {
        let state = given::job_until(&app, job, |state| state["status"] == "running").await;
        places.push(state["attempts"][0]["backend"].as_str().unwrap().to_owned());
    }
    assert!(places[0].starts_with("abroad@"), "{places:?}");
    assert!(places[1].starts_with("here@"), "{places:?}");
    let listed = people
        .operator
        .api(Method::GET, "/api/v1/places", None)
        .await
        .unwrap();
    assert_eq!(listed["data"].as_array().unwrap().len(), 2, "{listed:#}");
    for job in [first, second] {
        people
            .harderwijk
            .api(Method::POST, &format!("/api/v1/jobs/{job}/cancel"), None)
            .await
            .unwrap();
        given::job_until(&app, job, given::is_over).await;
    }
    every_attempt_is_settled_once(&app).await;
}
