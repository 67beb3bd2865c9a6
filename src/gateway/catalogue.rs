//! Which model a request means, and where it is served: from memory, read again when the database tells of a change,
//! when this process made one, and every half second.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use openai_api::ApiError;
use tokio::{sync::OnceCell, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Gateway, failure::Failure, upstream::Places};
use crate::{
    db::{Db, StoreError},
    ids::{InstitutionId, ModelId},
    institutions,
    keys::Holder,
    models::{self, ServedModel, Status},
    quota::Price,
    safeguards::{self, Safeguards},
    serving,
    web::{Lang, day},
};

/// What was not read for so long is not believed.
const STALE: Duration = Duration::from_secs(3);

/// The models that this process knows.
#[derive(Default)]
pub(super) struct Catalogue {
    known: RwLock<Option<Arc<Known>>>,
}

struct Known {
    models: HashMap<String, Arc<Offer>>,
    /// What institutions chose to put around their requests; most chose nothing.
    safeguards: HashMap<InstitutionId, Arc<Safeguards>>,
    prices: HashMap<ModelId, Price>,
    /// Short names of institutions.
    slugs: HashMap<InstitutionId, Arc<str>>,
    read_at: Instant,
    /// The number of changes before it was read.
    changes: u64,
}

/// A model as it was read.
pub(super) struct Offer {
    model: ServedModel,
    name: Arc<str>,
    /// Where our own serving programs have it ready and take something new.
    places: Option<Places>,
    /// Cancelled when it may be used no more: what it answers ends.
    end: Arc<End>,
    /// Whether it may be used for profit. It follows from all of the model's lineage, so it is read with each reading, but
    /// only of models that a key for profit has asked for; the first such request looks it up by itself.
    is_for_profit: OnceCell<bool>,
    /// Whether a key for profit has asked for it; the same for all readings of the model.
    is_asked_for_profit: Arc<AtomicBool>,
}

/// The end of a model's use, with its reason.
#[derive(Default)]
pub(super) struct End {
    token: CancellationToken,
    why: OnceLock<OutOfUse>,
}

/// Why a model may be used no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutOfUse {
    /// Permission for data that it learned from was withdrawn.
    Withdrawn,
    Retired,
}

/// A model with the addresses that answer for it.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) model: ModelId,
    pub(super) places: Places,
    pub(super) end: Arc<End>,
    /// What the key's institution has put around its requests.
    pub(super) steps: Option<Arc<Safeguards>>,
    /// What it costs.
    pub(super) price: Price,
    /// The model's name and the short name of the key's institution, for what is measured.
    pub(super) names: (Arc<str>, Arc<str>),
}

impl End {
    /// Resolves when the model may be used no more.
    pub(super) async fn reached(&self) -> OutOfUse {
        self.token.cancelled().await;
        self.why.get().copied().unwrap_or(OutOfUse::Retired)
    }

    /// Why it may be used no more, where that is so.
    pub(super) fn is_reached(&self) -> Option<OutOfUse> {
        self.why.get().copied()
    }
}

impl Offer {
    fn out_of_use(model: &ServedModel) -> Option<OutOfUse> {
        if model.quarantined_at.is_some() {
            return Some(OutOfUse::Withdrawn);
        }
        (model.status == Status::Retired).then_some(OutOfUse::Retired)
    }

    async fn is_for_profit(&self, db: &Db) -> Result<bool, StoreError> {
        self.is_asked_for_profit.store(true, Ordering::Relaxed);
        let look = || async {
            let mut conn = db.read().await?;
            models::allows_commercial_use(&mut conn, self.model.id).await
        };
        self.is_for_profit.get_or_try_init(look).await.copied()
    }
}

impl Catalogue {
    /// Reads all models again.
    ///
    /// # Errors
    /// Where the database is away; in a while none is believed any more then.
    pub(super) async fn read(&self, db: &Db) -> Result<(), StoreError> {
        self.read_known(db).await.map(drop)
    }

