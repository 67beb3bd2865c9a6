//! Where models are served: what should be, what is.
//!
//! Serving programs ask for their assignments and report how they stand; the portal never calls them for
//! this, so that they may stand behind any door.

use std::time::Duration;

use job_contract::{Assignment, Assignments, ModelKind, ModelState, ServingStatus};
use serde::Serialize;
use sqlx::PgConnection;

use super::{
    model::{Kind, Status},
    receipt::{self, NoReceipt},
    store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject, WriteTx},
    error::AppError,
    ids::{DeploymentId, InstitutionId, ModelId},
    objects::{ObjectError, ObjectStore},
    policy::{self, Action, Actor, Denied},
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
            DeployError::Objects(why) => why.into(),
            DeployError::Store(why) => why.into(),
            DeployError::Commit(why) => why.into(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Deployed {
    model: ModelId,
    name: String,
    #[serde(skip)]
    is_stopped: bool,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Deployed {
    fn kind(&self) -> &'static str {
        if self.is_stopped {
            "models.stopped"
        } else {
            "models.deployed"
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

/// Has a released model served, and with adapters their base. Deploying what is deployed changes nothing.
///
/// # Errors
/// [`DeployError::NotReleased`] where it is not released, [`DeployError::Receipt`] where its receipt or that of its
/// base does not hold.
pub async fn deploy(db: &Db, actor: &Actor, id: ModelId) -> Result<(), DeployError> {
    let mut tx = db.write(actor).await?;
    let model = store::lock(&mut tx, id)
        .await?
        .ok_or(DeployError::NotFound(id))?;
    let permit = policy::check(actor, Action::DeployModel, &model.scope())?;
    if model.status != Status::Released {
        return Err(DeployError::NotReleased);
    }
    if model.quarantine.is_some() {
        return Err(DeployError::Quarantined);
    }
    if let Kind::Adapter { base, .. } = model.kind {
        receipt::check(tx.conn(), base).await?;
        want(&mut tx, base).await?;
    }
    receipt::check(tx.conn(), id).await?;
    want(&mut tx, id).await?;
    tx.record(&Deployed {
        model: id,
        name: model.name,
        is_stopped: false,
        institution: model.institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}

/// Ends the serving of a model.
///
/// # Errors
/// [`DeployError::NotFound`] where there is no such model.
pub async fn stop(db: &Db, actor: &Actor, id: ModelId) -> Result<(), DeployError> {
    let mut tx = db.write(actor).await?;
    let model = store::lock(&mut tx, id)
        .await?
        .ok_or(DeployError::NotFound(id))?;
    let permit = policy::check(actor, Action::DeployModel, &model.scope())?;
    stop_in(&mut tx, id).await?;
    tx.record(&Deployed {
        model: id,
        name: model.name,
        is_stopped: true,
        institution: model.institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}

async fn want(tx: &mut WriteTx<'_>, model: ModelId) -> Result<(), StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "INSERT INTO deployments (id, model_id, status, created_by, created_at) VALUES ($1, $2, 'wanted', $3, $4)
         ON CONFLICT (model_id) WHERE status <> 'stopped' DO NOTHING",
        DeploymentId::fresh().0,
        model.0,
        actor.user.0,
        now,
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

/// Everything that should be served now, with addresses to read the files from for a quarter of an hour.
pub(super) async fn assignments(
    db: &Db,
    objects: &ObjectStore,
) -> Result<Assignments, DeployError> {
    let mut conn = db.read().await?;
    let rows = sqlx::query!(
        r#"SELECT d.id, d.model_id, m.name, b.name AS "base?"
           FROM deployments d
           JOIN models m ON m.id = d.model_id
           LEFT JOIN models b ON b.id = m.base_model_id AND m.kind = 'adapter'
           WHERE d.status <> 'stopped' ORDER BY m.kind = 'adapter', d.id"#
    )
    .fetch_all(&mut *conn)
    .await
    .map_err(StoreError::from)?;
    let mut models = Vec::new();
    for row in rows {
        let mut files = Vec::new();
        for file in store::files_of(&mut conn, ModelId(row.model_id)).await? {
            let url = objects
                .presign_get(
                    &file.object_key,
                    &file.object_version,
                    Duration::from_secs(900),
                )
                .await?;
            files.push(job_contract::ModelFile {
                name: file.name,
                size_bytes: u64::try_from(file.size_bytes).unwrap_or_default(),
                sha256: file.sha256,
                url,
            });
        }
        models.push(Assignment {
            deployment: row.id,
            model: row.name,
            kind: match row.base {
                Some(base) => ModelKind::Adapter { base },
                // A whole model is served by itself, as bases are.
                None => ModelKind::Base,
            },
            files,
            receipt: store::receipt(&mut conn, ModelId(row.model_id)).await?,
        });
    }
    Ok(Assignments { models })
}

/// Notes how a serving program stands with its assignments.
pub(super) async fn report(db: &Db, status: &ServingStatus) -> Result<(), StoreError> {
    let mut tx = db.meter().await?;
    let now = tx.now();
    for model in &status.models {
        let (word, address) = match model.state {
            ModelState::Ready => ("ready", Some(status.address.as_str())),
            ModelState::Loading => ("wanted", None),
            ModelState::Failed => ("failed", None),
        };
        sqlx::query!(
            "UPDATE deployments SET status = $2, message = $3, address = $4, seen_at = $5
             WHERE id = $1 AND status <> 'stopped'",
            model.deployment,
            word,
            model.message,
            address,
            now,
        )
        .execute(tx.conn())
        .await?;
    }
    tx.commit().await?;
    db.note_change();
    Ok(())
}
