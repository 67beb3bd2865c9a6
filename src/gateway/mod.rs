//! The OpenAI-compatible door: who may ask which model, what it may cost, and the answer passed through.
//!
//! Prompts and answers pass; they are never logged and never stored.

mod answer;
mod ask;
mod balance;
mod budget;
mod catalogue;
mod ended;
mod failure;
mod guard;
mod headers;
mod measure;
mod need;
mod news;
mod queue;
mod relay;
mod rewrite;
mod screen;
mod settle;
mod stream;
mod sweep;
mod upstream;
mod usage;
pub mod web;
mod whole;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{catalogue::Catalogue, measure::Measures, screen::Judges, upstream::Client};
pub use self::{
    failure::Failure,
    guard::{Caller, body, request_id},
    sweep::sweep,
};
use crate::{config::Config, db::Db, keys, quota::Ledger, rights_checks::Fetcher};

/// How often it is looked whether requests are under way.
const LOOK: Duration = Duration::from_millis(50);

/// What all requests of one process share.
pub struct Gateway {
    client: Client,
    keys: keys::Cache,
    catalogue: Catalogue,
    ledger: Ledger,
    judges: Judges,
    measures: Measures,
    /// Requests under way: they are finished and settled, also when their client has left.
    running: TaskTracker,
    /// What keeps keys, models and the ledger in step with the database.
    background: TaskTracker,
    stop: CancellationToken,
    is_started: AtomicBool,
    is_leaving: AtomicBool,
    /// Cancelled when what is still being answered has to end.
    cut: CancellationToken,
}

impl Gateway {
    /// A gateway to the deployments and the upstreams that `config` names; moderation services are asked through
    /// `fetcher`.
    ///
    /// # Errors
    /// Where the HTTP client cannot be built.
    pub fn new(config: &Config, fetcher: Fetcher) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: Client::new(&config.serving)?,
            keys: keys::Cache::new(config.secret.clone()),
            catalogue: Catalogue::default(),
            ledger: Ledger::new(config.gateway.strict),
            judges: Judges::new(fetcher, config.secret.clone()),
            measures: Measures::new(&config.telemetry)?,
            running: TaskTracker::new(),
            background: TaskTracker::new(),
            stop: CancellationToken::new(),
            is_started: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            cut: CancellationToken::new(),
        })
    }

    /// Begins to keep in step with the database; without it no request is admitted.
    pub fn start(self: &std::sync::Arc<Self>, db: &Db) {
        if self.is_started.swap(true, Ordering::Relaxed) {
            return;
        }
        let ledger = self.ledger.clone();
        let (stop, hear) = (self.stop.clone(), self.stop.clone());
        self.background.spawn(ledger.run(db.clone(), stop));
        let (gateway, clock, stop) = (std::sync::Arc::clone(self), db.clone(), self.stop.clone());
        self.background.spawn(async move {
            let measures = &gateway.measures;
            if let Some(exporter) = &measures.exporter {
                exporter
                    .run(stop, || clock.now(), || measures.points())
                    .await;
            }
        });
        let (gateway, db) = (std::sync::Arc::clone(self), db.clone());
        self.background.spawn(async move {
            hear.run_until_cancelled(news::follow(&gateway, &db)).await;
        });
    }

    /// What Prometheus reads; `waiting_tasks` are those of workers, by kind.
    #[must_use]
    pub fn metrics(&self, waiting_tasks: &[(String, i64)]) -> String {
        self.measures.text(self.ledger.figures(), waiting_tasks)
    }

    /// Notes that this process is about to stop: whoever asks whether it is ready is told not to send more.
    pub fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    /// Whether this process is about to stop.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed)
    }

    /// Resolves when no request is under way.
    pub async fn idle(&self) {
        while !self.running.is_empty() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends what is still being answered; it is settled by what was made of it.
    pub fn cut(&self) {
        self.cut.cancel();
    }

    /// Waits until every request under way is settled and in the books, and ends this life of the process in the
    /// ledger; to be called once no new requests come in.
    pub async fn settled(&self) {
        self.running.close();
        self.running.wait().await;
        self.stop.cancel();
        self.background.close();
        self.background.wait().await;
    }
}
