//! Revoking a key by presenting it. Whoever found a key somewhere need not know whose it is, nor have an account: to hold
//! the secret is proof enough that it is out.

use secrecy::SecretString;
use serde::Serialize;

use super::{key::Key, secret::Secret, store};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    ids::{ApiKeyId, InstitutionId},
    notices::{About, Notice, Recipient, tell_all},
    policy::{self, Action, Actor, Denied, Role},
};

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaked {
    /// It answers no more, from this moment.
    Revoked,
    /// It answered no more already.
    EndedBefore,
    /// No key of ours.
    Unknown,
}

impl Leaked {
    /// The word in answers and keys of texts (`key-leaked-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::EndedBefore => "ended-before",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a key that was presented was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum LeakedError {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for LeakedError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[derive(Debug, Serialize)]
struct Found<'a> {
    key: ApiKeyId,
    public_id: &'a str,
    name: &'a str,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Found<'_> {
    fn kind(&self) -> &'static str {
        "keys.leaked"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "api_key",
            id: self.key.0,
            institution: self.institution,
        }
    }
}

/// Ends the key that `text` is the secret of, and tells its requester and the managers of its institution. A secret that
/// was rotated away ends the key too while the key is in use: whoever lost one may have lost the other. What has not the form of a
/// key, or not its checksum, costs no look at the database.
///
/// # Errors
/// Where the database is away.
pub async fn report_leaked(
    db: &Db,
    pepper: &SecretString,
    text: &str,
) -> Result<Leaked, LeakedError> {
    let Some(secret) = Secret::parse(text.trim()) else {
        return Ok(Leaked::Unknown);
    };
    let visitor = Actor::visitor();
    let mut tx = db.write(&visitor).await?;
    let Some((id, stored)) = store::find_secret(tx.conn(), secret.public_id()).await? else {
        return Ok(Leaked::Unknown);
    };
    if !secret.matches(pepper, &stored) {
        return Ok(Leaked::Unknown);
    }
    let Some(key) = store::lock(&mut tx, id).await? else {
        return Ok(Leaked::Unknown);
    };
    if key.status.revoke().is_none() || key.is_expired(tx.now()) {
        return Ok(Leaked::EndedBefore);
    }
    let permit = policy::check(&visitor, Action::RevokeLeakedKey, &key.scope())?;
    store::save_revoked(&mut tx, id).await?;
    tell_all(&mut tx, &notices(&key)).await?;
    tx.record(&Found {
        key: id,
        public_id: secret.public_id(),
        name: &key.name,
        institution: key.institution,
    })?;
    tx.commit(permit).await?;
    Ok(Leaked::Revoked)
}

fn notices(key: &Key) -> Vec<Notice> {
    let institution = key.institution;
    let recipients = [
        Recipient::User {
            institution,
            user: key.requested_by,
        },
        Recipient::Role {
            institution,
            role: Role::Manager,
        },
    ];
    let about = About {
        kind: "api_key",
        id: key.id.0,
    };
    recipients
        .into_iter()
        .map(|to| {
            Notice::new("key-leaked", to, about)
                .with("name", &key.name)
                .link(format!("/keys/{}", key.id))
        })
        .collect()
}
