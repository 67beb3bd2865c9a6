//! Adding, renewing and removing addresses.

use serde::Serialize;

use super::store;
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    error::{AppError, Say},
    ids::{InstitutionId, WebhookId},
    policy::{self, Action, Actor, Denied, Scope},
    rights_checks::Fetcher,
};

/// Addresses of one institution.
const MOST: i64 = 10;

/// Why an address was not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    #[error("there is no such address")]
    NotFound,
    #[error("this is no address that can be told")]
    Address,
    #[error("there are {MOST} addresses already")]
    TooMany,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for KeepError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<KeepError> for AppError {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::NotFound => Self::NotFound,
            KeepError::Address => Self::invalid("webhooks-address-wrong"),
            KeepError::TooMany => Self::Conflict(Say::new("webhooks-too-many").with("most", MOST)),
            KeepError::Denied(why) => why.into(),
            KeepError::Store(why) => why.into(),
            KeepError::Commit(why) => why.into(),
        }
    }
}

#[derive(Serialize)]
struct Kept<'a> {
    #[serde(skip)]
    kind: &'static str,
    #[serde(skip)]
    institution: InstitutionId,
    endpoint: WebhookId,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

impl Event for Kept<'_> {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "webhook",
            id: self.endpoint.0,
            institution: self.institution,
        }
    }
}

/// Adds an address of the actor's institution.
pub(super) async fn add(
    db: &Db,
    fetcher: &Fetcher,
    actor: &Actor,
    url: &str,
) -> Result<WebhookId, KeepError> {
    let permit = policy::check(actor, Action::ManageWebhooks, &Scope::of(actor.institution))?;
    let url = fetcher.parse(url).map_err(|_| KeepError::Address)?;
    let mut tx = db.write(actor).await?;
    let id = WebhookId::fresh();
    if !store::insert(&mut tx, id, url.as_str(), MOST).await? {
        return Err(KeepError::TooMany);
    }
    tx.record(&Kept {
        kind: "webhooks.added",
        institution: actor.institution,
        endpoint: id,
        url: Some(url.as_str()),
    })?;
    tx.commit(permit).await?;
    Ok(id)
}

/// Gives an address a new secret; the one of before signs along for a day.
pub(super) async fn rotate(db: &Db, actor: &Actor, id: WebhookId) -> Result<i32, KeepError> {
    let permit = policy::check(actor, Action::ManageWebhooks, &Scope::of(actor.institution))?;
    let mut tx = db.write(actor).await?;
    let generation = store::rotate(&mut tx, id)
        .await?
        .ok_or(KeepError::NotFound)?;
    tx.record(&Kept {
        kind: "webhooks.rotated",
        institution: actor.institution,
        endpoint: id,
        url: None,
    })?;
    tx.commit(permit).await?;
    Ok(generation)
}

/// Tells an address nothing more.
pub(super) async fn remove(db: &Db, actor: &Actor, id: WebhookId) -> Result<(), KeepError> {
    let permit = policy::check(actor, Action::ManageWebhooks, &Scope::of(actor.institution))?;
    let mut tx = db.write(actor).await?;
    if !store::remove(&mut tx, id).await? {
        return Err(KeepError::NotFound);
    }
    tx.record(&Kept {
        kind: "webhooks.removed",
        institution: actor.institution,
        endpoint: id,
        url: None,
    })?;
    tx.commit(permit).await?;
    Ok(())
}
