//! Another secret for a key, before the first one gets old or when somebody leaves. Both answer for a while, so that no
//! program has to stop. What was used stays counted with the key.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde::Serialize;

use super::{
    key::{Key, Status},
    secret::{Secret, fresh_public_id},
    store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    ids::{ApiKeyId, InstitutionId},
    policy::{self, Action, Actor, Denied},
};

/// How long the secret of before answers beside the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    None,
    Hour,
    Day,
    Week,
}

impl Overlap {
    /// All, the shortest first.
    pub const ALL: [Self; 4] = [Self::None, Self::Hour, Self::Day, Self::Week];

    /// The word in forms and keys of texts (`key-overlap-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
        }
    }

    /// Reads [`Overlap::name`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|overlap| overlap.name() == text)
    }

    fn time(self) -> TimeDelta {
        match self {
            Self::None => TimeDelta::zero(),
            Self::Hour => TimeDelta::hours(1),
            Self::Day => TimeDelta::days(1),
            Self::Week => TimeDelta::days(7),
        }
    }
}

/// Why a key got no other secret.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    #[error("there is no key {0}")]
    NotFound(ApiKeyId),
    #[error("a key that is {} has no secret to replace", .0.name())]
    WrongStatus(Status),
    #[error("the key has expired")]
    Expired,
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
struct Rotated<'a> {
    key: ApiKeyId,
    name: &'a str,
    public_id: &'a str,
    public_id_before: &'a str,
    ends_at: DateTime<Utc>,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Rotated<'_> {
    fn kind(&self) -> &'static str {
        "keys.rotated"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "api_key",
            id: self.key.0,
            institution: self.institution,
        }
    }
}

/// Makes another secret, to be shown once to who asked for the key; that of before ends after `overlap`.
///
/// # Errors
/// [`RotateError::WrongStatus`] where the key is not in use.
pub async fn rotate(
    db: &Db,
    actor: &Actor,
    id: ApiKeyId,
    overlap: Overlap,
    pepper: &SecretString,
) -> Result<(Key, Secret), RotateError> {
    let mut tx = db.write(actor).await?;
    let key = store::lock(&mut tx, id)
        .await?
        .ok_or(RotateError::NotFound(id))?;
    let permit = policy::check(actor, Action::RevealKey, &key.scope())?;
    if key.status != Status::Active {
        return Err(RotateError::WrongStatus(key.status));
    }
    if key.expires_at <= tx.now() {
        return Err(RotateError::Expired);
    }
    let ends_at = (tx.now() + overlap.time()).min(key.expires_at);
    let secret = Secret::generate(&fresh_public_id());
    let hmac = secret.hmac(pepper);
    store::rotate_secret(&mut tx, id, (secret.public_id(), &hmac), ends_at).await?;
    tx.record(&Rotated {
        key: id,
        name: &key.name,
        public_id: secret.public_id(),
        public_id_before: &key.public_id,
        ends_at,
        institution: key.institution,
    })?;
    tx.commit(permit).await?;
    Ok((key, secret))
}
