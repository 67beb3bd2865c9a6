//! How far a model may go: released, retired.

use serde::Serialize;

use super::{
    model::{Model, Status},
    store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    error::AppError,
    ids::{InstitutionId, ModelId},
    policy::{self, Action, Actor, Denied},
};

/// Why a model's status did not change.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    #[error("there is no model {0}")]
    NotFound(ModelId),
    #[error("a model that is {} cannot become that", .0.name())]
    WrongStatus(Status),
    #[error("data in its lineage was withdrawn")]
    Marked,
    #[error("a modification this heavy waits for the decision of a legal reviewer")]
    NeedsDecision,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for ReleaseError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<ReleaseError> for AppError {
    fn from(error: ReleaseError) -> Self {
        match error {
            ReleaseError::NotFound(_) => Self::NotFound,
            ReleaseError::WrongStatus(_) => Self::conflict("model-wrong-status"),
            ReleaseError::Marked => Self::conflict("model-marked-not-released"),
            ReleaseError::NeedsDecision => Self::conflict("model-needs-decision"),
            ReleaseError::Denied(why) => why.into(),
            ReleaseError::Store(why) => why.into(),
            ReleaseError::Commit(why) => why.into(),
        }
    }
}

#[derive(Debug, Serialize)]
struct StatusChanged {
    model: ModelId,
    name: String,
    #[serde(skip)]
    status: Status,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for StatusChanged {
    fn kind(&self) -> &'static str {
        match self.status {
            Status::Registered => "models.registered",
            Status::Released => "models.released",
            Status::Retired => "models.retired",
        }
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "model",
            id: self.model.0,
            institution: self.institution,
        }
    }
}

/// Lets a registered model be deployed.
///
/// # Errors
/// [`ReleaseError::Marked`] where data in its lineage was withdrawn.
pub async fn release(db: &Db, actor: &Actor, id: ModelId) -> Result<(), ReleaseError> {
    change(db, actor, id, |model| {
        if model.marked.is_some() {
            return Err(ReleaseError::Marked);
        }
        model
            .status
            .release()
            .ok_or(ReleaseError::WrongStatus(model.status))
    })
    .await
}

/// Ends a model's use: its deployments stop, the gateway refuses it.
///
/// # Errors
/// [`ReleaseError::WrongStatus`] where it is retired already.
pub async fn retire(db: &Db, actor: &Actor, id: ModelId) -> Result<(), ReleaseError> {
    change(db, actor, id, |model| {
        model
            .status
            .retire()
            .ok_or(ReleaseError::WrongStatus(model.status))
    })
    .await
}

async fn change(
    db: &Db,
    actor: &Actor,
    id: ModelId,
    next: impl FnOnce(&Model) -> Result<Status, ReleaseError>,
) -> Result<(), ReleaseError> {
    let mut tx = db.write(actor).await?;
    let model = store::lock(&mut tx, id)
        .await?
        .ok_or(ReleaseError::NotFound(id))?;
    let permit = policy::check(actor, Action::ReleaseModel, &model.scope())?;
    let status = next(&model)?;
    if status == Status::Released && store::needs_decision(&mut tx, id).await? {
        return Err(ReleaseError::NeedsDecision);
    }
    if status == Status::Retired {
        super::deploy::stop_in(&mut tx, id).await?;
    }
    store::save_status(&mut tx, id, status).await?;
    tx.record(&StatusChanged {
        model: id,
        name: model.name,
        status,
        institution: model.institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}
