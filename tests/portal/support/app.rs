//! One portal, with everything it stands on.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
};

use actix_web::dev::ServerHandle;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;
use virtual_faculty::{
    app::{self, Ports},
    bootstrap,
    config::Config,
    demo::{self, Browser},
    ids::ModelId,
    signing,
};

use super::database;

/// A portal of one test. Everything goes when it is dropped.
pub(crate) struct TestApp {
    pub(crate) url: Url,
    pub(crate) ports: Arc<Ports>,
    pub(crate) folder: TempDir,
    /// The address of the database for its owner, who can do what the portal cannot.
    pub(crate) owner_url: String,
    /// What `faculty serve` and `faculty worker` need to run beside this one.
    pub(crate) environment: Vec<(String, String)>,
    server: ServerHandle,
    stop: CancellationToken,
    pub(crate) provider: demo_idp::Provider,
    _s3: embedded_s3::Server,
    _database: database::Fresh,
}

const S3_SECRET: &str = "a-secret-of-the-tests-only";

impl TestApp {
    /// Starts one; the demo's institutions and people are in it, and a worker works.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// As [`TestApp::start`], with settings of the test's own (`FACULTY_…` names).
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        let app = Self::without_worker(settings).await;
        app.work();
        app
    }

    /// Starts one in which nothing works in the background.
    pub(crate) async fn without_worker(settings: &[(&str, &str)]) -> Self {
        Self::on_server(database::shared(), settings).await
    }

    /// As [`TestApp::without_worker`], on a Postgres server of the test's own.
    pub(crate) async fn on_server(postgres: String, settings: &[(&str, &str)]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        virtual_faculty::process::start_logging("text");
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let s3 = embedded_s3::start(embedded_s3::Config {
            data_dir: folder.path().join("objects"),
            bind: ([127, 0, 0, 1], 0).into(),
            region: "eu-west-1".into(),
            access_key: "tests".into(),
            secret_key: S3_SECRET.into(),
            cors_default_origins: vec![url.clone()],
        })
        .await
        .unwrap();
        let provider = demo_idp::start(demo_idp::Config {
            bind: ([127, 0, 0, 1], 0).into(),
            // Shared by all tests: making an RSA key takes a while.
            data_dir: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("identity-provider"),
            client_id: "faculty".into(),
            client_secret: "client-secret-of-the-tests".into(),
            redirect_uris: vec![format!("{url}/auth/callback")],
            people: demo::provider_people(),
        })
        .await
        .unwrap();
        let database = database::fresh_on(postgres).await;
        let environment = environment(folder.path(), &url, (&s3, &database), &provider, settings);
        let config = Config::read(environment.iter().cloned()).unwrap();
        assert_eq!(config.problems(), Vec::<String>::new());
        let ports = Arc::new(Ports::new(config).unwrap());
        ports.objects.prepare(&ports.config.origin()).await.unwrap();
        signing::adopt(&ports.db, &ports.signer).await.unwrap();
        demo::seed(&ports).await.unwrap();
        let server = app::serve(&ports, listener).unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self {
            url: Url::parse(&url).unwrap(),
            ports,
            folder,
            owner_url: database.owner_url.clone(),
            environment,
            server: handle,
            stop: CancellationToken::new(),
            provider,
            _s3: s3,
            _database: database,
        }
    }

    /// Starts a worker in this process.
    pub(crate) fn work(&self) {
        tokio::spawn(app::worker(&self.ports).run(self.stop.clone()));
    }

    /// Starts a worker in this process that the caller can stop.
    pub(crate) fn work_until_stopped(&self) -> CancellationToken {
        let stop = self.stop.child_token();
        tokio::spawn(app::worker(&self.ports).run(stop.clone()));
        stop
    }

    /// Starts a worker in this process; it has ended when this is waited for after the token was cancelled.
    pub(crate) fn work_until_ended(&self) -> (CancellationToken, JoinHandle<()>) {
        let stop = self.stop.child_token();
        let ends = tokio::spawn(app::worker(&self.ports).run(stop.clone()));
        (stop, ends)
    }

    /// Connections to the portal's database as its owner, past the portal's own doors.
    pub(crate) async fn pool(&self) -> sqlx::PgPool {
        sqlx::PgPool::connect(&self.owner_url).await.unwrap()
    }

    /// A transaction as the owner of the database, past the portal's own doors and rights.
    pub(crate) async fn owner_tx(&self) -> OwnerTx {
        OwnerTx(self.pool().await.begin().await.unwrap())
    }

    /// Does what is due now, and each chore once.
    pub(crate) async fn run_tasks(&self) {
        app::worker(&self.ports).run_due().await.unwrap();
    }

    /// Somebody of the demo, signed in through the provider.
    pub(crate) async fn browser(&self, login: &str) -> Browser {
        Browser::sign_in(&self.url, login, login).await.unwrap()
    }

    /// Registers the file as a base model of the family `smollm2`.
    pub(crate) async fn base_model(&self, name: &str, file: &Path) -> ModelId {
        bootstrap::register_base(&self.ports, name, "smollm2", "Apache-2.0", file)
            .await
            .unwrap()
    }

    /// The folder with the programs that were built beside these tests.
    pub(crate) fn programs() -> PathBuf {
        PathBuf::from(env!("CARGO_BIN_EXE_faculty"))
            .parent()
            .unwrap()
            .to_owned()
    }

    /// Ends the portal's server, as a restart would; the rest stays.
    pub(crate) async fn stop_serving(&self) {
        self.server.stop(true).await;
    }
}

