//! Builds the ports and the app; used by `main` and by tests.

mod unread;

use std::{sync::Arc, time::Duration};

use actix_web::{
    App, HttpServer, Responder,
    dev::{Server, ServerHandle},
    get,
    middleware::from_fn,
    web::{self, Data},
};
use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::TaskTracker;

use self::unread::count_unread;
use crate::{
    accounts::{self, Oidc},
    agreements, audit, budgets,
    clock::{Clock, SystemClock},
    complaints,
    config::Config,
    datasets,
    db::{Db, changeable_tables},
    disclosures, evaluations, fine_tuning,
    gateway::{self, Gateway},
    home,
    jobs::{self, Compute},
    keys, ledger, licensees, lineage, models,
    notices::{self, Mailer},
    objects::ObjectStore,
    permissions, privacy, quota,
    rights_checks::{self, Fetcher},
    safeguards, serving,
    signing::{self, Signer},
    tasks, uploads,
    web::{TaskCounter, error_pages, security_headers, serve_asset},
    webhooks, withdrawals,
    worker::{self, Worker},
};

/// Connections of one worker; streams hold theirs for as long as they take.
const CONNECTIONS: usize = 4096;
/// Until the head of a request is there.
const HEAD: Duration = Duration::from_secs(10);
/// So long pages and files may go on after a stop; answers of models may take longer.
const PAGES: Duration = Duration::from_secs(20);
/// What was cut is settled within this time, or by others; and clients that read take the end of it.
const SETTLE: Duration = Duration::from_secs(10);
/// For bytes that are on their way when the last answer was taken. The server ends sooner by itself where none are.
const LAST_BYTES: Duration = Duration::from_secs(3);
/// What is settled is in the books within this time, or others book it.
const BOOKS: Duration = Duration::from_secs(10);

/// Everything outside the process that the portal works with.
pub struct Ports {
    /// Settings.
    pub config: Data<Config>,
    /// Database and clock.
    pub db: Db,
    /// Object store.
    pub objects: ObjectStore,
    /// Identity provider.
    pub oidc: Data<Oidc>,
    /// Signs receipts.
    pub signer: Data<Signer>,
    /// The door to models.
    pub gateway: Data<Gateway>,
    /// Looks at the sources of datasets.
    pub fetcher: Data<Fetcher>,
    /// Runs the programs of jobs.
    pub compute: Data<Compute>,
    /// Sends mail.
    pub mailer: Mailer,
    /// Answers of models that are not made yet, or that their clients have not taken whole.
    unread: TaskTracker,
}

impl Ports {
    /// Connects (lazily) to everything that `config` names.
    ///
    /// # Errors
    /// Where an address makes no sense.
    pub fn new(config: Config) -> anyhow::Result<Self> {
        Self::with_clock(config, Arc::new(SystemClock))
    }

    /// As [`Ports::new`], with a clock of the caller's.
    ///
    /// # Errors
    /// Where an address makes no sense.
    pub fn with_clock(config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let db = Db::connect(&config.database, clock).context("database.url")?;
        let fetcher = Fetcher::new(config.rights_checks.allow_private, &config.public_url)
            .context("rights_checks")?;
        Ok(Self {
            objects: ObjectStore::new(&config.s3),
            oidc: Data::new(Oidc::new(&config).context("oidc")?),
            signer: Data::new(
                Signer::from_hex(config.signing_key.expose_secret()).context("signing_key")?,
            ),
            gateway: Data::new(Gateway::new(&config, fetcher.clone()).context("gateway")?),
            fetcher: Data::new(fetcher),
            compute: Data::new(Compute::open(&config).context("compute.places")?),
            mailer: Mailer::new(&config).context("mail")?,
            unread: TaskTracker::new(),
            db,
            config: Data::new(config),
        })
    }
}

impl Ports {
    /// The audit log with what it stands on.
    #[must_use]
    pub fn audit_log(&self) -> audit::Log {
        audit::Log::new(
            self.db.clone(),
            self.objects.clone(),
            self.signer.clone(),
            self.config.clone(),
        )
    }
}

