use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use attestation::PublishedKeys;
use job_contract::{Assignment, Assignments, ModelKind, ServingStage};
use reqwest::StatusCode;
use tokio::{sync::watch, task::JoinSet, time::MissedTickBehavior};
use url::Url;
use uuid::Uuid;

use super::{
    FetchError, Store,
    leave::Leaving,
    load::{LoadError, load},
};
use crate::{Engine, registry::Registry};

/// How often the portal is asked.
const PERIOD: Duration = Duration::from_secs(1);
/// How long a model that could not be loaded rests before the next attempt.
const REST: Duration = Duration::from_secs(30);
const MOST_ANSWER_BYTES: usize = 4 << 20;
const MOST_MODELS: usize = 1000;

/// Where the portal is, and how it knows us.
#[derive(Clone)]
pub struct FollowerSettings {
    pub portal: Url,
    /// The bearer token; never logged.
    pub token: String,
    /// Where the gateway reaches this program.
    pub address: String,
    /// What people call it.
    pub name: String,
    /// The bases that it takes; all where there are none here.
    pub takes: Vec<String>,
    /// Most adapters that it takes.
    pub most_adapters: u32,
    /// How long running answers may go on once it leaves.
    pub leave_within: Duration,
    /// Folder for model files.
    pub cache: std::path::PathBuf,
    /// The keys that receipts may be signed with; where none are given, those that the portal publishes.
    pub keys: Option<PublishedKeys>,
}

/// Asks the portal what to serve, and does so.
pub struct Follower {
    /// This life of the program.
    pub(super) process: Uuid,
    pub(super) settings: FollowerSettings,
    client: reqwest::Client,
    store: Store,
    pub(super) registry: Arc<Registry>,
    pub(super) engine: Engine,
    pub(super) models: HashMap<Uuid, Model>,
    loads: JoinSet<(Uuid, Result<(), LoadError>)>,
    is_portal_away: bool,
    keys: Arc<PublishedKeys>,
}

