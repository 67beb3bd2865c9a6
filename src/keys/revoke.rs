//! Ending a key. The next request with it is refused here, and at every other replica once it has heard of it; answers
//! under way are cut.

use serde::Serialize;

use super::{key::Status, store};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    ids::{ApiKeyId, InstitutionId},
    policy::{self, Action, Actor, Denied},
};

/// Why a key was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    #[error("there is no key {0}")]
    NotFound(ApiKeyId),
    #[error("a key that is {} has ended already", .0.name())]
    WrongStatus(Status),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for RevokeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[derive(Debug, Serialize)]
struct Revoked<'a> {
    key: ApiKeyId,
    public_id: &'a str,
    name: &'a str,
    was: &'static str,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Revoked<'_> {
    fn kind(&self) -> &'static str {
        "keys.revoked"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "api_key",
            id: self.key.0,
            institution: self.institution,
        }
    }
}

/// Ends the key, or the request for it.
///
/// # Errors
/// [`RevokeError::WrongStatus`] where it has ended already.
pub async fn revoke(db: &Db, actor: &Actor, id: ApiKeyId) -> Result<(), RevokeError> {
    let mut tx = db.write(actor).await?;
    let key = store::lock(&mut tx, id)
        .await?
        .ok_or(RevokeError::NotFound(id))?;
    let permit = policy::check(actor, Action::RevokeKey, &key.scope())?;
    key.status
        .revoke()
        .ok_or(RevokeError::WrongStatus(key.status))?;
    store::save_revoked(&mut tx, id).await?;
    tx.record(&Revoked {
        key: id,
        public_id: &key.public_id,
        name: &key.name,
        was: key.status.name(),
        institution: key.institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}
