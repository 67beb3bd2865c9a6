//! Models themselves.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    super::{
        model::{Kind, Model, Quarantine, ServedModel, Status},
        scope::DistributionScope,
    },
    scopes::territories,
};
use crate::{
    db::{CorruptRow, Db, StoreError, WriteTx},
    ids::{InstitutionId, JobId, ModelId},
    policy::Visibility,
};

struct Row {
    id: uuid::Uuid,
    name: String,
    kind: String,
    family: String,
    license: String,
    base_model_id: Option<uuid::Uuid>,
    job_id: Option<uuid::Uuid>,
    institution_id: uuid::Uuid,
    status: String,
    marked_at: Option<DateTime<Utc>>,
    marked_reason: Option<String>,
    quarantined_at: Option<DateTime<Utc>>,
    quarantine: Option<String>,
    weights_sha256: String,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Model {
    type Error = CorruptRow;

    fn try_from(row: Row) -> Result<Self, CorruptRow> {
        let corrupt = |problem| CorruptRow {
            table: "models",
            id: row.id,
            problem,
        };
        let kind = match (row.kind.as_str(), row.base_model_id, row.job_id) {
            ("base", None, None) => Kind::Base,
            ("adapter", Some(base), Some(job)) => Kind::Adapter {
                base: ModelId(base),
                job: JobId(job),
            },
            ("whole", base, Some(job)) => Kind::Whole {
                base: base.map(ModelId),
                job: JobId(job),
            },
            _ => return Err(corrupt("kind and lineage disagree")),
        };
        Ok(Self {
            id: ModelId(row.id),
            kind,
            status: Status::parse(&row.status).ok_or_else(|| corrupt("unknown status"))?,
            name: row.name,
            family: row.family,
            license: row.license,
            institution: InstitutionId(row.institution_id),
            marked: row.marked_at.zip(row.marked_reason),
            quarantine: match (row.quarantined_at, row.quarantine.as_deref()) {
                (None, None) => None,
                (Some(at), Some("retrain")) => Some((at, Quarantine::Retrain)),
                (Some(at), Some("retire")) => Some((at, Quarantine::Retire)),
                _ => return Err(corrupt("unknown quarantine")),
            },
            weights_sha256: row.weights_sha256,
            created_at: row.created_at,
        })
    }
}

/// One model.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn find(conn: &mut PgConnection, id: ModelId) -> Result<Option<Model>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, name, kind, family, license, base_model_id, job_id, institution_id, status, marked_at,
                marked_reason, quarantined_at, quarantine, weights_sha256, created_at
         FROM models WHERE id = $1",
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Model::try_from).transpose()?)
}

/// One model, kept from changing until the transaction ends.
pub(in super::super) async fn lock(
    tx: &mut WriteTx<'_>,
    id: ModelId,
) -> Result<Option<Model>, StoreError> {
    sqlx::query!("SELECT id FROM models WHERE id = $1 FOR UPDATE", id.0)
        .fetch_optional(tx.conn())
        .await?;
    find(tx.conn(), id).await
}

/// One model by its name in requests.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn find_by_name(
    conn: &mut PgConnection,
    name: &str,
) -> Result<Option<Model>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, name, kind, family, license, base_model_id, job_id, institution_id, status, marked_at,
                marked_reason, quarantined_at, quarantine, weights_sha256, created_at
         FROM models WHERE name = $1",
        name,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Model::try_from).transpose()?)
}

/// The model that a job made.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn of_job(conn: &mut PgConnection, job: JobId) -> Result<Option<Model>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, name, kind, family, license, base_model_id, job_id, institution_id, status, marked_at,
                marked_reason, quarantined_at, quarantine, weights_sha256, created_at
         FROM models WHERE job_id = $1",
        job.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Model::try_from).transpose()?)
}

pub(in super::super) async fn list(
    conn: &mut PgConnection,
    visibility: Visibility,
) -> Result<Vec<Model>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, name, kind, family, license, base_model_id, job_id, institution_id, status, marked_at,
                marked_reason, quarantined_at, quarantine, weights_sha256, created_at
         FROM models WHERE kind = 'base' OR $1::uuid IS NULL OR institution_id = $1
         ORDER BY kind = 'base' DESC, id DESC LIMIT 500",
        visibility.filter(),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok(Model::try_from(row)?))
        .collect()
}

/// The bases that may be tuned.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn base_models(db: &Db) -> Result<Vec<Model>, StoreError> {
    let mut conn = db.read().await?;
    let models = list(&mut conn, Visibility::Nothing).await?;
    Ok(models
        .into_iter()
        .filter(|model| model.kind == Kind::Base && model.is_usable())
        .collect())
}

/// What an institution may ask keys for: released bases and its own released models.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn usable_by(db: &Db, institution: InstitutionId) -> Result<Vec<Model>, StoreError> {
    let mut conn = db.read().await?;
    let models = list(&mut conn, Visibility::Institution(institution)).await?;
    Ok(models.into_iter().filter(Model::is_usable).collect())
}

/// Every model, for the gateway.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn served(db: &Db) -> Result<Vec<ServedModel>, StoreError> {
    let mut conn = db.read().await?;
    let rows = sqlx::query!(
        "SELECT id, name, kind, institution_id, status, marked_reason, quarantined_at, created_at
         FROM models ORDER BY id"
    )
    .fetch_all(&mut *conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(ServedModel {
                id: ModelId(row.id),
                name: row.name,
                is_base: row.kind == "base",
                institution: InstitutionId(row.institution_id),
                status: Status::parse(&row.status).ok_or(CorruptRow {
                    table: "models",
                    id: row.id,
                    problem: "unknown status",
                })?,
                marked_reason: row.marked_reason,
                quarantined_at: row.quarantined_at,
                created_at: row.created_at,
            })
        })
        .collect()
}

/// `own` is what the model's own licence allows.
pub(in super::super) async fn insert(
    tx: &mut WriteTx<'_>,
    model: &Model,
    own: &DistributionScope,
) -> Result<(), StoreError> {
    let own_territories = territories(own);
    sqlx::query!(
        "INSERT INTO models (id, name, kind, family, license, base_model_id, job_id, institution_id, status,
             weights_sha256, created_at, own_recipients, own_commercial, own_territories, own_share_alike)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        model.id.0,
        model.name,
        model.kind.name(),
        model.family,
        model.license,
        model.kind.base().map(|base| base.0),
        model.kind.job().map(|job| job.0),
        model.institution.0,
        model.status.name(),
        model.weights_sha256,
        model.created_at,
        own.recipients.name(),
        own.allows_commercial_use,
        own_territories.as_deref(),
        own.is_share_alike,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in super::super) async fn save_status(
    tx: &mut WriteTx<'_>,
    model: ModelId,
    status: Status,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE models SET status = $2 WHERE id = $1",
        model.0,
        status.name(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