    async fn read_known(&self, db: &Db) -> Result<Arc<Known>, StoreError> {
        let (changes, read_at) = (db.changes(), Instant::now());
        let served = models::served(db).await?;
        let mut places = serving::places(db).await?;
        let safeguards = safeguards::all(db).await?.into_iter();
        let safeguards = safeguards
            .map(|(of, steps)| (of, Arc::new(steps)))
            .collect();
        let prices = models::prices(db).await?.into_iter().collect();
        let slugs = institutions::slugs(db).await?.into_iter();
        let slugs = slugs.map(|(of, slug)| (of, Arc::from(slug))).collect();
        let for_profit = self.for_profit(db).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(newer) = known.as_ref().filter(|newer| newer.read_at > read_at) {
            // Who began later was faster.
            return Ok(Arc::clone(newer));
        }
        let old = known.take();
        let mut models = HashMap::with_capacity(served.len());
        for model in served {
            let before = old.as_ref().and_then(|old| old.models.get(&model.name));
            let before = before.filter(|before| before.model.id == model.id);
            let why = Offer::out_of_use(&model);
            let end = before.map(|before| Arc::clone(&before.end));
            // Once it was out of use, what begins later has an end of its own.
            let mut end = end.filter(|end| !end.token.is_cancelled() || why.is_some());
            if let (Some(end), Some(why)) = (&end, why) {
                end.why.get_or_init(|| why);
                end.token.cancel();
            }
            let end = end.take().unwrap_or_default();
            let addresses = places.remove(&model.id);
            let places = addresses.map(|all| all.into_iter().map(Arc::from).collect());
            let name = Arc::from(model.name.as_str());
            let is_asked = before.map(|before| Arc::clone(&before.is_asked_for_profit));
            let offer = Offer {
                name,
                places,
                end,
                is_for_profit: OnceCell::new_with(for_profit.get(&model.id).copied()),
                is_asked_for_profit: is_asked.unwrap_or_default(),
                model,
            };
            models.insert(offer.model.name.clone(), Arc::new(offer));
        }
        let read = Arc::new(Known {
            models,
            safeguards,
            prices,
            slugs,
            read_at,
            changes,
        });
        *known = Some(Arc::clone(&read));
        Ok(read)
    }

    fn last_read(&self) -> Option<Arc<Known>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    /// Which of the models that keys for profit have asked for may be used for that.
    async fn for_profit(&self, db: &Db) -> Result<HashMap<ModelId, bool>, StoreError> {
        let known = self.last_read();
        let offers = known.iter().flat_map(|known| known.models.values());
        let asked: Vec<ModelId> = offers
            .filter(|offer| offer.is_asked_for_profit.load(Ordering::Relaxed))
            .map(|offer| offer.model.id)
            .collect();
        let mut found = HashMap::with_capacity(asked.len());
        if asked.is_empty() {
            return Ok(found);
        }
        let mut conn = db.read().await?;
        for model in asked {
            match models::allows_commercial_use(&mut conn, model).await {
                Ok(allows) => {
                    found.insert(model, allows);
                }
                // Who asks for it looks it up, and is told; all other models are known.
                Err(error) => {
                    tracing::warn!(%error, %model, "nobody knows whether it is for profit");
                }
            }
        }
        Ok(found)
    }

    async fn fresh(&self, db: &Db) -> Result<Arc<Known>, StoreError> {
        let is_fresh =
            |known: &Arc<Known>| known.read_at.elapsed() < STALE && known.changes == db.changes();
        match self.last_read().filter(is_fresh) {
            Some(known) => Ok(known),
            None => self.read_known(db).await,
        }
    }
}

