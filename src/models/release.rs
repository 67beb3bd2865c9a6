//! How far a model may go: released, retired.

use serde::{Deserialize, Serialize};

use super::{
    evaluation::MemorisationStanding,
    evaluation_store,
    model::Status,
    receipt::{self, NoReceipt},
    scope::DistributionScope,
    store,
};
use crate::{
    datasets,
    db::{CommitError, Db, Event, StoreError, Subject},
    error::AppError,
    ids::{InstitutionId, ModelId},
    permissions::Recipients,
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
    #[error("the release is wider than its lineage allows")]
    Wider,
    #[error("it has no receipt that holds")]
    Receipt(#[from] NoReceipt),
    #[error("a modification this heavy waits for the decision of a legal reviewer")]
    NeedsDecision,
    /// A dataset that it comes from sets a limit on what it may keep by heart.
    #[error("it is held back by a limit on memorisation: {}", .0.name())]
    HeldBack(MemorisationStanding),
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
            ReleaseError::Wider => Self::conflict("model-release-wider"),
            ReleaseError::Receipt(NoReceipt::Store(why)) => why.into(),
            ReleaseError::Receipt(why) => {
                tracing::error!(%why, "a receipt does not hold");
                Self::conflict("model-receipt-bad")
            }
            ReleaseError::NeedsDecision => Self::conflict("model-needs-decision"),
            ReleaseError::HeldBack(MemorisationStanding::Exceeded) => {
                Self::conflict("model-memorises-too-much")
            }
            ReleaseError::HeldBack(_) => Self::conflict("model-memorisation-not-measured"),
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
    /// How far, where it was released.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<DistributionScope>,
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

/// To whom a model is released; what is left out is as wide as its lineage allows.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ReleaseTo {
    #[serde(default)]
    pub recipients: Option<Recipients>,
    /// Whether it may be used for profit: `yes` or `no`.
    #[serde(default)]
    pub commercial: Option<YesNo>,
}

/// An answer in a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum YesNo {
    Yes,
    No,
}

/// Lets a registered model be deployed and handed on, within its scope and with a receipt that holds.
///
/// # Errors
/// [`ReleaseError::Wider`] where its lineage does not allow that, [`ReleaseError::Marked`] where data in it was
/// withdrawn, [`ReleaseError::Receipt`] where the receipt does not hold, [`ReleaseError::HeldBack`] where a dataset's
/// limit on memorisation is exceeded, or set and nothing was measured.
pub async fn release(
    db: &Db,
    actor: &Actor,
    id: ModelId,
    to: &ReleaseTo,
) -> Result<(), ReleaseError> {
    let mut tx = db.write(actor).await?;
    // Datasets before models. A limit that is set meanwhile waits: what was decided here still holds then.
    for version in evaluation_store::versions_in_lineage(tx.conn(), id).await? {
        datasets::lock_for_use(&mut tx, version).await?;
    }
    let model = store::lock(&mut tx, id)
        .await?
        .ok_or(ReleaseError::NotFound(id))?;
    let permit = policy::check(actor, Action::ReleaseModel, &model.scope())?;
    if model.marked.is_some() {
        return Err(ReleaseError::Marked);
    }
    let status = model
        .status
        .release()
        .ok_or(ReleaseError::WrongStatus(model.status))?;
    if store::needs_decision(&mut tx, id).await? {
        return Err(ReleaseError::NeedsDecision);
    }
    let standing = evaluation_store::memorisation_standing(tx.conn(), id).await?;
    if standing.holds_back() {
        return Err(ReleaseError::HeldBack(standing));
    }
    receipt::check(tx.conn(), id).await?;
    let scope = store::scope(tx.conn(), id).await?;
    let wanted = DistributionScope {
        recipients: to.recipients.unwrap_or(scope.recipients),
        allows_commercial_use: to
            .commercial
            .map_or(scope.allows_commercial_use, |answer| answer == YesNo::Yes),
        ..scope.clone()
    };
    if !scope.covers(&wanted) {
        return Err(ReleaseError::Wider);
    }
    store::save_release(&mut tx, id, &wanted).await?;
    tx.record(&StatusChanged {
        model: id,
        name: model.name,
        scope: Some(wanted),
        status,
        institution: model.institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}

/// Ends a model's use: its deployments stop, the gateway refuses it.
///
/// # Errors
/// [`ReleaseError::WrongStatus`] where it is retired already.
pub async fn retire(db: &Db, actor: &Actor, id: ModelId) -> Result<(), ReleaseError> {
    let mut tx = db.write(actor).await?;
    let model = store::lock(&mut tx, id)
        .await?
        .ok_or(ReleaseError::NotFound(id))?;
    let permit = policy::check(actor, Action::RetireModel, &model.scope())?;
    let status = model
        .status
        .retire()
        .ok_or(ReleaseError::WrongStatus(model.status))?;
    super::deploy::stop_in(&mut tx, id).await?;
    store::save_status(&mut tx, id, status).await?;
    tx.record(&StatusChanged {
        model: id,
        name: model.name,
        scope: None,
        status,
        institution: model.institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}
