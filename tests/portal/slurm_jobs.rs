//! The portal's jobs on a real Slurm, which each test starts for itself, through each way of reaching it.
//!
//! `FACULTY_TEST_DEEP=1` sends 50 jobs through each instead of a few.

use std::{fs, path::PathBuf, time::Duration};

use compute::Transport;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    dispatch_queue::{People, all_over, every_attempt_is_settled_once, short},
    support::{Program, TestApp, given, portal_is_up},
};

#[expect(
    dead_code,
    reason = "the tests of the crate itself ask more of a cluster than these"
)]
#[path = "../../crates/compute/tests/slurm/cluster.rs"]
mod cluster;

pub(crate) use cluster::Cluster;
use cluster::is_deep;

/// A value as TOML has it within a line.
fn toml(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            let fields = fields.map(|(name, value)| format!("{name} = {}", toml(value)));
            format!("{{ {} }}", list(fields.collect()))
        }
        Value::Array(items) => format!("[{}]", list(items.iter().map(toml).collect())),
        plain => plain.to_string(),
    }
}

/// Settings with this cluster as the only place, in `partition`, reached by `transport`.
pub(crate) fn settings(
    cluster: &mut Cluster,
    transport: Transport,
    (partition, slots): (&str, usize),
) -> PathBuf {
    let mut slurm = cluster.settings(transport);
    slurm.partition = Some(partition.to_owned());
    let text = format!(
        "[[compute.places]]\nname = \"cluster\"\nkind = \"slurm\"\nslots = {slots}\nlongest_seconds = 3000\nstate_dir = {:?}\n\
         program = {:?}\nmilli_sbu_per_core_hour = 1000\nslurm = {}\n",
        cluster.path("shared"),
        TestApp::programs().join("faculty-training"),
        toml(&serde_json::to_value(&slurm).unwrap()),
    );
    let file = cluster.path("faculty.toml");
    fs::write(&file, text).unwrap();
    file
}

async fn portal(cluster: &mut Cluster, transport: Transport, partition: &str) -> TestApp {
    let settings = settings(cluster, transport, (partition, 4));
    TestApp::start_with(&[("FACULTY_CONFIG", settings.to_str().unwrap())]).await
}

fn is_running(state: &Value) -> bool {
    state["progress"]["step"].as_u64().unwrap_or(0) > 0
}

/// Waits until nothing waits or runs on the cluster.
async fn until_empty(cluster: &Cluster) {
    let wait = async {
        while !cluster.slurm("squeue", &["-h", "-o", "%j %T"]).is_empty() {
            tokio::time::sleep(cluster::LOOK_AGAIN).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), wait).await;
    assert!(waited.is_ok(), "nothing of it is left on the cluster");
}

/// One job to its model, and one that is stopped on its way.
async fn from_request_to_end(transport: Transport) {
    let mut cluster = Cluster::start();
    let app = portal(&mut cluster, transport, "normal").await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset_of(&app, &given::corpus(4000)).await;
    let job = given::approved_request(&app, short(base, data.version)).await;
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    let attempt = &state["attempts"][0];
    assert_eq!(attempt["backend"], "cluster", "{state:#}");
    assert!(attempt["told"]["native_id"].is_string(), "{state:#}");
    assert_eq!(attempt["told"]["partition"], "normal", "{state:#}");
    assert!(state["used"]["seconds"].as_u64().unwrap() >= 1, "{state:#}");
    assert_eq!(state["estimate"]["place"], "cluster", "{state:#}");
    assert!(state["model"]["name"].is_string(), "{state:#}");
    // Once is once, on the cluster too: whatever ran carries the attempt's name.
    let named = cluster.slurm("squeue", &["-h", "-t", "all", "-o", "%j"]);
    let name = format!("vf-{}", attempt["id"].as_str().unwrap());
    let runs = named.lines().filter(|line| *line == name).count();
    assert_eq!(runs, 1, "{named}");

    let job = given::approved_job(&app, base, data.version, 1000).await;
    given::job_until(&app, job, is_running).await;
    app.browser("researcher.harderwijk")
        .await
        .api(Method::POST, &format!("/api/v1/jobs/{job}/cancel"), None)
        .await
        .unwrap();
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "cancelled", "{state:#}");
    assert_eq!(state["attempts"].as_array().unwrap().len(), 1, "{state:#}");
    until_empty(&cluster).await;
    every_attempt_is_settled_once(&app).await;
}

