//! The terms under which an institution uses the models: accepted by one of its managers, before its first key is approved.

use serde::Serialize;
use sqlx::PgConnection;

use super::store;
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject, WriteTx},
    ids::InstitutionId,
    policy::{self, Action, Actor, Denied, Scope},
};

/// The terms that hold now: year and month in which they were written. Their text is `model-terms-*` of the locales; a change of what they
/// ask is a new version, to be accepted anew.
pub(super) const VERSION: &str = "2026-11";

/// Why the terms were not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TermsError {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for TermsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[derive(Debug, Serialize)]
struct Accepted {
    version: &'static str,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Accepted {
    fn kind(&self) -> &'static str {
        "keys.terms_accepted"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "institution",
            id: self.institution.0,
            institution: self.institution,
        }
    }
}

/// Accepts the terms for the actor's own institution; twice is once.
///
/// # Errors
/// [`TermsError::Denied`] for who is no manager of it.
pub async fn accept_terms(db: &Db, actor: &Actor) -> Result<(), TermsError> {
    let mut tx = db.write(actor).await?;
    let permit = policy::check(
        actor,
        Action::AcceptModelTerms,
        &Scope::of(actor.institution),
    )?;
    if accept_within(&mut tx, actor.institution).await? {
        tx.commit(permit).await?;
    }
    Ok(())
}

/// Accepts them within a transaction of who may; says whether they were not accepted before.
pub(super) async fn accept_within(
    tx: &mut WriteTx<'_>,
    institution: InstitutionId,
) -> Result<bool, TermsError> {
    let is_new = store::accept_terms(tx, institution, VERSION).await?;
    if is_new {
        tx.record(&Accepted {
            version: VERSION,
            institution,
        })?;
    }
    Ok(is_new)
}

/// Whether an institution accepted the terms that hold now.
///
/// # Errors
/// Where the database is away.
pub async fn has_accepted_terms(
    conn: &mut PgConnection,
    institution: InstitutionId,
) -> Result<bool, StoreError> {
    store::has_accepted_terms(conn, institution, VERSION).await
}
