//! The parts of the demonstration: what runs inside this process, what beside it, and keeping that up.

use std::{collections::BTreeMap, path::PathBuf, process::Stdio, time::Duration};

use anyhow::Context as _;
use serde_json::json;
use tokio::{
    process::{Child, Command},
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{
    record::Record,
    setup::{Folder, Kept},
};
use crate::{app::Ports, audit, config::Config};

/// Addresses and the environment that every part is started with.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) url: String,
    issuer: String,
    s3_endpoint: String,
    database_url: String,
    /// For `faculty migrate` and whoever looks after the database; no part that serves is told it.
    database_owner_url: String,
    serving_address: String,
    kept: Kept,
    environment: BTreeMap<String, String>,
}

/// Everything that was started.
pub(super) struct Parts {
    postgres: Option<embedded_postgres::Cluster>,
    s3: Option<embedded_s3::Server>,
    provider: Option<demo_idp::Provider>,
    supervised: Option<Supervised>,
}

/// The processes beside this one.
pub(super) struct Supervised {
    pub(super) settings: Settings,
    postgres_pid: u32,
    children: Mutex<Vec<Beside>>,
}

/// One process beside this one.
struct Beside {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    child: Child,
    started: Instant,
}

/// As whom portal and worker connect: it owns no table.
const DATABASE_ROLE: &str = "faculty_app";
const S3_ACCESS_KEY: &str = "faculty-demo";
const REGION: &str = "eu-west-1";

impl Parts {
    #[expect(clippy::print_stdout, reason = "says what starts")]
    pub(super) async fn start(folder: &Folder, port: u16) -> anyhow::Result<Self> {
        let kept = folder.kept(port)?;
        let url = format!("http://127.0.0.1:{port}");
        println!(
            "  database            postgres on port {}",
            kept.postgres_port
        );
        let mut postgres = embedded_postgres::Config::new(folder.join("postgres"), "faculty");
        postgres.port = Some(kept.postgres_port);
        let postgres = embedded_postgres::start(postgres)
            .await
            .context("the database")?;
        println!(
            "  object store        in this process, port {}",
            kept.s3_port
        );
        let s3 = embedded_s3::start(embedded_s3::Config {
            data_dir: folder.join("objects"),
            bind: ([127, 0, 0, 1], kept.s3_port).into(),
            region: REGION.into(),
            access_key: S3_ACCESS_KEY.into(),
            secret_key: kept.s3_secret.clone(),
            cors_default_origins: vec![url.clone()],
        })
        .await
        .context("the object store")?;
        println!(
            "  identity provider   in this process, port {}",
            kept.issuer_port
        );
        let provider = demo_idp::start(demo_idp::Config {
            bind: ([127, 0, 0, 1], kept.issuer_port).into(),
            data_dir: folder.join("identity-provider"),
            client_id: "faculty".into(),
            client_secret: kept.client_secret.clone(),
            redirect_uris: vec![format!("{url}/auth/callback")],
            people: super::provider_people(),
        })
        .await
        .context("the identity provider")?;
        let application_url = postgres
            .role(DATABASE_ROLE)
            .await
            .context("the database's role")?;
        let database = (application_url.as_str(), postgres.url());
        let settings = Settings::new(folder, port, url, &kept, database, &provider, &s3);
        migrate(&settings).await.context("the database's schema")?;
        let supervised = Supervised::start(folder, settings, postgres.pid())?;
        Ok(Self {
            postgres: Some(postgres),
            s3: Some(s3),
            provider: Some(provider),
            supervised: Some(supervised),
        })
    }

    #[expect(
        clippy::expect_used,
        reason = "there from start until stop, which takes self by the same owner"
    )]
    pub(super) fn supervise(&self) -> &Supervised {
        self.supervised.as_ref().expect("the parts are running")
    }

    /// Stops everything, the outermost first.
    pub(super) async fn stop(&mut self, folder: &Folder) {
        let mut settings = None;
        if let Some(supervised) = self.supervised.take() {
            settings = Some(supervised.settings.clone());
            supervised.stop().await;
        }
        stop_jobs(&folder.join("jobs")).await;
        if let Some(settings) = settings
            && let Err(error) = sign_the_log(&settings).await
        {
            tracing::warn!(%error, "the last lines of the audit log were not signed; the next start does it");
        }
        if let Some(provider) = self.provider.take() {
            provider.stop().await;
        }
        if let Some(s3) = self.s3.take() {
            s3.stop().await;
        }
        if let Some(postgres) = self.postgres.take()
            && let Err(error) = postgres.stop().await
        {
            tracing::warn!(%error, "the database did not stop cleanly");
        }
    }
}

