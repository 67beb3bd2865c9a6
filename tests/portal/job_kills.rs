//! One long job, hit again and again in every place: it ends as one that was left alone, charged once an attempt, with
//! one whole curve.

use std::{
    str::FromStr as _,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rand::seq::SliceRandom as _;
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};

use crate::{
    job_resume::{curve, job},
    kills::pids,
    support::{Line, OwnPostgres, Program, TestApp, given, portal_is_up},
};

const VICTIMS: [&str; 5] = ["trainer", "database", "store", "worker", "portal"];

/// How many hits, of which job, how long it runs between two of them, and how long database and store are away.
struct Size {
    hits: usize,
    chats: usize,
    epochs: u32,
    between: Duration,
    away: Duration,
}

impl Size {
    fn here() -> Self {
        let is_deep = std::env::var("FACULTY_TEST_DEEP").is_ok();
        let (hits, chats, epochs) = if is_deep {
            (20, 160, 1000)
        } else {
            (5, 24, 300)
        };
        Self {
            hits,
            chats,
            epochs,
            between: Duration::from_millis(2500),
            away: Duration::from_secs(if is_deep { 60 } else { 4 }),
        }
    }

    /// For a machine on which the job takes so long by itself: it must not end before the last hit.
    fn fitting(self, alone: Duration) -> Self {
        Self {
            between: self.between.min(alone / 16),
            // Only the short form is hit while it goes on without database or store.
            away: if self.hits > 5 {
                self.away
            } else {
                self.away.min(alone / 12)
            },
            ..self
        }
    }
}

/// Whom each hit is for, in an order drawn by chance in which each comes at least once.
fn drawn(hits: usize) -> Vec<&'static str> {
    let mut victims: Vec<&str> = VICTIMS.into_iter().cycle().take(hits).collect();
    victims.shuffle(&mut rand::rng());
    // Shown where the test fails.
    eprintln!("the victims in order: {victims:?}");
    victims
}

/// A connection past the portal's database, to shut it.
async fn beside(app: &TestApp) -> (PgConnection, String) {
    let options = PgConnectOptions::from_str(&app.owner_url).unwrap();
    let name = options.get_database().unwrap().to_owned();
    let other = PgConnection::connect_with(&options.database("postgres"))
        .await
        .unwrap();
    (other, name)
}

/// Nobody gets into the portal's database, and who was in is put out, as when Postgres is stopped.
pub(crate) async fn without_database(app: &TestApp, away: Duration) {
    let (mut conn, name) = beside(app).await;
    let allow = |yes: bool| format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS {yes}");
    sqlx::query(sqlx::AssertSqlSafe(allow(false)))
        .execute(&mut conn)
        .await
        .unwrap();
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1")
        .bind(&name)
        .execute(&mut conn)
        .await
        .unwrap();
    tokio::time::sleep(away).await;
    sqlx::query(sqlx::AssertSqlSafe(allow(true)))
        .execute(&mut conn)
        .await
        .unwrap();
}

/// Half an hour, for the long form.
async fn succeeded(app: &TestApp, job: uuid::Uuid) -> serde_json::Value {
    let state = given::job_within(app, job, 30, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    state
}

#[actix_web::test]
async fn a_job_that_is_hit_everywhere_ends_as_one_that_was_left_alone() {
    let size = Size::here();
    let folder = tempfile::tempdir().unwrap();
    let store = embedded_s3::start(embedded_s3::Config {
        data_dir: folder.path().to_owned(),
        bind: ([127, 0, 0, 1], 0).into(),
        region: "eu-west-1".into(),
        access_key: "tests".into(),
        secret_key: "a-secret-of-the-tests-only".into(),
        cors_default_origins: Vec::new(),
    })
    .await
    .unwrap();
    let line = Line::to(store.endpoint().trim_start_matches("http://").to_owned()).await;
    let postgres = OwnPostgres::start();
    let app = TestApp::on_server(
        postgres.url(),
        &[
            ("FACULTY_S3__ENDPOINT", &format!("http://{}", line.address)),
            ("FACULTY_TRAINING__CHECKPOINT_SECONDS", "1"),
            ("FACULTY_TRAINING__RETRY_SECONDS", "1"),
            ("FACULTY_TRAINING__LOST_AFTER_SECONDS", "5"),
            // Two in a row may hit before it gets any further.
            ("FACULTY_TRAINING__MAX_ATTEMPTS", "10"),
        ],
    )
    .await;
    app.stop_serving().await;
    let mut portal = Program::start(&app, "faculty", &["serve"]);
    let mut worker = Program::start(&app, "faculty", &["worker"]);
    portal_is_up(&app).await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset_of(&app, &given::corpus(size.chats)).await;
    let begun = Instant::now();
    let whole = job(&app, base, data.version, size.epochs).await;
    let left_alone = succeeded(&app, whole).await;
    let size = size.fitting(begun.elapsed());

    let hit = job(&app, base, data.version, size.epochs).await;
    for victim in drawn(size.hits) {
        let running = |state: &serde_json::Value| {
            assert!(
                !given::is_over(state),
                "it ended before the last hit: {state:#}"
            );
            state["status"] == "running"
        };
        given::job_until(&app, hit, running).await;
        tokio::time::sleep(size.between.mul_f64(rand::random_range(0.1..1.0))).await;
        match victim {
            "portal" => {
                portal.kill();
                portal = Program::start(&app, "faculty", &["serve"]);
            }
            "worker" => {
                worker.kill();
                worker = Program::start(&app, "faculty", &["worker"]);
            }
            "database" => {
                postgres.kill();
                tokio::time::sleep(size.away).await;
                postgres.start_again();
            }
            "store" => {
                line.cut();
                tokio::time::sleep(size.away).await;
                line.mend();
            }
            _ => {
                for pid in pids(&app, "faculty-training") {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
            }
        }
        portal_is_up(&app).await;
    }
    let state = succeeded(&app, hit).await;
    let loss = |state: &serde_json::Value| state["result"]["held_out_loss_after"].as_f64().unwrap();
    let (one, other) = (loss(&left_alone), loss(&state));
    assert!(
        (one - other).abs() <= one * 0.005,
        "{one} and {other}: {state:#}"
    );
    let points = curve(&app, hit).await;
    let steps: Vec<i64> = points.iter().map(|(step, _)| *step).collect();
    let all: Vec<i64> = (1..=state["result"]["steps"].as_i64().unwrap()).collect();
    assert_eq!(steps, all, "no gap");
    assert_eq!(points, curve(&app, whole).await, "and no other point");
    let (attempts, settled, models): (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM attempts WHERE job_id = $1),
                (SELECT count(*) FROM budget_entries b JOIN attempts a ON a.id = b.attempt_id
                 WHERE a.job_id = $1 AND b.kind = 'settle'),
                (SELECT count(*) FROM models WHERE job_id = $1)",
    )
    .bind(hit)
    .fetch_one(&app.pool().await)
    .await
    .unwrap();
    assert!(attempts > 1, "it was really hit: {state:#}");
    assert_eq!((settled, models), (attempts, 1), "charged once each");
}
