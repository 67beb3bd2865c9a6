//! The SQL of models, their files and receipts.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    model::{Kind, Model, ModelFile, Quarantine, ServedModel, Status},
    provenance::AuditPosition,
    scope::{DistributionScope, Limit, LimitKind},
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
pub(super) async fn lock(tx: &mut WriteTx<'_>, id: ModelId) -> Result<Option<Model>, StoreError> {
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

pub(super) async fn list(
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

/// The files of a model, by name.
///
/// # Errors
/// Where the database is away.
pub async fn files_of(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<Vec<ModelFile>, StoreError> {
    let rows = sqlx::query_as!(
        ModelFile,
        "SELECT id, name, size_bytes, sha256, object_key, object_version FROM model_files
         WHERE model_id = $1 ORDER BY name",
        model.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
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
pub(super) async fn insert(
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

/// A file to be kept with a model.
#[derive(Debug, Clone)]
pub struct NewFile {
    pub name: String,
    pub size_bytes: i64,
    pub sha256: String,
    pub object_key: String,
    pub object_version: String,
}

pub(super) async fn insert_file(
    tx: &mut WriteTx<'_>,
    model: ModelId,
    file: &NewFile,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO model_files (id, model_id, name, size_bytes, sha256, object_key, object_version)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        uuid::Uuid::now_v7(),
        model.0,
        file.name,
        file.size_bytes,
        file.sha256,
        file.object_key,
        file.object_version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn insert_receipt(
    tx: &mut WriteTx<'_>,
    model: ModelId,
    (envelope, statement_sha256): (&str, &str),
    keyid: &str,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO receipts (model_id, envelope, statement_sha256, created_at, keyid) VALUES ($1, $2, $3, $4, $5)",
        model.0,
        envelope,
        statement_sha256,
        now,
        keyid,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The receipt of a model, as it was signed.
///
/// # Errors
/// Where the database is away.
pub async fn receipt(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<Option<String>, StoreError> {
    let row = sqlx::query_scalar!("SELECT envelope FROM receipts WHERE model_id = $1", model.0)
        .fetch_optional(conn)
        .await?;
    Ok(row)
}

/// A receipt with the moment at which it was signed.
pub(super) async fn receipt_row(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<Option<(String, DateTime<Utc>)>, StoreError> {
    let row = sqlx::query!(
        "SELECT envelope, created_at FROM receipts WHERE model_id = $1",
        model.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.envelope, row.created_at)))
}

/// How far the audit log is.
pub(super) async fn audit_position(tx: &mut WriteTx<'_>) -> Result<AuditPosition, StoreError> {
    let last =
        sqlx::query!("SELECT seq, hash FROM events WHERE seq = (SELECT seq FROM audit_head)")
            .fetch_optional(tx.conn())
            .await?;
    // Before the first line there is nothing to name: number 0, and no hash.
    Ok(last.map_or_else(
        || AuditPosition {
            seq: 0,
            hash: String::new(),
        },
        |last| AuditPosition {
            seq: last.seq,
            hash: data_encoding::HEXLOWER.encode(&last.hash),
        },
    ))
}

/// The terms of a permission, as the text that was hashed.
pub(super) async fn terms(
    conn: &mut PgConnection,
    permission: uuid::Uuid,
) -> Result<Option<String>, StoreError> {
    let terms = sqlx::query_scalar!("SELECT terms FROM permissions WHERE id = $1", permission)
        .fetch_optional(conn)
        .await?;
    Ok(terms)
}

fn territories(scope: &DistributionScope) -> Option<Vec<String>> {
    let codes = scope.territories.as_ref();
    codes.map(|codes| codes.iter().cloned().collect())
}

/// How far a model may go, by the database's own rule.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn scope(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<DistributionScope, StoreError> {
    let row = sqlx::query!(
        r#"SELECT recipients AS "recipients!", allows_commercial AS "allows_commercial!", territories,
                  share_alike AS "share_alike!"
           FROM model_scope($1)"#,
        model.0,
    )
    .fetch_one(conn)
    .await?;
    let recipients = row.recipients.parse().map_err(|_| CorruptRow {
        table: "models",
        id: model.0,
        problem: "unknown recipients",
    })?;
    Ok(DistributionScope {
        recipients,
        allows_commercial_use: row.allows_commercial,
        territories: row.territories.map(|codes| codes.into_iter().collect()),
        is_share_alike: row.share_alike,
    })
}

/// Whether a model may be used for profit: as it was released, and never further than its lineage allows.
///
/// # Errors
/// Where the database is away.
pub async fn allows_commercial_use(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<bool, StoreError> {
    let allows = sqlx::query_scalar!(
        r#"SELECT allows_commercial AS "allows_commercial!" FROM model_release($1)"#,
        model.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(allows.unwrap_or(false))
}

/// Everything in the lineage of a model that limits how far it may go.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn limits(conn: &mut PgConnection, model: ModelId) -> Result<Vec<Limit>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT kind AS "kind!", id AS "id!", label AS "label!", recipients AS "recipients!",
                  allows_commercial AS "allows_commercial!", territory_codes(territories) AS territories,
                  share_alike AS "share_alike!"
           FROM model_limits($1) ORDER BY kind, id"#,
        model.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = |problem| CorruptRow {
                table: "models",
                id: model.0,
                problem,
            };
            Ok(Limit {
                kind: LimitKind::parse(&row.kind).ok_or_else(|| corrupt("unknown limit"))?,
                id: row.id,
                label: row.label,
                scope: DistributionScope {
                    recipients: row
                        .recipients
                        .parse()
                        .map_err(|_| corrupt("unknown recipients"))?,
                    allows_commercial_use: row.allows_commercial,
                    territories: row.territories.map(|codes| codes.into_iter().collect()),
                    is_share_alike: row.share_alike,
                },
            })
        })
        .collect()
}

/// Releases a model as far as `to`; the database refuses what is wider than its lineage.
pub(super) async fn save_release(
    tx: &mut WriteTx<'_>,
    model: ModelId,
    to: &DistributionScope,
) -> Result<(), StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    let to_territories = territories(to);
    sqlx::query!(
        "UPDATE models SET status = 'released', released_by = $2, released_at = $3, release_recipients = $4,
             release_commercial = $5, release_territories = $6, release_share_alike = $7
         WHERE id = $1",
        model.0,
        actor.user.0,
        now,
        to.recipients.name(),
        to.allows_commercial_use,
        to_territories.as_deref(),
        to.is_share_alike,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whether the model modifies its base by a third or more and nobody has decided on that; the database's own rule.
pub(super) async fn needs_decision(
    tx: &mut WriteTx<'_>,
    model: ModelId,
) -> Result<bool, StoreError> {
    let needs = sqlx::query_scalar!(
        r#"SELECT needs_modification_decision($1) AS "needs!""#,
        model.0
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(needs)
}

pub(super) async fn save_status(
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