/// Starts serving pages, API and gateway on `listener`; the caller awaits the answer.
///
/// # Errors
/// Where the listener cannot be used.
pub fn serve(ports: &Arc<Ports>, listener: std::net::TcpListener) -> std::io::Result<Server> {
    let ports = Arc::clone(ports);
    ports.gateway.start(&ports.db);
    let drain_seconds = ports.config.gateway.drain_seconds;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(ports.config.clone())
            .app_data(Data::new(ports.db.clone()))
            .app_data(Data::new(ports.objects.clone()))
            .app_data(Data::new(ports.audit_log()))
            .app_data(ports.oidc.clone())
            .app_data(ports.signer.clone())
            .app_data(Data::new(TaskCounter(home::count)))
            .app_data(ports.gateway.clone())
            .app_data(ports.fetcher.clone())
            .app_data(ports.compute.clone())
            .app_data(Data::from(Arc::clone(&ports)))
            .wrap(from_fn(error_pages))
            .wrap(from_fn(security_headers))
            .wrap(from_fn(count_unread))
            .configure(routes)
    })
    // Otherwise a client that leaves a quiet stream is never noticed and the model generates on.
    .h1_allow_half_closed(false)
    .tcp_nodelay(true)
    // Each worker's; beyond them connections wait to be accepted.
    .max_connections(CONNECTIONS)
    // Until the head of a request is there; `gateway::body` waits for its body.
    .client_request_timeout(HEAD)
    // `leave` ends what takes too long; this is for whoever stops the server by itself.
    .shutdown_timeout(drain_seconds.saturating_add(30))
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(server)
}

/// Lets a server leave that was asked to stop: it is said for a while that this process leaves, then nothing new is let in
/// and what is being answered is finished, and read by whoever asked. Resolves when what is left then has been cut and
/// settled, and read as far as that takes no longer; who asks again, which `hurry` tells, does not want to wait. The
/// server may have ended long before.
pub async fn leave(ports: &Ports, server: &ServerHandle, hurry: impl Future<Output = ()>) {
    let seconds = Duration::from_secs;
    let config = &ports.config.gateway;
    let gateway = &ports.gateway;
    // Otherwise its `wait` has no end.
    ports.unread.close();
    let drain = async {
        tokio::time::sleep(seconds(config.announce_seconds)).await;
        // Told, not waited for.
        drop(server.stop(true));
        let until = Instant::now() + seconds(config.drain_seconds);
        tokio::time::sleep_until(until.min(Instant::now() + PAGES)).await;
        let done = async {
            gateway.idle().await;
            // A request is settled before its client has read all of the answer.
            ports.unread.wait().await;
        };
        if timeout_at(until, done).await.is_err() {
            tracing::warn!("answers are cut: they were not made or not read in time");
        }
    };
    gateway.leave();
    let is_hurried = tokio::select! {
        () = drain => false,
        () = hurry => {
            drop(server.stop(true));
            true
        }
    };
    gateway.cut();
    let until = Instant::now() + SETTLE;
    if timeout_at(until, gateway.idle()).await.is_err() {
        tracing::warn!("requests are left to be settled by others");
    }
    // Who was cut reads why, and who is slow reads on for a moment.
    if !is_hurried && timeout_at(until, ports.unread.wait()).await.is_err() {
        tracing::warn!("clients are left that have not read their answers");
    }
    // The last bytes leave.
    tokio::time::sleep(LAST_BYTES).await;
}

/// Has all that was settled booked and ends this process's life in the ledger; called last, when nothing new comes in.
/// No database and no upstream that is away is waited for without end: what is not in the books in ten seconds is found
/// by other processes, as after a crash.
pub async fn settle(ports: &Ports) {
    if timeout(BOOKS, ports.gateway.settled()).await.is_err() {
        tracing::warn!("requests are left to be booked by others");
    }
}