#[actix_web::test]
async fn a_job_runs_and_one_is_cancelled_through_slurms_commands() {
    from_request_to_end(Transport::Cli).await;
}

#[actix_web::test]
async fn a_job_runs_and_one_is_cancelled_over_ssh() {
    from_request_to_end(Transport::Ssh).await;
}

#[actix_web::test]
async fn a_job_runs_and_one_is_cancelled_through_the_rest_interface() {
    from_request_to_end(Transport::Rest).await;
}

#[actix_web::test]
async fn jobs_wait_while_the_login_machine_has_another_key_and_go_on_when_it_is_mended() {
    let mut cluster = Cluster::start();
    let settings = settings(&mut cluster, Transport::Ssh, ("normal", 4));
    cluster.write_known_hosts("other-key.pub");
    let app = TestApp::start_with(&[("FACULTY_CONFIG", settings.to_str().unwrap())]).await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let job = given::approved_request(&app, short(base, data.version)).await;
    let mut operator = app.browser("operator").await;
    let mut places = Value::Null;
    for _ in 0..300 {
        places = operator
            .api(Method::GET, "/api/v1/places", None)
            .await
            .unwrap();
        if !places["data"][0]["trouble"].is_null() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let trouble = &places["data"][0]["trouble"];
    assert!(
        trouble.to_string().to_lowercase().contains("host key"),
        "it says what is wrong: {places:#}"
    );
    assert_eq!(
        cluster.slurm("squeue", &["-h", "-t", "all"]),
        "",
        "nothing went there"
    );
    cluster.write_known_hosts("host-key.pub");
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    assert_eq!(state["attempts"].as_array().unwrap().len(), 1, "{state:#}");
}

/// How often something of the portal or the cluster is killed while jobs run.
const ROUNDS: usize = 3;

/// Short jobs, with the controller, the worker and the portal killed in between.
async fn many(transport: Transport) {
    // Slurm lets a job that it puts back by itself wait for two minutes (docs/slurm.md, limits).
    let (count, patience) = if is_deep() { (50, 1100) } else { (3, 480) };
    let mut cluster = Cluster::start();
    // Each job in Slurm's own queue at once.
    let settings = settings(&mut cluster, transport, ("normal", count));
    cluster.write_token(7200);
    let app = TestApp::without_worker(&[
        ("FACULTY_CONFIG", settings.to_str().unwrap()),
        ("FACULTY_TRAINING__LOST_AFTER_SECONDS", "15"),
        ("FACULTY_TRAINING__RETRY_SECONDS", "1"),
        ("FACULTY_TRAINING__MAX_ATTEMPTS", "30"),
    ])
    .await;
    let uploads = app.work_until_stopped();
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    uploads.cancel();
    app.stop_serving().await;
    let mut portal = Program::start(&app, "faculty", &["serve"]);
    portal_is_up(&app).await;
    let mut people = People::of(&app).await;
    let mut jobs: Vec<Uuid> = Vec::new();
    for _ in 0..count {
        let wanted = short(base, data.version);
        jobs.push(people.approved("harderwijk", wanted).await);
    }
    let mut worker = Program::start(&app, "faculty", &["worker"]);
    let until = std::time::Instant::now() + Duration::from_secs(patience);
    let mut rounds = 0;
    loop {
        let (waiting, live, over): (i64, i64, i64) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE status = 'approved'),
                    count(*) FILTER (WHERE status IN ('dispatching', 'running')),
                    count(*) FILTER (WHERE ended_at IS NOT NULL) FROM jobs",
        )
        .fetch_one(&app.pool().await)
        .await
        .unwrap();
        if waiting + live == 0 {
            break;
        }
        assert!(
            std::time::Instant::now() < until,
            "{waiting} wait, {live} are at the cluster, {over} are over"
        );
        // The first time while they are handed over, and again each time some more of them are over.
        let count = usize::try_from(over).unwrap() * ROUNDS / count;
        if live > 0 && rounds < ROUNDS && count >= rounds {
            rounds += 1;
            worker.kill();
            cluster.kill("slurmctld");
            portal.kill();
            portal = Program::start(&app, "faculty", &["serve"]);
            worker = Program::start(&app, "faculty", &["worker"]);
            cluster.up();
            portal_is_up(&app).await;
        }
        // A controller that was set back and starts a job twice takes the machine out of use; an administrator's work.
        cluster.resume_node();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(rounds > 0, "something was killed while jobs were there");
    for state in all_over(&mut people, &jobs, 30).await {
        assert_eq!(state["status"], "succeeded", "{state:#}");
    }
    let rows: Vec<(Uuid, i64, i64, i64, i64)> = sqlx::query_as(
        "SELECT j.id, count(a.id), count(a.id) FILTER (WHERE a.status = 'succeeded'),
                (SELECT count(*) FROM models m WHERE m.job_id = j.id),
                (SELECT count(*) FROM budget_entries b JOIN attempts s ON s.id = b.attempt_id
                 WHERE s.job_id = j.id AND b.kind = 'settle' AND s.status = 'succeeded')
         FROM jobs j LEFT JOIN attempts a ON a.job_id = j.id GROUP BY j.id",
    )
    .fetch_all(&app.pool().await)
    .await
    .unwrap();
    assert_eq!(rows.len(), count, "none is lost");
    for (job, attempts, successes, models, settled) in &rows {
        assert!(*attempts >= 1, "{job}");
        assert_eq!(
            (*successes, *models, *settled),
            (1, 1, 1),
            "{job} succeeds once, makes one model and is charged for it once"
        );
    }
    every_attempt_is_settled_once(&app).await;
    no_attempt_ran_twice(&app).await;
    let attempts: i64 = rows.iter().map(|(_, attempts, ..)| attempts).sum();
    eprintln!("{count} jobs in {attempts} attempts through {transport:?}, killed {rounds} times");
}