/// What the owner of the database changes at once.
pub(crate) struct OwnerTx(sqlx::Transaction<'static, sqlx::Postgres>);

impl OwnerTx {
    pub(crate) fn conn(&mut self) -> &mut sqlx::PgConnection {
        &mut self.0
    }

    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        self.0.commit().await
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn environment(
    folder: &Path,
    url: &str,
    (s3, database): (&embedded_s3::Server, &database::Fresh),
    provider: &demo_idp::Provider,
    settings: &[(&str, &str)],
) -> Vec<(String, String)> {
    let training = TestApp::programs().join("faculty-training");
    let mut pairs = vec![
        ("FACULTY_PUBLIC_URL", url.to_owned()),
        ("FACULTY_BIND", url.trim_start_matches("http://").to_owned()),
        ("FACULTY_SECRET", "0123456789abcdef0123456789abcdef".into()),
        ("FACULTY_SIGNING_KEY", "5a".repeat(32)),
        ("FACULTY_DATABASE__URL", database.url.clone()),
        ("FACULTY_OIDC__ISSUER", provider.issuer().to_owned()),
        ("FACULTY_OIDC__CLIENT_ID", "faculty".into()),
        (
            "FACULTY_OIDC__CLIENT_SECRET",
            "client-secret-of-the-tests".into(),
        ),
        ("FACULTY_S3__ENDPOINT", s3.endpoint()),
        ("FACULTY_S3__ACCESS_KEY", "tests".into()),
        ("FACULTY_S3__SECRET_KEY", S3_SECRET.into()),
        (
            "FACULTY_SERVING__TOKEN",
            "serving-token-of-the-tests".into(),
        ),
        (
            "FACULTY_TRAINING__STATE_DIR",
            folder.join("jobs").display().to_string(),
        ),
        ("FACULTY_TRAINING__PROGRAM", training.display().to_string()),
        (
            "FACULTY_DOCUMENTS__READER",
            env!("CARGO_BIN_EXE_faculty").to_owned(),
        ),
        (
            "FACULTY_MAIL__FOLDER",
            folder.join("mail").display().to_string(),
        ),
        // Most tests look at one job; those that want the next one say so.
        ("FACULTY_EVALUATION__AUTOMATIC", "false".into()),
        ("FACULTY_CACHE", folder.join("cache").display().to_string()),
        // Nobody stands before it who has to hear that it leaves.
        ("FACULTY_GATEWAY__ANNOUNCE_SECONDS", "0".into()),
        ("FACULTY_GATEWAY__DRAIN_SECONDS", "20".into()),
    ];
    pairs.extend(
        settings
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned())),
    );
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