/// Starts answering Prometheus on `listener`, which is not the one of the pages.
///
/// # Errors
/// Where the listener cannot be used.
pub fn serve_metrics(
    ports: &Arc<Ports>,
    listener: std::net::TcpListener,
) -> std::io::Result<Server> {
    let ports = Arc::clone(ports);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::from(Arc::clone(&ports)))
            .service(metrics)
    })
    .workers(1)
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(server)
}

#[get("/metrics")]
async fn metrics(ports: Data<Ports>) -> impl Responder {
    let waiting = match worker::waiting_by_kind(&ports.db).await {
        Ok(waiting) => waiting,
        Err(error) => {
            // What this process knows by itself is told all the same.
            tracing::warn!(%error, "tasks cannot be counted");
            Vec::new()
        }
    };
    actix_web::HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(ports.gateway.metrics(&waiting))
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(alive)
        .service(ready)
        .service(serve_asset)
        .configure(signing::web::routes)
        .configure(accounts::web::routes)
        .configure(notices::web::routes)
        .configure(permissions::web::routes)
        .configure(privacy::web::routes)
        .configure(rights_checks::web::routes)
        .configure(models::web::routes)
        .configure(serving::web::routes)
        .configure(jobs::web::routes)
        .configure(budgets::web::routes)
        .configure(evaluations::web::routes)
        .configure(datasets::web::routes)
        .configure(agreements::web::routes)
        .configure(uploads::web::routes)
        .configure(keys::web::routes)
        .configure(quota::web::routes)
        .configure(safeguards::web::routes)
        .configure(|config| gateway::web::routes(config, fine_tuning::web::routes))
        .configure(webhooks::web::routes)
        .configure(licensees::web::routes)
        .configure(withdrawals::web::routes)
        .configure(ledger::web::routes)
        .configure(disclosures::web::routes)
        .configure(complaints::web::routes)
        .configure(audit::web::routes)
        .configure(lineage::web::routes)
        .configure(home::routes);
}

/// A worker over these ports.
#[must_use]
pub fn worker(ports: &Arc<Ports>) -> Worker<Ports> {
    Worker::new(
        ports.db.clone(),
        Arc::clone(ports),
        tasks::handlers(),
        tasks::chores(),
    )
}

#[get("/healthz")]
async fn alive() -> impl Responder {
    "alive\n"
}

/// Says what is missing, by name, and when this process is about to stop.
#[get("/readyz")]
async fn ready(ports: Data<Ports>) -> impl Responder {
    if ports.gateway.is_leaving() {
        return actix_web::HttpResponse::ServiceUnavailable().body("leaving\n");
    }
    let mut missing = Vec::new();
    let database = async {
        let mut conn = ports.db.read().await?;
        sqlx::query_scalar!("SELECT seq FROM audit_head")
            .fetch_one(&mut *conn)
            .await
    };
    if let Err(error) = database.await {
        tracing::warn!(%error, "database is away");
        missing.push("database");
    }
    if let Err(error) = ports.objects.ping().await {
        tracing::warn!(%error, "object store is away");
        missing.push("object store");
    }
    if missing.is_empty() {
        actix_web::HttpResponse::Ok().body(format!(
            "ready\n{}{}",
            warning(&ports).await,
            jobs::place_warnings(&ports.db).await
        ))
    } else {
        actix_web::HttpResponse::ServiceUnavailable()
            .insert_header(("retry-after", "5"))
            .body(format!("missing: {}\n", missing.join(", ")))
    }
}

/// A line about a role that may change what is append-only; empty where roles are apart.
async fn warning(ports: &Ports) -> String {
    let tables = async {
        let mut conn = ports.db.read().await?;
        changeable_tables(&mut conn).await
    };
    match tables.await {
        Ok(tables) if tables.is_empty() => String::new(),
        Ok(tables) => format!(
            "warning: the portal's database role may change append-only tables ({}); see docs/operations.md\n",
            tables.join(", ")
        ),
        Err(error) => format!("warning: {error}\n"),
    }
}