/// A program tells of each step once; of an attempt that was started twice there would be two first steps.
async fn no_attempt_ran_twice(app: &TestApp) {
    let twice: Vec<Uuid> = sqlx::query_scalar(
        "SELECT attempt_id FROM job_events WHERE event ->> 'event' = 'step' AND event ->> 'step' = '1'
         GROUP BY attempt_id HAVING count(*) > 1",
    )
    .fetch_all(&app.pool().await)
    .await
    .unwrap();
    assert_eq!(twice, Vec::<Uuid>::new(), "no attempt ran twice");
}

#[actix_web::test]
async fn many_jobs_through_slurms_commands_run_once_whatever_is_killed() {
    many(Transport::Cli).await;
}

#[actix_web::test]
async fn many_jobs_over_ssh_run_once_whatever_is_killed() {
    many(Transport::Ssh).await;
}

#[actix_web::test]
async fn many_jobs_through_the_rest_interface_run_once_whatever_is_killed() {
    many(Transport::Rest).await;
}

#[actix_web::test]
async fn a_job_on_slurm_rests_at_its_time_limit() {
    let mut cluster = Cluster::start();
    let app = portal(&mut cluster, Transport::Cli, "normal").await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset_of(&app, &given::corpus(4000)).await;
    let mut limited = given::job(base, data.version, 1000);
    limited["time_limit_seconds"] = json!(60);
    let job = given::approved_request(&app, limited).await;
    // It was warned before, and put down what it had learnt: whoever asked for it may let it go on.
    let has_ended = |state: &Value| given::is_over(state) || state["status"] == "paused";
    let state = given::job_until(&app, job, has_ended).await;
    assert_eq!(state["status"], "paused", "{state:#}");
    assert_eq!(state["status_code"], "exit_124", "{state:#}");
    assert_eq!(state["attempts"].as_array().unwrap().len(), 1, "{state:#}");
    // Slurm itself would end it up to a minute later.
    let used = state["used"]["seconds"].as_u64().unwrap();
    assert!((59..=120).contains(&used), "{state:#}");
}

#[actix_web::test]
async fn a_submission_that_slurm_refuses_ends_the_job_with_its_reason() {
    let mut cluster = Cluster::start();
    let app = portal(&mut cluster, Transport::Cli, "nowhere").await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let job = given::approved_job(&app, base, data.version, 1).await;
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "failed", "{state:#}");
    assert_eq!(state["status_code"], "not_started", "{state:#}");
    let said = state["status_message"].as_str().unwrap();
    assert!(said.contains("partition"), "{said}");
    assert_eq!(state["used"]["seconds"], 0, "{state:#}");
}
