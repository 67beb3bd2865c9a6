//! Which key counts: taken up at the first start, replaced by an admin, revoked where it was lost.

use attestation::{PublishedKeys, Signer};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::store;
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    ids::InstitutionId,
    policy::{self, Action, Actor, Denied, Scope},
};

const LONGEST_REASON: usize = 500;

/// Why the keys stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    #[error(
        "the configured signing key {configured} is not the active one ({active}); to replace that one, run `faculty admin signing-key rotate` with the new key configured"
    )]
    NotActive { configured: String, active: String },
    #[error("the configured signing key {0} was put away or revoked; a key does not come back")]
    PutAway(String),
    #[error("the signing key {0} is the active one already")]
    Active(String),
    #[error("there is no signing key {0}")]
    Unknown(String),
    #[error("the signing key {0} is revoked already")]
    Revoked(String),
    #[error("say why, in at most {LONGEST_REASON} characters")]
    Reason,
    #[error("a key is revoked from now or an earlier moment on")]
    InTheFuture,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for RotateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[derive(Debug, Serialize)]
struct KeyChanged<'a> {
    keyid: &'a str,
    public_key: Option<String>,
    from: DateTime<Utc>,
    reason: Option<&'a str>,
    #[serde(skip)]
    id: Uuid,
    #[serde(skip)]
    kind: &'static str,
}

impl Event for KeyChanged<'_> {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "signing_key",
            id: self.id,
            // The platform's own: no partner's line.
            institution: InstitutionId(Uuid::nil()),
        }
    }
}

/// What the configured key is among the published ones.
enum Standing {
    /// There is no key yet.
    First,
    Active,
    /// Another one is active, or none where the last one was revoked.
    New {
        active: Option<String>,
    },
    Old,
}

fn standing(keys: &PublishedKeys, keyid: &str) -> Standing {
    let active = keys.keys.iter().find(|key| key.is_active());
    match keys.keys.iter().find(|key| key.keyid == keyid) {
        Some(key) if key.is_active() => Standing::Active,
        Some(_) => Standing::Old,
        None if keys.keys.is_empty() => Standing::First,
        None => Standing::New {
            active: active.map(|key| key.keyid.clone()),
        },
    }
}

/// Takes up the configured key at the first start; later only looks that it is the active one. Called by every
/// program that may sign, before it does.
///
/// # Errors
/// [`RotateError::NotActive`] where another key is active, so that a wrong setting replaces nothing.
pub async fn adopt(db: &Db, signer: &Signer) -> Result<(), RotateError> {
    let configured = signer.keyid();
    let known = {
        let mut conn = db.read().await?;
        store::published(&mut conn).await?
    };
    match standing(&known, &configured) {
        Standing::First => match rotate(db, &Actor::system(), signer).await {
            // Another process was first, with the same key.
            Err(RotateError::Active(_)) => Ok(()),
            other => other,
        },
        Standing::Active => Ok(()),
        Standing::New { active } => Err(RotateError::NotActive {
            configured,
            active: active.unwrap_or_else(|| "none: the last one was revoked".to_owned()),
        }),
        Standing::Old => Err(RotateError::PutAway(configured)),
    }
}

/// Makes the configured key the active one from now on and closes the one before; what that one signed stays
/// valid. Programs that still hold the old key can sign no more: start them again.
///
/// # Errors
/// [`RotateError::Active`] where there is nothing to replace, [`RotateError::PutAway`] for a key of the past.
pub async fn rotate(db: &Db, actor: &Actor, signer: &Signer) -> Result<(), RotateError> {
    let (public, keyid) = (signer.public_key(), signer.keyid());
    let permit = policy::check(actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = db.write(actor).await?;
    let known = store::lock(&mut tx).await?;
    // Read behind the lock: whatever was signed meanwhile is older than this.
    let now = db.now();
    let valid_from = match standing(&known, &keyid) {
        Standing::First => store::first_receipt(&mut tx)
            .await?
            .map_or(now, |first| first.min(now)),
        Standing::New { active } => {
            if let Some(active) = active {
                store::close(&mut tx, &active, now).await?;
            }
            now
        }
        Standing::Active => return Err(RotateError::Active(keyid)),
        Standing::Old => return Err(RotateError::PutAway(keyid)),
    };
    let id = Uuid::now_v7();
    store::insert(&mut tx, id, (&keyid, &public.hex()), valid_from).await?;
    tx.record(&KeyChanged {
        keyid: &keyid,
        public_key: Some(public.hex()),
        from: valid_from,
        reason: None,
        id,
        kind: "signing.key_taken_up",
    })?;
    tx.commit(permit).await?;
    Ok(())
}

/// Declares that nothing which the key signed at `since` or later holds. Earlier signatures stay valid, though
/// only the audit log can show that they were not dated back.
///
/// # Errors
/// [`RotateError`] where the key is unknown or revoked already, or `since` is still to come.
pub async fn revoke(
    db: &Db,
    actor: &Actor,
    keyid: &str,
    since: DateTime<Utc>,
    reason: &str,
) -> Result<(), RotateError> {
    let permit = policy::check(actor, Action::RunSystem, &Scope::of(actor.institution))?;
    if reason.trim().is_empty() || reason.chars().count() > LONGEST_REASON {
        return Err(RotateError::Reason);
    }
    let mut tx = db.write(actor).await?;
    let known = store::lock(&mut tx).await?;
    if since > db.now() {
        return Err(RotateError::InTheFuture);
    }
    let key = known
        .keys
        .iter()
        .find(|key| key.keyid == keyid)
        .ok_or_else(|| RotateError::Unknown(keyid.to_owned()))?;
    if key.revoked_at.is_some() {
        return Err(RotateError::Revoked(keyid.to_owned()));
    }
    let id = store::revoke(&mut tx, keyid, since, reason).await?;
    tx.record(&KeyChanged {
        keyid,
        public_key: None,
        from: since,
        reason: Some(reason),
        id,
        kind: "signing.key_revoked",
    })?;
    tx.commit(permit).await?;
    Ok(())
}
