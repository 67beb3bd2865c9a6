//! Which models should be served, by how many places each. Where they then stand, `serving` sees to.

use serde::Serialize;
use sqlx::PgConnection;

use super::{
    model::{Kind, Model, Status},
    receipt::{self, NoReceipt},
    store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject, WriteTx},
    error::AppError,
    ids::{DeploymentId, InstitutionId, ModelId},
    objects::ObjectError,
    policy::{self, Action, Actor, Denied, Permit},
};

/// Why a deployment did not change.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    #[error("there is no model {0}")]
    NotFound(ModelId),
    #[error("a model is deployed once it is released")]
    NotReleased,
    #[error("it has no receipt that holds")]
    Receipt(#[from] NoReceipt),
    #[error("data in its lineage was withdrawn, and nobody has decided on it yet")]
    Quarantined,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("it is not deployed")]
    NotDeployed,
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for DeployError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<DeployError> for AppError {
    fn from(error: DeployError) -> Self {
        match error {
            DeployError::NotFound(_) => Self::NotFound,
            DeployError::NotReleased => Self::conflict("model-not-released"),
            DeployError::Receipt(NoReceipt::Store(why)) => why.into(),
            DeployError::Receipt(why) => {
                tracing::error!(%why, "a receipt does not hold");
                Self::conflict("model-receipt-bad")
            }
            DeployError::Quarantined => Self::conflict("model-quarantined-not-deployed"),
            DeployError::Denied(why) => why.into(),
            DeployError::NotDeployed => Self::conflict("deployment-not-there"),
            DeployError::Objects(why) => why.into(),
            DeployError::Store(why) => why.into(),
            DeployError::Commit(why) => why.into(),
        }
    }
}

/// In how many serving processes a model is to stand: 1 to 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Replicas(i32);

impl Replicas {
    /// One.
    pub const ONE: Self = Self(1);
    /// The most there may be.
    pub const MOST: i32 = 32;

