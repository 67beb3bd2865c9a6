//! The portal's jobs on a real Slurm, which the test starts with `scripts/slurm-up`.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestApp, given};

/// A Slurm of one machine; stopped when dropped.
struct Cluster(tempfile::TempDir);

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("scripts")
        .join(name)
}

/// A port such that it and the next 40 are free, other than those that the tests of the compute crate begin with. Each
/// test of a process begins to look at a place of its own, so that two do not find the same.
fn free_ports() -> u16 {
    static TESTS: AtomicU32 = AtomicU32::new(0);
    let test = TESTS.fetch_add(1, Ordering::Relaxed);
    let seed = std::process::id() + test * 67;
    (0..200_u32)
        .map(|n| u16::try_from(20_000 + (seed % 200 + n * 37) % 200 * 50).unwrap())
        .find(|port| (*port..port + 40).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()))
        .unwrap()
}

impl Cluster {
    fn start() -> Self {
        let room = tempfile::Builder::new()
            .prefix("vf-slurm")
            .tempdir_in("/tmp")
            .unwrap();
        fs::set_permissions(room.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(room.path().join("shared")).unwrap();
        let cluster = Self(room);
        let log = fs::File::create(cluster.path("up.log")).unwrap();
        let status = Command::new(script("slurm-up"))
            .arg(cluster.path("slurm"))
            .arg(free_ports().to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .status()
            .unwrap();
        let told = fs::read_to_string(cluster.path("up.log")).unwrap();
        assert!(
            status.success(),
            "Slurm does not start (scripts/install-missing test installs it): {told}"
        );
        cluster
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn slurm(&self, program: &str, args: &[&str]) -> String {
        let output = Command::new(program)
            .args(args)
            .env("SLURM_CONF", self.path("slurm/slurm.conf"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{program} {args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Settings with this cluster as the only place, in `partition`.
    fn settings(&self, partition: &str) -> PathBuf {
        let file = self.path(&format!("{partition}.toml"));
        let text = format!(
            "[[compute.places]]\nname = \"cluster\"\nkind = \"slurm\"\nslots = 4\nlongest_seconds = 3000\nstate_dir = {:?}\nprogram = {:?}\n\
             milli_sbu_per_core_hour = 1000\n\
             [compute.places.slurm]\ntransport = \"cli\"\npartition = \"{partition}\"\nslurm_conf = {:?}\n",
            self.path("shared"),
            TestApp::programs().join("faculty-training"),
            self.path("slurm/slurm.conf"),
        );
        fs::write(&file, text).unwrap();
        file
    }

    async fn portal(&self, partition: &str) -> TestApp {
        let settings = self.settings(partition);
        let app = TestApp::without_worker(&[("FACULTY_CONFIG", settings.to_str().unwrap())]).await;
        app.work();
        app
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new(script("slurm-down"))
            .arg(self.path("slurm"))
            .status();
    }
}

async fn approved(app: &TestApp, wanted: Value) -> Uuid {
    let requested = app
        .browser("researcher.harderwijk")
        .await
        .api(Method::POST, "/api/v1/jobs", Some(wanted))
        .await
        .unwrap();
    let job: Uuid = requested["id"].as_str().unwrap().parse().unwrap();
    app.browser("operator")
        .await
        .api(Method::POST, &format!("/api/v1/jobs/{job}/approve"), None)
        .await
        .unwrap();
    job
}

fn is_running(state: &Value) -> bool {
    state["progress"]["step"].as_u64().unwrap_or(0) > 0
}

#[actix_web::test]
async fn a_job_runs_on_slurm_as_it_does_here() {
    let cluster = Cluster::start();
    let app = cluster.portal("normal").await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let job = approved(&app, given::job(base, data.version, 3)).await;
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    let attempt = &state["attempts"][0];
    assert_eq!(attempt["backend"], "cluster", "{state:#}");
    assert!(attempt["told"]["native_id"].is_string(), "{state:#}");
    assert!(state["used"]["seconds"].as_u64().unwrap() >= 1, "{state:#}");
    assert_eq!(state["estimate"]["place"], "cluster", "{state:#}");
    assert!(state["model"]["name"].is_string(), "{state:#}");
    // Once is once, on the cluster too: whatever ran carries the attempt's name.
    let named = cluster.slurm("squeue", &["-h", "-t", "all", "-o", "%j"]);
    let name = format!("vf-{}", attempt["id"].as_str().unwrap());
    assert_eq!(
        named.lines().filter(|line| *line == name).count(),
        1,
        "{named}"
    );
}

#[actix_web::test]
async fn a_job_on_slurm_is_cancelled_and_stopped_at_its_time_limit() {
    let cluster = Cluster::start();
    let app = cluster.portal("normal").await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset_of(&app, &given::corpus(4000)).await;
    let long = given::job(base, data.version, 1000);
    let job = approved(&app, long.clone()).await;
    given::job_until(&app, job, is_running).await;
    app.browser("researcher.harderwijk")
        .await
        .api(Method::POST, &format!("/api/v1/jobs/{job}/cancel"), None)
        .await
        .unwrap();
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "cancelled", "{state:#}");
    let mut left = cluster.slurm("squeue", &["-h", "-o", "%j %T"]);
    for _ in 0..100 {
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        left = cluster.slurm("squeue", &["-h", "-o", "%j %T"]);
    }
    assert_eq!(left, "", "nothing of it is left on the cluster");
    let mut limited = long;
    limited["time_limit_seconds"] = json!(60);
    let job = approved(&app, limited).await;
    // It was warned before, and put down what it had learnt: whoever asked for it may let it go on.
    let has_ended = |state: &Value| given::is_over(state) || state["status"] == "paused";
    let state = given::job_until(&app, job, has_ended).await;
    assert_eq!(state["status"], "paused", "{state:#}");
    assert_eq!(state["status_code"], "exit_124", "{state:#}");
    assert_eq!(state["attempts"].as_array().unwrap().len(), 1, "{state:#}");
    let used = state["used"]["seconds"].as_u64().unwrap();
    assert!((59..=95).contains(&used), "{state:#}");
}

#[actix_web::test]
async fn a_submission_that_slurm_refuses_ends_the_job_with_its_reason() {
    let cluster = Cluster::start();
    let app = cluster.portal("nowhere").await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let job = approved(&app, given::job(base, data.version, 1)).await;
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "failed", "{state:#}");
    assert_eq!(state["status_code"], "not_started", "{state:#}");
    let said = state["status_message"].as_str().unwrap();
    assert!(said.contains("partition"), "{said}");
    assert_eq!(state["used"]["seconds"], 0, "{state:#}");
}
