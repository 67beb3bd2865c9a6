//! Somebody has a serving program take nothing new, or take it again.

use serde::Serialize;

use super::store;
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    error::AppError,
    ids::{InstitutionId, ServingProcessId},
    policy::{self, Action, Actor, Denied, Scope},
};

/// Why a program goes on as it did.
#[derive(Debug, thiserror::Error)]
pub(super) enum DrainError {
    #[error("there is no serving program {0}, or it is gone")]
    NotFound(ServingProcessId),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for DrainError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<DrainError> for AppError {
    fn from(error: DrainError) -> Self {
        match error {
            DrainError::NotFound(_) => Self::NotFound,
            DrainError::Denied(why) => why.into(),
            DrainError::Store(why) => why.into(),
            DrainError::Commit(why) => why.into(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Drained {
    process: ServingProcessId,
    name: String,
    #[serde(skip)]
    is_drained: bool,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Drained {
    fn kind(&self) -> &'static str {
        if self.is_drained {
            "serving.drained"
        } else {
            "serving.resumed"
        }
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "serving_process",
            id: self.process.0,
            institution: self.institution,
        }
    }
}

/// Has the program take nothing new (`is_drained`): its models go elsewhere, what runs ends there. Or take it again.
///
/// # Errors
/// [`DrainError::NotFound`] where there is none, or none that lives.
pub(super) async fn drain(
    db: &Db,
    actor: &Actor,
    process: ServingProcessId,
    is_drained: bool,
) -> Result<(), DrainError> {
    let mut tx = db.write(actor).await?;
    let permit = policy::check(actor, Action::DrainServing, &Scope::of(actor.institution))?;
    let name = store::save_drained(&mut tx, process, is_drained)
        .await?
        .ok_or(DrainError::NotFound(process))?;
    tx.record(&Drained {
        process,
        name,
        is_drained,
        institution: actor.institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}
