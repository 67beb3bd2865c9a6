//! What a model costs: set by who runs it, in the unit that the settings name.

use serde::Serialize;

use super::{price_store, store};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    error::AppError,
    ids::{InstitutionId, ModelId},
    policy::{self, Action, Actor, Denied},
    quota::Price,
};

/// The highest price of a million tokens.
pub(super) const MOST: i64 = 1_000_000;

/// Why no price was set.
#[derive(Debug, thiserror::Error)]
pub(super) enum PriceError {
    #[error("there is no such model")]
    NotFound,
    #[error("a price is a whole number up to {MOST}")]
    Wrong,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for PriceError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<PriceError> for AppError {
    fn from(error: PriceError) -> Self {
        match error {
            PriceError::NotFound => Self::NotFound,
            PriceError::Wrong => Self::invalid("price-wrong"),
            PriceError::Denied(why) => why.into(),
            PriceError::Store(why) => why.into(),
            PriceError::Commit(why) => why.into(),
        }
    }
}

#[derive(Serialize)]
struct PriceSet {
    prompt_per_million: i64,
    completion_per_million: i64,
    #[serde(skip)]
    model: ModelId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for PriceSet {
    fn kind(&self) -> &'static str {
        "models.price_set"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "model",
            id: self.model.0,
            institution: self.institution,
        }
    }
}

/// Sets the price of a model; it holds for requests that begin from now on.
pub(super) async fn set_price(
    db: &Db,
    actor: &Actor,
    id: ModelId,
    price: Price,
) -> Result<(), PriceError> {
    let is_good = |price: i64| (0..=MOST).contains(&price);
    if !is_good(price.prompt_per_million) || !is_good(price.completion_per_million) {
        return Err(PriceError::Wrong);
    }
    let mut tx = db.write(actor).await?;
    let model = store::find(tx.conn(), id)
        .await?
        .ok_or(PriceError::NotFound)?;
    let permit = policy::check(actor, Action::SetPrice, &model.scope())?;
    price_store::save(&mut tx, id, price).await?;
    tx.record(&PriceSet {
        prompt_per_million: price.prompt_per_million,
        completion_per_million: price.completion_per_million,
        model: id,
        institution: model.institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}
