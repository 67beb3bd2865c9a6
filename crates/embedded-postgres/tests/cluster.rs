#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]
//! Against the real PostgreSQL of this machine.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use embedded_postgres::{Cluster, Config, StartError, start};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;

/// Set for the copy of this test program that plays an owner about to be killed.
const OWNER_OF: &str = "TEST_OWNER_OF_CLUSTER";

/// A folder that the user `postgres` can reach.
fn room() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn config(data_dir: PathBuf) -> Config {
    Config {
        durable: false,
        ..Config::new(data_dir, "faculty")
    }
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

async fn count(cluster: &Cluster) -> i64 {
    let mut connection = connect(cluster.url()).await;
    sqlx::query_scalar("SELECT count(*) FROM stored")
        .fetch_one(&mut connection)
        .await
        .unwrap()
}

async fn store_thousand(cluster: &Cluster) {
    let mut connection = connect(cluster.url()).await;
    connection
        .execute("CREATE TABLE stored AS SELECT generate_series(1, 1000) AS n")
        .await
        .unwrap();
}

fn kill_hard(pid: u32) {
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn a_new_cluster_keeps_its_data_over_a_restart() {
    let room = room();
    let settings = config(room.path().join("postgres"));
    let cluster = start(settings.clone()).await.unwrap();
    store_thousand(&cluster).await;
    let pid = cluster.pid();
    cluster.stop().await.unwrap();
    assert!(
        !Path::new(&format!("/proc/{pid}")).exists(),
        "stopped means gone"
    );
    let cluster = start(settings).await.unwrap();
    assert_ne!(cluster.pid(), pid);
    assert_eq!(count(&cluster).await, 1000);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn the_cluster_is_utf8_with_checksums_and_asks_for_the_password() {
    let room = room();
    let cluster = start(config(room.path().join("postgres"))).await.unwrap();
    let mut connection = connect(cluster.url()).await;
    for (setting, expected) in [
        ("server_encoding", "UTF8"),
        ("data_checksums", "on"),
        ("password_encryption", "scram-sha-256"),
        ("listen_addresses", "127.0.0.1"),
    ] {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(value, expected, "{setting}");
    }
    let (before, host) = cluster.url().split_once('@').unwrap();
    let (_, password) = before.rsplit_once(':').unwrap();
    let wrong = cluster.url().replace(password, "guess");
    assert!(PgConnection::connect(&wrong).await.is_err());
    let nothing = format!("postgres://faculty@{host}");
    assert!(PgConnection::connect(&nothing).await.is_err());

    let file = room.path().join("postgres/password");
    assert_eq!(fs::read_to_string(&file).unwrap().trim(), password);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(
        mode & 0o777,
        0o600,
        "nobody else may read it, found {mode:o}"
    );
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn the_server_has_no_root_rights() {
    let room = room();
    let cluster = start(config(room.path().join("postgres"))).await.unwrap();
    let uid = fs::metadata(format!("/proc/{}", cluster.pid()))
        .unwrap()
        .uid();
    assert_ne!(uid, 0);
    if !geteuid().is_root() {
        assert_eq!(uid, geteuid().as_raw());
    }
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_server_recovers_all_that_was_committed() {
    let room = room();
    let settings = Config {
        durable: true,
        ..config(room.path().join("postgres"))
    };
    let cluster = start(settings.clone()).await.unwrap();
    store_thousand(&cluster).await;
    // This session's process outlives the server for a moment and holds its shared memory.
    let _idle = connect(cluster.url()).await;
    kill_hard(cluster.pid());
    cluster.stop().await.unwrap();
    let cluster = start(settings).await.unwrap();
    assert_eq!(count(&cluster).await, 1000);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn two_clusters_run_at_once_without_seeing_each_other() {
    let room = room();
    let (one, two) = tokio::join!(
        start(config(room.path().join("one"))),
        start(config(room.path().join("two")))
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    store_thousand(&one).await;
    let mut connection = connect(two.url()).await;
    let stored: Option<String> = sqlx::query_scalar("SELECT to_regclass('stored')::text")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(stored, None);
    one.stop().await.unwrap();
    assert!(two.is_running());
    two.stop().await.unwrap();
}

#[tokio::test]
async fn a_cluster_has_one_owner_at_a_time() {
    let room = room();
    let settings = config(room.path().join("postgres"));
    let cluster = start(settings.clone()).await.unwrap();
    let error = start(settings).await.unwrap_err();
    assert!(matches!(error, StartError::InUse(_)), "{error}");
    assert!(cluster.is_running());
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_named_and_another_database_is_made_where_missing() {
    let room = room();
    let mut settings = config(room.path().join("postgres"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    settings.port = Some(port);
    let error = start(settings.clone()).await.unwrap_err();
    assert!(
        matches!(error, StartError::PortTaken(found) if found == port),
        "{error}"
    );
    drop(taken);
    settings.database = "second_one".to_owned();
    let cluster = start(settings).await.unwrap();
    assert!(
        cluster
            .url()
            .ends_with(&format!("@127.0.0.1:{port}/second_one"))
    );
    connect(cluster.url()).await;
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_lost_password_or_a_foreign_version_is_refused_and_nothing_is_made_anew() {
    let room = room();
    let data_dir = room.path().join("postgres");
    let settings = config(data_dir.clone());
    let cluster = start(settings.clone()).await.unwrap();
    store_thousand(&cluster).await;
    cluster.stop().await.unwrap();

    let version = data_dir.join("cluster/PG_VERSION");
    let own = fs::read(&version).unwrap();
    fs::write(&version, "9\n").unwrap();
    let error = start(settings.clone()).await.unwrap_err().to_string();
    assert!(error.contains("belongs to PostgreSQL 9"), "{error}");
    fs::write(&version, own).unwrap();

    let (password, aside) = (data_dir.join("password"), data_dir.join("aside"));
    fs::rename(&password, &aside).unwrap();
    let error = start(settings.clone()).await.unwrap_err();
    assert!(matches!(error, StartError::PasswordLost(_)), "{error}");
    fs::rename(&aside, &password).unwrap();

    let cluster = start(settings).await.unwrap();
    assert_eq!(count(&cluster).await, 1000);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_pid_file_whose_pid_was_given_to_somebody_else_does_not_stop_us() {
    let room = room();
    let data_dir = room.path().join("postgres");
    let settings = config(data_dir.clone());
    let cluster = start(settings.clone()).await.unwrap();
    let file = data_dir.join("cluster/postmaster.pid");
    let text = fs::read_to_string(&file).unwrap();
    let pid = cluster.pid().to_string();
    cluster.stop().await.unwrap();
    fs::write(&file, text.replace(&pid, &std::process::id().to_string())).unwrap();
    let cluster = start(settings).await.unwrap();
    assert_ne!(cluster.pid(), std::process::id());
    cluster.stop().await.unwrap();
}

/// Not a claim of its own: the owner that the next tests kill. Does nothing in an ordinary run.
#[tokio::test]
async fn an_owner_that_waits_to_be_killed() {
    let Some(data_dir) = std::env::var_os(OWNER_OF) else {
        return;
    };
    let cluster = start(config(data_dir.into())).await.unwrap();
    store_thousand(&cluster).await;
    eprintln!("running as {}", cluster.pid());
    std::future::pending::<()>().await;
}

/// Starts a cluster in another process and kills that process; answers the pid of the server that is left.
fn leave_behind(data_dir: &Path) -> u32 {
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["an_owner_that_waits_to_be_killed", "--exact", "--nocapture"])
        .env(OWNER_OF, data_dir)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let server = BufReader::new(owner.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .find_map(|line| line.strip_prefix("running as ")?.parse().ok())
        .unwrap();
    kill_hard(owner.id());
    owner.wait().unwrap();
    server
}

#[tokio::test]
async fn a_server_whose_owner_was_killed_is_taken_over() {
    let room = room();
    let data_dir = room.path().join("postgres");
    let server = leave_behind(&data_dir);
    let cluster = start(config(data_dir)).await.unwrap();
    assert_eq!(cluster.pid(), server, "the same server goes on");
    assert_eq!(count(&cluster).await, 1000);
    cluster.stop().await.unwrap();
    assert!(!Path::new(&format!("/proc/{server}/cwd")).exists());
}

#[tokio::test]
async fn a_left_server_with_other_settings_is_restarted() {
    let room = room();
    let data_dir = room.path().join("postgres");
    let server = leave_behind(&data_dir);
    let settings = Config {
        durable: true,
        ..config(data_dir)
    };
    let cluster = start(settings).await.unwrap();
    assert_ne!(cluster.pid(), server);
    let mut connection = connect(cluster.url()).await;
    let fsync: String = sqlx::query_scalar("SHOW fsync")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(fsync, "on");
    assert_eq!(count(&cluster).await, 1000);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_that_the_server_cannot_enter_has_a_stand_in() {
    // Ours alone: for root's server user this is closed, for an ordinary user it is not.
    let room = tempfile::tempdir().unwrap();
    fs::set_permissions(room.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let data_dir = room.path().join("postgres");
    let settings = config(data_dir.clone());
    let cluster = start(settings.clone()).await.unwrap();
    store_thousand(&cluster).await;
    cluster.stop().await.unwrap();
    let cluster = start(settings.clone()).await.unwrap();
    assert_eq!(count(&cluster).await, 1000, "the stand-in is found again");
    cluster.stop().await.unwrap();
    if !geteuid().is_root() {
        assert!(data_dir.join("cluster").is_dir());
        return;
    }
    let note = fs::read_to_string(data_dir.join("elsewhere")).unwrap();
    let stand_in = PathBuf::from(note.trim());
    assert!(stand_in.join("cluster/PG_VERSION").is_file());

    // An emptied data folder means a new beginning; the old files are set aside, not mixed in.
    fs::remove_dir_all(&data_dir).unwrap();
    let cluster = start(settings).await.unwrap();
    let mut connection = connect(cluster.url()).await;
    let stored: Option<String> = sqlx::query_scalar("SELECT to_regclass('stored')::text")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(stored, None);
    cluster.stop().await.unwrap();
    let aside = stand_in.with_extension("old");
    assert!(aside.join("cluster/PG_VERSION").is_file());
    fs::remove_dir_all(stand_in).unwrap();
    fs::remove_dir_all(aside).unwrap();
}
