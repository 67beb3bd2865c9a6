//! Showing a key to who asked for it, once. The secret is made at that moment and kept nowhere.

use secrecy::SecretString;
use serde::Serialize;

use super::{
    key::{Key, Status},
    secret::Secret,
    store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    ids::{ApiKeyId, InstitutionId},
    policy::{self, Action, Actor, Denied},
};

/// Why a key was not shown.
#[derive(Debug, thiserror::Error)]
pub enum RevealError {
    #[error("there is no key {0}")]
    NotFound(ApiKeyId),
    #[error("a key that is {} cannot be shown", .0.name())]
    WrongStatus(Status),
    #[error("the key expired before it was shown")]
    Expired,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for RevealError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[derive(Debug, Serialize)]
struct Revealed<'a> {
    key: ApiKeyId,
    public_id: &'a str,
    name: &'a str,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Revealed<'_> {
    fn kind(&self) -> &'static str {
        "keys.revealed"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "api_key",
            id: self.key.0,
            institution: self.institution,
        }
    }
}

/// Makes the secret and answers it with the key it belongs to.
///
/// # Errors
/// [`RevealError::WrongStatus`] where it is not approved, or was shown already.
pub async fn reveal(
    db: &Db,
    actor: &Actor,
    id: ApiKeyId,
    pepper: &SecretString,
) -> Result<(Key, Secret), RevealError> {
    let mut tx = db.write(actor).await?;
    let key = store::lock(&mut tx, id)
        .await?
        .ok_or(RevealError::NotFound(id))?;
    let permit = policy::check(actor, Action::RevealKey, &key.scope())?;
    key.status
        .reveal()
        .ok_or(RevealError::WrongStatus(key.status))?;
    if key.expires_at <= tx.now() {
        return Err(RevealError::Expired);
    }
    let secret = Secret::generate(&key.public_id);
    store::save_secret(&mut tx, id, (secret.public_id(), &secret.hmac(pepper))).await?;
    tx.record(&Revealed {
        key: id,
        public_id: &key.public_id,
        name: &key.name,
        institution: key.institution,
    })?;
    tx.commit(permit).await?;
    Ok((key, secret))
}
