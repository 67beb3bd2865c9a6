//! Places that do not answer: who waits for them, who is told, and who does not wait.

use std::net::TcpListener;

use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use crate::support::{TestApp, given};

const WHO: &str = "researcher.harderwijk";

/// A portal with two places: this machine with a disk that cannot be used, of which that shows only when something is
/// started there, and a cluster at an address where nobody listens. Nothing works in the background yet.
async fn portal(folder: &tempfile::TempDir) -> TestApp {
    let nobody = {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        taken.local_addr().unwrap().port()
    };
    let token = folder.path().join("token");
    std::fs::write(&token, "SLURM_JWT=aaaa.bbbb.cccc\n").unwrap();
    let settings = folder.path().join("faculty.toml");
    // A file, and no folder.
    let disk = token.join("jobs");
    let text = format!(
        "[[compute.places]]\nname = \"disk\"\nkind = \"local\"\nslots = 4\nstate_dir = {disk:?}\nprogram = {:?}\n\
         [[compute.places]]\nname = \"cluster\"\nkind = \"slurm\"\nslots = 4\nstate_dir = {:?}\nprogram = {:?}\n\
         [compute.places.slurm]\ntransport = \"rest\"\npartition = \"main\"\n\
         [compute.places.slurm.rest]\nurl = \"http://127.0.0.1:{nobody}\"\nuser = \"faculty\"\ntoken_file = {token:?}\n\
         state_dir_here = {:?}\n",
        TestApp::programs().join("faculty-training"),
        folder.path(),
        TestApp::programs().join("faculty-training"),
        folder.path(),
    );
    std::fs::write(&settings, text).unwrap();
    TestApp::without_worker(&[("FACULTY_CONFIG", settings.to_str().unwrap())]).await
}

async fn act(app: &TestApp, job: Uuid, what: &str) -> Value {
    app.browser(WHO)
        .await
        .api(Method::POST, &format!("/api/v1/jobs/{job}/{what}"), None)
        .await
        .unwrap()
}

/// Jobs that were dispatched to this machine before anybody knew that it is away.
async fn dispatched(app: &TestApp, count: usize) -> Vec<Uuid> {
    let base = given::tiny_base(app).await;
    let (stop, ends) = app.work_until_ended();
    let data = given::approved_dataset(app).await;
    stop.cancel();
    ends.await.unwrap();
    let mut jobs = Vec::new();
    for _ in 0..count {
        jobs.push(given::approved_job(app, base, data.version, 1).await);
    }
    // One look is enough to write all attempts down, and to find out that they cannot be started.
    app.run_tasks().await;
    for job in &jobs {
        let state = given::job_until(app, *job, |state| state["status"] == "running").await;
        assert_eq!(state["attempts"][0]["status"], "dispatching", "{state:#}");
    }
    jobs
}

#[actix_web::test]
async fn a_job_that_its_place_never_took_stops_and_rests_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let app = portal(&folder).await;
    let jobs = dispatched(&app, 2).await;
    assert_eq!(act(&app, jobs[0], "cancel").await["status"], "running");
    assert_eq!(act(&app, jobs[1], "pause").await["status"], "running");
    app.run_tasks().await;
    let stopped = given::job_until(&app, jobs[0], given::is_over).await;
    assert_eq!(stopped["status"], "cancelled", "{stopped:#}");
    assert_eq!(stopped["status_code"], "cancelled_by_requester");
    assert_eq!(stopped["used"]["seconds"], 0, "{stopped:#}");
    let rests = given::job_until(&app, jobs[1], |state| state["status"] == "paused").await;
    assert_eq!(rests["attempts"][0]["status"], "cancelled", "{rests:#}");
    assert_eq!(act(&app, jobs[1], "resume").await["status"], "approved");
}

#[actix_web::test]
async fn a_job_that_its_place_took_waits_for_it_and_its_page_and_the_admins_hear_so() {
    let folder = tempfile::tempdir().unwrap();
    let app = portal(&folder).await;
    let jobs = dispatched(&app, 2).await;
    let pool = app.pool().await;
    // As after a cluster's answer: it has them, and is away since.
    sqlx::query("UPDATE attempts SET handle = id::text, status = 'running', backend = 'cluster'")
        .execute(&pool)
        .await
        .unwrap();
    act(&app, jobs[0], "cancel").await;
    act(&app, jobs[1], "pause").await;
    app.run_tasks().await;
    for (job, words) in [
        (
            jobs[0],
            "The job was asked to stop, but its place cluster does not answer",
        ),
        (
            jobs[1],
            "The job was asked to pause, but its place cluster does not answer",
        ),
    ] {
        let state = given::job_until(&app, job, |_| true).await;
        assert_eq!(state["status"], "running", "{state:#}");
        let page = app
            .browser(WHO)
            .await
            .get(&format!("/en/jobs/{job}"))
            .await
            .unwrap();
        assert!(page.text.contains(words), "{}", page.text);
    }
    // A moment's silence is told to nobody.
    let told = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM notices WHERE kind = 'place-away'")
            .fetch_one(&pool)
            .await
            .unwrap()
    };
    assert_eq!(told().await, 0);
    sqlx::query("UPDATE compute_places SET trouble_since = trouble_since - interval '6 minutes' WHERE id = 'cluster'")
        .execute(&pool)
        .await
        .unwrap();
    for _ in 0..2 {
        app.run_tasks().await;
        assert_eq!(
            told().await,
            2,
            "admins and operators of the cluster, once each"
        );
    }
    let page = app.browser("admin").await.get("/en/notices").await.unwrap();
    assert!(
        page.text.contains("Compute place cluster does not answer"),
        "{}",
        page.text
    );
    assert!(
        page.text.contains("href=\"/en/admin/places\""),
        "{}",
        page.text
    );
}

#[actix_web::test]
async fn one_worker_at_a_time_reads_the_logs_of_a_place_and_another_takes_over() {
    let app = TestApp::without_worker(&[]).await;
    app.run_tasks().await;
    let pool = app.pool().await;
    let held = sqlx::query(
        "UPDATE compute_places SET logs_by = gen_random_uuid(), logs_until = now() + interval '1 hour'",
    )
    .execute(&pool)
    .await
    .unwrap();
    assert_eq!(held.rows_affected(), 1);
    let (stop, ends) = app.work_until_ended();
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let done = given::approved_job(&app, base, data.version, 1).await;
    given::job_until(&app, done, given::is_over).await;
    stop.cancel();
    ends.await.unwrap();
    app.run_tasks().await;
    let logs = async || -> Vec<bool> {
        sqlx::query_scalar(
            "SELECT l.is_closed AND a.log_closed_at IS NOT NULL FROM attempt_logs l
             JOIN attempts a ON a.id = l.attempt_id",
        )
        .fetch_all(&pool)
        .await
        .unwrap()
    };
    assert!(logs().await.is_empty(), "another worker has the turn");
    sqlx::query("UPDATE compute_places SET logs_until = now() - interval '1 second'")
        .execute(&pool)
        .await
        .unwrap();
    app.run_tasks().await;
    assert_eq!(logs().await, [true]);
    let text = app
        .browser(WHO)
        .await
        .get(&format!("/en/jobs/{done}/log.txt"))
        .await
        .unwrap();
    assert!(text.text.contains("\"level\""), "{}", text.text);
}