impl Settings {
    fn new(
        folder: &Folder,
        port: u16,
        url: String,
        kept: &Kept,
        (database_url, database_owner_url): (&str, &str),
        provider: &demo_idp::Provider,
        s3: &embedded_s3::Server,
    ) -> Self {
        let issuer = provider.issuer().to_owned();
        let s3_endpoint = s3.endpoint();
        let serving_address = format!("http://127.0.0.1:{}", kept.serving_port);
        let pairs = [
            ("FACULTY_PUBLIC_URL", url.clone()),
            ("FACULTY_BIND", format!("127.0.0.1:{port}")),
            ("FACULTY_DEMO", "true".into()),
            // Nobody stands before it who has to hear that it leaves.
            ("FACULTY_GATEWAY__ANNOUNCE_SECONDS", "0".into()),
            ("FACULTY_SECRET", kept.secret.clone()),
            ("FACULTY_SIGNING_KEY", kept.signing_key.clone()),
            ("FACULTY_DATABASE__URL", database_url.to_owned()),
            ("FACULTY_OIDC__ISSUER", issuer.clone()),
            ("FACULTY_OIDC__CLIENT_ID", "faculty".into()),
            ("FACULTY_OIDC__CLIENT_SECRET", kept.client_secret.clone()),
            ("FACULTY_S3__ENDPOINT", s3_endpoint.clone()),
            ("FACULTY_S3__BUCKET", "faculty".into()),
            ("FACULTY_S3__REGION", REGION.into()),
            ("FACULTY_S3__ACCESS_KEY", S3_ACCESS_KEY.into()),
            ("FACULTY_S3__SECRET_KEY", kept.s3_secret.clone()),
            // The model is measured while people look around; all items would take the machine for long.
            ("FACULTY_EVALUATION__MOST_ITEMS", "10".into()),
            ("FACULTY_SERVING__TOKEN", kept.serving_token.clone()),
            (
                "FACULTY_TRAINING__STATE_DIR",
                folder.join("jobs").display().to_string(),
            ),
            (
                "FACULTY_MAIL__FOLDER",
                folder.join("mail").display().to_string(),
            ),
            // For the serving and training programs.
            ("FACULTY_SERVING_TOKEN", kept.serving_token.clone()),
            ("FACULTY_CACHE", folder.join("cache").display().to_string()),
        ];
        Self {
            url,
            issuer,
            s3_endpoint,
            database_url: database_url.to_owned(),
            database_owner_url: database_owner_url.to_owned(),
            serving_address,
            kept: kept.clone(),
            environment: pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }
}

/// Brings the schema up to this version as its owner, before anything serves.
async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    let mut environment = settings.environment.clone();
    environment.insert(
        "FACULTY_DATABASE__MIGRATION_URL".into(),
        settings.database_owner_url.clone(),
    );
    Ok(read_ports(environment)?.db.migrate().await?)
}

/// Signs a checkpoint over what happened since the last one, so that nothing is left unproven.
async fn sign_the_log(settings: &Settings) -> anyhow::Result<()> {
    let log = ports(settings)?.audit_log();
    audit::sign(&log, audit::When::Behind).await?;
    Ok(())
}

/// The portal's ports with these settings, for what is done from here: seeding.
pub(super) fn ports(settings: &Settings) -> anyhow::Result<Ports> {
    read_ports(settings.environment.clone())
}

fn read_ports(environment: BTreeMap<String, String>) -> anyhow::Result<Ports> {
    let config = Config::read(environment.into_iter())?;
    let problems = config.problems();
    anyhow::ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ports::new(config)
}

impl Supervised {
    #[expect(clippy::print_stdout, reason = "says what starts")]
    fn start(folder: &Folder, settings: Settings, postgres_pid: u32) -> anyhow::Result<Self> {
        let own = std::env::current_exe()?;
        let serving = own.with_file_name("faculty-serving");
        anyhow::ensure!(
            serving.exists() && own.with_file_name("faculty-training").exists(),
            "faculty-serving and faculty-training must lie beside {}: build with `cargo build --release --workspace`",
            own.display()
        );
        let serving_bind = settings
            .serving_address
            .trim_start_matches("http://")
            .to_owned();
        let plan: [(&'static str, PathBuf, Vec<String>, &str); 3] = [
            (
                "portal",
                own.clone(),
                vec!["serve".into()],
                "pages, API and gateway",
            ),
            (
                "worker",
                own,
                vec!["worker".into()],
                "verification, dispatch, follow-up",
            ),
            (
                "serving",
                serving,
                vec![
                    "serve".into(),
                    "--portal".into(),
                    settings.url.clone(),
                    "--bind".into(),
                    serving_bind,
                ],
                "answers of models",
            ),
        ];
        let logs = folder.join("logs");
        std::fs::create_dir_all(&logs)?;
        let mut children = Vec::new();
        for (name, program, arguments, what) in plan {
            let log = logs.join(format!("{name}.log"));
            println!("  {name:<19} {what}; log in {}", log.display());
            let child = spawn(&settings, &program, &arguments, &log)?;
            children.push(Beside {
                name,
                program,
                arguments,
                log,
                child,
                started: Instant::now(),
            });
        }
        Ok(Self {
            settings,
            postgres_pid,
            children: Mutex::new(children),
        })
    }

    /// Resolves once the portal says that it is ready.
    pub(super) async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .build()?;
        let begun = Instant::now();
        let mut last = String::from("no answer");
        while begun.elapsed() < Duration::from_secs(60) {
            match client
                .get(format!("{}/readyz", self.settings.url))
                .send()
                .await
            {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => last = answer.text().await.unwrap_or_default(),
                Err(error) => last = error.to_string(),
            }
            sleep(Duration::from_millis(200)).await;
        }
        anyhow::bail!("the portal did not become ready within a minute: {last}")
    }