/// The models that a key is for and that are released, in OpenAI's form.
///
/// # Errors
/// Where the database is away.
pub(super) async fn usable(
    db: &Db,
    gateway: &Gateway,
    holder: &Holder,
) -> Result<Vec<openai_api::Model>, Failure> {
    let known = gateway.catalogue.fresh(db).await?;
    let mut models: Vec<_> = known
        .models
        .values()
        .map(|offer| &offer.model)
        .filter(|model| holder.models.contains(&model.id))
        .filter(|model| model.status == Status::Released && model.quarantined_at.is_none())
        .collect();
    models.sort_by_key(|model| model.id);
    let mut found = Vec::new();
    for model in models {
        let owner = institutions::find(db, model.institution).await?;
        let created = u64::try_from(model.created_at.timestamp()).unwrap_or_default();
        let owner = owner.map_or_else(String::new, |owner| owner.slug);
        found.push(openai_api::Model::new(model.name.clone(), created, owner));
    }
    Ok(found)
}

/// Where a request for `name` goes.
///
/// # Errors
/// 404 where there is no such model, where it is not the key's, or where it is retired (with the reason);
/// 403 where the key is for profit and the model is not; 503 where it is not served at the moment.
pub(super) async fn route(
    db: &Db,
    gateway: &Gateway,
    holder: &Holder,
    name: &str,
) -> Result<Route, Failure> {
    let known = gateway.catalogue.fresh(db).await?;
    let offer = known
        .models
        .get(name)
        .filter(|offer| holder.models.contains(&offer.model.id))
        .ok_or_else(|| ApiError::model_not_found(name))?;
    let model = &offer.model;
    if let Some(since) = model.quarantined_at {
        return Err(withdrawn(model, since).into());
    }
    if model.status != Status::Released {
        return Err(retired(model).into());
    }
    if holder.is_commercial && !offer.is_for_profit(db).await? {
        return Err(not_for_profit(name).into());
    }
    let places = offer
        .places
        .as_ref()
        .or_else(|| gateway.client.other(name))
        .ok_or_else(|| {
            let message = format!("The model '{name}' is released but not served at the moment.");
            let mut error = ApiError::new(503, "server_error", Some("model_not_deployed"), message);
            error.retry_after_seconds = Some(30);
            error
        })?;
    Ok(Route {
        model: model.id,
        places: Arc::clone(places),
        end: Arc::clone(&offer.end),
        steps: known.safeguards.get(&holder.institution).cloned(),
        price: known.prices.get(&model.id).copied().unwrap_or_default(),
        names: (
            Arc::clone(&offer.name),
            known
                .slugs
                .get(&holder.institution)
                .cloned()
                .unwrap_or_default(),
        ),
    })
}

/// Permission for data that the model learned from was withdrawn, and the agreement keeps it from use.
fn withdrawn(model: &ServedModel, since: DateTime<Utc>) -> ApiError {
    let (code, what) = if model.status == Status::Retired {
        ("model_withdrawn", "It is out of use.")
    } else {
        (
            "model_quarantined",
            "It is not in use until the platform has decided whether it is made anew.",
        )
    };
    let message = format!(
        "The model '{}' cannot be used since {}: permission for data that it was trained on was withdrawn. {what}",
        model.name,
        day(Lang::En, since),
    );
    ApiError::new(403, "permission_error", Some(code), message).with_param("model")
}

fn not_for_profit(name: &str) -> ApiError {
    let message = format!(
        "The model '{name}' may not be used for profit, and this key was requested for that."
    );
    ApiError::permission_denied("purpose_not_permitted", message).with_param("model")
}

fn retired(model: &ServedModel) -> ApiError {
    let mut message = format!("The model '{}' is not in use any more.", model.name);
    if model.marked_reason.is_some() {
        message.push_str(" Permission for data that it was trained on was withdrawn");
        if let Some(reason) = &model.marked_reason {
            message.push_str(": ");
            message.push_str(reason);
        }
        message.push('.');
    }
    let kind = "invalid_request_error";
    ApiError::new(404, kind, Some("model_retired"), message).with_param("model")
}