/// Why following cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    #[error(transparent)]
    Store(#[from] FetchError),
    #[error("the portal's address cannot be used")]
    Address(#[from] url::ParseError),
    #[error("no HTTP client can be made")]
    Client(#[source] reqwest::Error),
    #[error("the portal does not accept the serving token")]
    NotAccepted,
}

/// One call that did not succeed and will be made again.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("the portal could not be reached: {0}")]
    Http(reqwest::Error),
    #[error("the portal answered {0}")]
    Status(StatusCode),
    #[error("the portal's answer is too long")]
    TooLong,
    #[error("the portal's answer does not fit the contract: {0}")]
    Json(#[from] serde_json::Error),
}

pub(super) struct Model {
    pub(super) assignment: Assignment,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    /// An adapter whose base is not ready.
    Waiting,
    Loading,
    Ready,
    Failed {
        message: String,
        since: Instant,
    },
    /// Taken back while it loads; forgotten once loading has ended.
    Unwanted,
}

impl Follower {
    /// Prepares the cache folder and the client.
    ///
    /// # Errors
    /// [`FollowError`].
    pub fn new(
        settings: FollowerSettings,
        registry: Arc<Registry>,
        engine: Engine,
    ) -> Result<Self, FollowError> {
        // Fails here rather than at each call.
        settings.portal.join("internal/v1/serving/status")?;
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(15))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(FollowError::Client)?;
        Ok(Self {
            store: Store::open(&settings.cache)?,
            keys: Arc::new(settings.keys.clone().unwrap_or_default()),
            process: Uuid::now_v7(),
            settings,
            client,
            registry,
            engine,
            models: HashMap::new(),
            loads: JoinSet::new(),
            is_portal_away: false,
        })
    }

    /// Follows until the portal refuses the token, or until `leave` becomes true and all that ran has ended. While the
    /// portal cannot be reached, all stays as it is.
    ///
    /// # Errors
    /// [`FollowError::NotAccepted`].
    pub async fn run(mut self, mut leave: watch::Receiver<bool>) -> Result<(), FollowError> {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut leaving: Option<Leaving> = None;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                // A model that has become ready is reported at once.
                Some(Ok((deployment, outcome))) = self.loads.join_next() => self.loaded(deployment, outcome),
                () = told(&mut leave), if leaving.is_none() => {
                    tracing::info!("leaving: what runs is finished first");
                    leaving = Some(Leaving::new(self.settings.leave_within));
                    ticks = tokio::time::interval(super::leave::PERIOD);
                }
            }
            let stage = match &leaving {
                None => ServingStage::Serving,
                Some(_) => ServingStage::Leaving,
            };
            let done = self.round(stage).await;
            if let Some(leaving) = &mut leaving {
                leaving.note(done.is_ok());
                if leaving.may_end(self.engine.load()) {
                    // Where the portal is away it finds out by itself.
                    let _ = self.report(ServingStage::Left).await;
                    return Ok(());
                }
            }
            match done {
                Ok(()) => {
                    if std::mem::take(&mut self.is_portal_away) {
                        tracing::info!("the portal answers again");
                    }
                }
                Err(CallError::Status(StatusCode::UNAUTHORIZED)) => {
                    return Err(FollowError::NotAccepted);
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.is_portal_away, true) {
                        tracing::warn!(%error, "the portal cannot be followed for now");
                    }
                }
            }
        }
    }

    /// Says how it stands, and asks what it should have; who leaves only says it.
    async fn round(&mut self, stage: ServingStage) -> Result<(), CallError> {
        self.report(stage).await?;
        if stage != ServingStage::Serving {
            return Ok(());
        }
        let mut url = self.url("assignments");
        url.query_pairs_mut()
            .append_pair("process", &self.process.to_string());
        let answer = self.call(self.client.get(url)).await?;
        let assignments: Assignments = serde_json::from_slice(&answer)?;
        self.learn_keys(&assignments).await?;
        self.reconcile(assignments.models);
        Ok(())
    }

    async fn report(&self, stage: ServingStage) -> Result<(), CallError> {
        let status = serde_json::to_vec(&self.status(stage))?;
        let request = self
            .client
            .post(self.url("status"))
            .header("content-type", "application/json")
            .body(status);
        self.call(request).await.map(drop)
    }

    /// Fetches the published keys where a receipt is signed by one that is not known, unless they were given.
    async fn learn_keys(&mut self, assignments: &Assignments) -> Result<(), CallError> {
        let is_known = |receipt: &str| {
            attestation::Envelope::parse(receipt).is_ok_and(|envelope| {
                envelope
                    .signatures
                    .iter()
                    .all(|s| self.keys.keys.iter().any(|key| key.keyid == s.keyid))
            })
        };
        let mut receipts = assignments
            .models
            .iter()
            .filter_map(|m| m.receipt.as_deref());
        if self.settings.keys.is_some() || receipts.all(is_known) {
            return Ok(());
        }
        let mut url = self.settings.portal.clone();
        url.set_path("/.well-known/faculty-keys.json");
        let answer = self.call(self.client.get(url)).await?;
        self.keys = Arc::new(serde_json::from_slice(&answer)?);
        Ok(())
    }

    fn url(&self, last: &str) -> Url {
        let mut url = self.settings.portal.clone();
        let path = format!(
            "{}/internal/v1/serving/{last}",
            url.path().trim_end_matches('/')
        );
        url.set_path(&path);
        url
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>, CallError> {
        let sent = request.bearer_auth(&self.settings.token).send().await;
        let mut response = sent.map_err(CallError::Http)?;
        if !response.status().is_success() {
            return Err(CallError::Status(response.status()));
        }
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(CallError::Http)? {
            body.extend_from_slice(&piece);
            if body.len() > MOST_ANSWER_BYTES {
                return Err(CallError::TooLong);
            }
        }
        Ok(body)
    }

    /// Drops what is not assigned any more, and starts to load what is new.
    fn reconcile(&mut self, mut wanted: Vec<Assignment>) {
        wanted.truncate(MOST_MODELS);
        let registry = &self.registry;
        self.models.retain(|deployment, model| {
            let same = |other: &Assignment| {
                other.deployment == *deployment && is_same(other, &model.assignment)
            };
            if wanted.iter().any(same) {
                return true;
            }
            match model.stage {
                Stage::Loading | Stage::Unwanted => {
                    model.stage = Stage::Unwanted;
                    return true;
                }
                Stage::Ready => {
                    registry.remove(&model.assignment.model);
                    tracing::info!(model = model.assignment.model, "dropped");
                }
                Stage::Waiting | Stage::Failed { .. } => {}
            }
            false
        });
        for assignment in wanted {
            let stage = Stage::Waiting;
            let fresh = assignment.clone();
            let model = self
                .models
                .entry(assignment.deployment)
                .or_insert(Model { assignment, stage });
            if is_same(&fresh, &model.assignment) {
                // The addresses are short-lived: the next attempt must use the latest.
                model.assignment = fresh;
            }
        }
        self.start_loads();
    }

    fn start_loads(&mut self) {
        for (deployment, model) in &mut self.models {
            let may_start = match &model.stage {
                Stage::Waiting => true,
                Stage::Failed { since, .. } => since.elapsed() >= REST,
                // The base was dropped and came back: its adapters went with it.
                Stage::Ready => self.registry.find(&model.assignment.model).is_none(),
                Stage::Loading | Stage::Unwanted => false,
            };
            let has_base = match &model.assignment.kind {
                ModelKind::Base => true,
                ModelKind::Adapter { base } => self.registry.base(base).is_ok(),
            };
            if !may_start {
                continue;
            }
            if !has_base {
                model.stage = Stage::Waiting;
                continue;
            }
            model.stage = Stage::Loading;
            let (deployment, assignment) = (*deployment, model.assignment.clone());
            let (store, registry) = (self.store.clone(), Arc::clone(&self.registry));
            let keys = Arc::clone(&self.keys);
            self.loads
                .spawn(async move { (deployment, load(store, registry, assignment, keys).await) });
        }
    }

    fn loaded(&mut self, deployment: Uuid, outcome: Result<(), LoadError>) {
        let Some(model) = self.models.get_mut(&deployment) else {
            return;
        };
        let name = &model.assignment.model;
        match (&model.stage, outcome) {
            (Stage::Unwanted, outcome) => {
                if outcome.is_ok() {
                    self.registry.remove(name);
                }
                self.models.remove(&deployment);
            }
            (_, Ok(())) => {
                tracing::info!(model = name, "ready");
                model.stage = Stage::Ready;
            }
            (_, Err(error)) => {
                let message = chain(&error);
                tracing::error!(model = name, error = message, "could not be loaded");
                let since = Instant::now();
                model.stage = Stage::Failed { message, since };
            }
        }
    }
}

/// Resolves once the program is told to leave; never where nobody can tell it any more.
async fn told(leave: &mut watch::Receiver<bool>) {
    if leave.wait_for(|leave| *leave).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Whether two assignments give the same model, whatever the addresses of the files.
fn is_same(a: &Assignment, b: &Assignment) -> bool {
    let files = |assignment: &Assignment| -> Vec<(String, String)> {
        assignment
            .files
            .iter()
            .map(|file| (file.name.clone(), file.sha256.clone()))
            .collect()
    };
    a.model == b.model && a.kind == b.kind && a.receipt == b.receipt && files(a) == files(b)
}

/// The error with its causes, without those that its text repeats.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    for cause in causes.map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