    /// None where it is not from 1 to 32.
    #[must_use]
    pub fn new(count: i64) -> Option<Self> {
        let count = i32::try_from(count).ok()?;
        (1..=Self::MOST).contains(&count).then_some(Self(count))
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Did {
    Deployed { replicas: Option<Replicas> },
    Scaled { replicas: Replicas },
    Drained,
    Stopped,
}

#[derive(Debug, Serialize)]
struct Deployed {
    model: ModelId,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<Replicas>,
    #[serde(skip)]
    did: Did,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Deployed {
    fn of(model: Model, did: Did) -> Self {
        Self {
            model: model.id,
            name: model.name,
            replicas: match did {
                Did::Deployed { replicas } => replicas,
                Did::Scaled { replicas } => Some(replicas),
                Did::Drained | Did::Stopped => None,
            },
            did,
            institution: model.institution,
        }
    }
}

impl Event for Deployed {
    fn kind(&self) -> &'static str {
        match self.did {
            Did::Deployed { .. } => "models.deployed",
            Did::Scaled { .. } => "models.scaled",
            Did::Drained => "models.drained",
            Did::Stopped => "models.stopped",
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

/// The model, kept from changing, and leave to say how it is served.
async fn lock(tx: &mut WriteTx<'_>, id: ModelId) -> Result<(Model, Permit), DeployError> {
    let model = store::lock(tx, id)
        .await?
        .ok_or(DeployError::NotFound(id))?;
    let permit = policy::check(tx.actor(), Action::DeployModel, &model.scope())?;
    Ok((model, permit))
}

/// Has a released model served, and with adapters their base. Deploying what is deployed changes nothing but the
/// number of replicas, where one is given; what drained takes requests again.
///
/// # Errors
/// [`DeployError::NotReleased`] where it is not released, [`DeployError::Receipt`] where its receipt or that of its
/// base does not hold.
pub async fn deploy(
    db: &Db,
    actor: &Actor,
    id: ModelId,
    replicas: Option<Replicas>,
) -> Result<(), DeployError> {
    let mut tx = db.write(actor).await?;
    let (model, permit) = lock(&mut tx, id).await?;
    if model.status != Status::Released {
        return Err(DeployError::NotReleased);
    }
    if model.quarantine.is_some() {
        return Err(DeployError::Quarantined);
    }
    if let Kind::Adapter { base, .. } = model.kind {
        receipt::check(tx.conn(), base).await?;
        want(&mut tx, base, None).await?;
    }
    receipt::check(tx.conn(), id).await?;
    want(&mut tx, id, replicas).await?;
    tx.record(&Deployed::of(model, Did::Deployed { replicas }))?;
    tx.commit(permit).await?;
    Ok(())
}

/// Says in how many processes a deployed model is to stand.
///
/// # Errors
/// [`DeployError::NotDeployed`] where it is not deployed, or drains.
pub async fn scale(
    db: &Db,
    actor: &Actor,
    id: ModelId,
    replicas: Replicas,
) -> Result<(), DeployError> {
    let mut tx = db.write(actor).await?;
    let (model, permit) = lock(&mut tx, id).await?;
    let scaled = sqlx::query!(
        "UPDATE deployments SET replicas = $2
         WHERE model_id = $1 AND status <> 'stopped' AND draining_at IS NULL",
        id.0,
        replicas.0,
    )
    .execute(tx.conn())
    .await?;
    if scaled.rows_affected() == 0 {
        return Err(DeployError::NotDeployed);
    }
    tx.record(&Deployed::of(model, Did::Scaled { replicas }))?;
    tx.commit(permit).await?;
    Ok(())
}

/// Sends a deployed model nothing new; it is stopped once what it answers has ended.
///
/// # Errors
/// [`DeployError::NotDeployed`] where it is not deployed, or drains already.
pub async fn drain(db: &Db, actor: &Actor, id: ModelId) -> Result<(), DeployError> {
    let mut tx = db.write(actor).await?;
    let (model, permit) = lock(&mut tx, id).await?;
    let now = tx.now();
    let drained = sqlx::query!(
        "UPDATE deployments SET draining_at = $2
         WHERE model_id = $1 AND status <> 'stopped' AND draining_at IS NULL",
        id.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    if drained.rows_affected() == 0 {
        return Err(DeployError::NotDeployed);
    }
    tx.record(&Deployed::of(model, Did::Drained))?;
    tx.commit(permit).await?;
    Ok(())
}

/// Ends the serving of a model, and with it what it answers.
///
/// # Errors
/// [`DeployError::NotFound`] where there is no such model.
pub async fn stop(db: &Db, actor: &Actor, id: ModelId) -> Result<(), DeployError> {
    let mut tx = db.write(actor).await?;
    let (model, permit) = lock(&mut tx, id).await?;
    stop_in(&mut tx, id).await?;
    tx.record(&Deployed::of(model, Did::Stopped))?;
    tx.commit(permit).await?;
    Ok(())
}

async fn want(
    tx: &mut WriteTx<'_>,
    model: ModelId,
    replicas: Option<Replicas>,
) -> Result<(), StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "INSERT INTO deployments (id, model_id, status, created_by, created_at, replicas)
         VALUES ($1, $2, 'wanted', $3, $4, coalesce($5::integer, 1))
         ON CONFLICT (model_id) WHERE status <> 'stopped' DO UPDATE
         SET replicas = coalesce($5, deployments.replicas), draining_at = NULL",
        DeploymentId::fresh().0,
        model.0,
        actor.user.0,
        now,
        replicas.map(|replicas| replicas.0),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn stop_in(tx: &mut WriteTx<'_>, model: ModelId) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "UPDATE deployments SET status = 'stopped', stopped_at = $2 WHERE model_id = $1 AND status <> 'stopped'",
        model.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// How a model is served, for its page: status and message.
pub(super) async fn state(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<Option<(String, Option<String>)>, StoreError> {
    let row = sqlx::query!(
        "SELECT status, message FROM deployments WHERE model_id = $1 AND status <> 'stopped'",
        model.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.status, row.message)))
}
