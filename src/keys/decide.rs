//! Approving and rejecting, by another than who asked.

use serde::Serialize;

use super::{
    key::{Key, Status},
    store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    ids::{ApiKeyId, InstitutionId},
    policy::{self, Action, Actor, Denied, Permit, Role},
};

/// Why a request for a key was not decided on.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    #[error("there is no key {0}")]
    NotFound(ApiKeyId),
    #[error("a key that is {} is not waiting for a decision", .0.name())]
    WrongStatus(Status),
    #[error("more than {0} tokens a day need an administrator")]
    BeyondManager(i64),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for DecideError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[derive(Debug, Serialize)]
struct Decided<'a> {
    key: ApiKeyId,
    name: &'a str,
    tokens_per_day: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Decided<'_> {
    fn kind(&self) -> &'static str {
        match self.reason {
            None => "keys.approved",
            Some(_) => "keys.rejected",
        }
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "api_key",
            id: self.key.0,
            institution: self.institution,
        }
    }
}

/// Whether `actor` may approve this key. The institution's manager may up to
/// `manager_tokens_per_day`; beyond it, an administrator must.
pub(super) fn may_approve(
    actor: &Actor,
    key: &Key,
    manager_tokens_per_day: i64,
) -> Result<Permit, DecideError> {
    let permit = policy::check(actor, Action::ApproveKey, &key.scope())?;
    if key.limits.tokens_per_day > manager_tokens_per_day && !actor.is(Role::Admin) {
        return Err(DecideError::BeyondManager(manager_tokens_per_day));
    }
    Ok(permit)
}

/// Lets the key be shown to who asked for it.
///
/// # Errors
/// [`DecideError::BeyondManager`] where only an administrator may.
pub async fn approve(
    db: &Db,
    actor: &Actor,
    id: ApiKeyId,
    manager_tokens_per_day: i64,
) -> Result<(), DecideError> {
    decide(db, actor, id, None, |key| {
        may_approve(actor, key, manager_tokens_per_day)
    })
    .await
}

/// Refuses the key, saying why.
///
/// # Errors
/// [`DecideError::WrongStatus`] where it was decided already.
pub async fn reject(db: &Db, actor: &Actor, id: ApiKeyId, reason: &str) -> Result<(), DecideError> {
    decide(db, actor, id, Some(reason), |key| {
        Ok(policy::check(actor, Action::ApproveKey, &key.scope())?)
    })
    .await
}

async fn decide(
    db: &Db,
    actor: &Actor,
    id: ApiKeyId,
    reason: Option<&str>,
    allow: impl FnOnce(&Key) -> Result<Permit, DecideError>,
) -> Result<(), DecideError> {
    let mut tx = db.write(actor).await?;
    let key = store::lock(&mut tx, id)
        .await?
        .ok_or(DecideError::NotFound(id))?;
    let permit = allow(&key)?;
    let status = key
        .status
        .decide(reason.is_none())
        .ok_or(DecideError::WrongStatus(key.status))?;
    store::save_decision(&mut tx, id, status, reason).await?;
    tx.record(&Decided {
        key: id,
        name: &key.name,
        tokens_per_day: key.limits.tokens_per_day,
        reason,
        institution: key.institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}
