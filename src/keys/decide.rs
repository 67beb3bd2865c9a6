//! Approving and rejecting, by another than who asked.

use serde::Serialize;

use super::{
    key::{Key, Status},
    store,
    terms::{TermsError, accept_within, has_accepted_terms},
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject, WriteTx},
    ids::{ApiKeyId, InstitutionId},
    policy::{self, Action, Actor, Denied, Permit, Role, Scope},
    quota::{self, BeyondShares, Shares},
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
    #[error("beyond what the institution has, an administrator decides")]
    BeyondInstitution(#[from] BeyondShares),
    #[error("the institution has not accepted the terms of the models")]
    TermsNotAccepted,
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

impl From<TermsError> for DecideError {
    fn from(error: TermsError) -> Self {
        match error {
            TermsError::Denied(why) => Self::Denied(why),
            TermsError::Store(why) => Self::Store(why),
            TermsError::Commit(why) => Self::Commit(why),
        }
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

/// Up to where the institution's manager decides on a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct ManagerRoom {
    /// Tokens a day of one key, by the platform's settings.
    pub(super) tokens_per_day: i64,
    /// What the institution has, and gave its other keys.
    pub(super) shares: Shares,
}

/// Whether `actor` may approve this key. The institution's manager may where the key stays within the setting for one
/// key, and all its keys in use within the institution's own limit; beyond either, an administrator must.
pub(super) fn may_approve(
    actor: &Actor,
    key: &Key,
    room: ManagerRoom,
) -> Result<Permit, DecideError> {
    let permit = policy::check(actor, Action::ApproveKey, &key.scope())?;
    if !actor.is(Role::Admin) {
        let wanted = key.limits.tokens_per_day;
        if wanted > room.tokens_per_day {
            return Err(DecideError::BeyondManager(room.tokens_per_day));
        }
        room.shares.fit(wanted)?;
    }
    Ok(permit)
}

/// Lets the key be shown to who asked for it. The first key of an institution waits until a manager of it has accepted the
/// terms of the models; `accepts_terms` says that the actor does so now.
///
/// # Errors
/// [`DecideError::BeyondManager`] and [`DecideError::BeyondInstitution`] where only an administrator may,
/// [`DecideError::TermsNotAccepted`].
pub async fn approve(
    db: &Db,
    actor: &Actor,
    id: ApiKeyId,
    manager_tokens_per_day: i64,
    accepts_terms: bool,
) -> Result<(), DecideError> {
    let mut tx = db.write(actor).await?;
    let key = store::lock(&mut tx, id)
        .await?
        .ok_or(DecideError::NotFound(id))?;
    let room = ManagerRoom {
        tokens_per_day: manager_tokens_per_day,
        // Two keys that each fit are not approved together beyond it.
        shares: quota::lock_shares_besides(&mut tx, key.institution, id.0).await?,
    };
    let permit = may_approve(actor, &key, room)?;
    if !has_accepted_terms(tx.conn(), key.institution).await? {
        if !accepts_terms {
            return Err(DecideError::TermsNotAccepted);
        }
        let _may_accept =
            policy::check(actor, Action::AcceptModelTerms, &Scope::of(key.institution))?;
        accept_within(&mut tx, key.institution).await?;
    }
    decide(tx, permit, &key, None).await
}

/// Refuses the key, saying why.
///
/// # Errors
/// [`DecideError::WrongStatus`] where it was decided already.
pub async fn reject(db: &Db, actor: &Actor, id: ApiKeyId, reason: &str) -> Result<(), DecideError> {
    let mut tx = db.write(actor).await?;
    let key = store::lock(&mut tx, id)
        .await?
        .ok_or(DecideError::NotFound(id))?;
    let permit = policy::check(actor, Action::ApproveKey, &key.scope())?;
    decide(tx, permit, &key, Some(reason)).await
}

async fn decide(
    mut tx: WriteTx<'_>,
    permit: Permit,
    key: &Key,
    reason: Option<&str>,
) -> Result<(), DecideError> {
    let status = key
        .status
        .decide(reason.is_none())
        .ok_or(DecideError::WrongStatus(key.status))?;
    store::save_decision(&mut tx, key.id, status, reason).await?;
    tx.record(&Decided {
        key: key.id,
        name: &key.name,
        tokens_per_day: key.limits.tokens_per_day,
        reason,
        institution: key.institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}