    /// Starts again what ended without being asked to, and keeps `demo.json`'s pids true. Ends only where a
    /// part ends again and again.
    pub(super) async fn watch(&self, folder: &Folder) -> anyhow::Result<()> {
        let mut quick_ends: BTreeMap<&'static str, u32> = BTreeMap::new();
        loop {
            sleep(Duration::from_millis(250)).await;
            let mut has_changed = false;
            for part in self.children.lock().await.iter_mut() {
                let Some(status) = part.child.try_wait()? else {
                    continue;
                };
                let ends = quick_ends.entry(part.name).or_default();
                *ends = if part.started.elapsed() < Duration::from_secs(5) {
                    *ends + 1
                } else {
                    0
                };
                anyhow::ensure!(
                    *ends < 5,
                    "the {} ends at once again and again ({status}); see {}",
                    part.name,
                    part.log.display()
                );
                tracing::warn!(part = part.name, %status, "ended; starting it again");
                part.child = spawn(&self.settings, &part.program, &part.arguments, &part.log)?;
                part.started = Instant::now();
                has_changed = true;
            }
            if has_changed {
                self.refresh_pids(folder).await?;
            }
        }
    }

    /// The first facts of `demo.json`.
    pub(super) fn record(&self, folder: &Folder) -> Record {
        let settings = &self.settings;
        let mut record = Record::at(folder.join("demo.json"));
        let facts = [
            ("url", json!(settings.url)),
            ("openai_base_url", json!(format!("{}/v1", settings.url))),
            ("issuer", json!(settings.issuer)),
            ("base_model", json!(super::BASE_MODEL)),
            ("database_url", json!(settings.database_url)),
            ("database_owner_url", json!(settings.database_owner_url)),
            (
                "s3",
                json!({
                    "endpoint": settings.s3_endpoint,
                    "bucket": "faculty",
                    "region": REGION,
                    "access_key": S3_ACCESS_KEY,
                    "secret_key": settings.kept.s3_secret,
                }),
            ),
            ("pids", self.pids_now()),
        ];
        for (key, value) in facts {
            record.set(key, value);
        }
        record
    }

    fn pids_now(&self) -> serde_json::Value {
        let mut pids = serde_json::Map::new();
        pids.insert("demo".into(), std::process::id().into());
        pids.insert("postgres".into(), self.postgres_pid.into());
        if let Ok(children) = self.children.try_lock() {
            for part in children.iter() {
                pids.insert(part.name.into(), part.child.id().into());
            }
        }
        pids.into()
    }

    async fn refresh_pids(&self, folder: &Folder) -> anyhow::Result<()> {
        let path = folder.join("demo.json");
        let Ok(text) = tokio::fs::read_to_string(&path).await else {
            return Ok(());
        };
        let mut facts: serde_json::Value = serde_json::from_str(&text)?;
        if let Some(facts) = facts.as_object_mut() {
            facts.insert("pids".into(), self.pids_now());
        }
        super::setup::write_private(&path, &serde_json::to_vec_pretty(&facts)?)
    }

    /// Asks every process to stop, and waits; what does not listen is killed.
    async fn stop(self) {
        let mut children = self.children.into_inner();
        for part in children.iter_mut().rev() {
            if let Some(pid) = part.child.id().and_then(|pid| i32::try_from(pid).ok()) {
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid),
                    nix::sys::signal::Signal::SIGTERM,
                );
            }
        }
        for part in &mut children {
            if tokio::time::timeout(Duration::from_secs(25), part.child.wait())
                .await
                .is_err()
            {
                let _ = part.child.kill().await;
            }
        }
    }
}

/// Ends the programs of jobs, which outlive the worker that started them; the next start finds their jobs
/// unfinished and starts them again.
async fn stop_jobs(state_dir: &std::path::Path) {
    use compute::ComputeBackend as _;
    let backend = compute::Local::new(state_dir);
    let Ok(entries) = std::fs::read_dir(state_dir) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if uuid::Uuid::try_parse(&name).is_err() {
            continue;
        }
        if let Err(error) = backend.cancel(&compute::Handle(name)).await {
            tracing::warn!(%error, "the program of a job did not stop");
        }
    }
}

/// Starts a process that is told to stop when this one is gone, however that happens.
fn spawn(
    settings: &Settings,
    program: &std::path::Path,
    arguments: &[String],
    log: &std::path::Path,
) -> anyhow::Result<Child> {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)?;
    Command::new("setpriv")
        .args(["--pdeathsig", "TERM", "--"])
        .arg(program)
        .args(arguments)
        .envs(&settings.environment)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| program.display().to_string())
}
