//! Jobs as they were asked for.

use chrono::{DateTime, TimeDelta, Utc};
use openai_api::Hyperparameters;
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::job::{Failed, Phase, TuningJob, WaitsFor};
use crate::{
    db::{CorruptRow, MeterTx, StoreError, WriteTx},
    ids::{ApiKeyId, DatasetVersionId, InstitutionId, JobId, ModelId, UserId},
};

struct Row {
    id: Uuid,
    institution_id: Uuid,
    api_key_id: Uuid,
    created_by: Uuid,
    created_at: DateTime<Utc>,
    base_model_id: Uuid,
    base_name: String,
    base_family: String,
    training_file: String,
    validation_file: Option<String>,
    training_version_id: Uuid,
    validation_version_id: Option<Uuid>,
    metadata: serde_json::Value,
    method: serde_json::Value,
    resolved: Option<serde_json::Value>,
    wish: serde_json::Value,
    phase: String,
    examined_at: Option<DateTime<Utc>>,
    waits_for: serde_json::Value,
    error: Option<serde_json::Value>,
    ended_at: Option<DateTime<Utc>>,
    told_status: Option<String>,
}

impl TryFrom<Row> for TuningJob {
    type Error = CorruptRow;

    fn try_from(row: Row) -> Result<Self, CorruptRow> {
        let corrupt = |problem| CorruptRow {
            table: "fine_tuning_jobs",
            id: row.id,
            problem,
        };
        Ok(Self {
            id: JobId(row.id),
            institution: InstitutionId(row.institution_id),
            key: ApiKeyId(row.api_key_id),
            created_by: UserId(row.created_by),
            created_at: row.created_at,
            base: ModelId(row.base_model_id),
            base_name: row.base_name,
            base_family: row.base_family,
            training_file: row.training_file,
            validation_file: row.validation_file,
            training_version: DatasetVersionId(row.training_version_id),
            validation_version: row.validation_version_id.map(DatasetVersionId),
            metadata: serde_json::from_value(row.metadata).map_err(|_| corrupt("metadata"))?,
            method: serde_json::from_value(row.method).map_err(|_| corrupt("method"))?,
            resolved: row
                .resolved
                .map(serde_json::from_value)
                .transpose()
                .map_err(|_| corrupt("resolved"))?,
            wish: serde_json::from_value(row.wish).map_err(|_| corrupt("wish"))?,
            phase: Phase::parse(&row.phase).ok_or_else(|| corrupt("unknown phase"))?,
            examined_at: row.examined_at,
            waits_for: serde_json::from_value(row.waits_for).map_err(|_| corrupt("waits_for"))?,
            error: row
                .error
                .map(serde_json::from_value)
                .transpose()
                .map_err(|_| corrupt("error"))?,
            ended_at: row.ended_at,
            told_status: row.told_status,
        })
    }
}

/// Which jobs are meant.
#[derive(Default)]
struct Filter<'a> {
    id: Option<JobId>,
    institution: Option<InstitutionId>,
    /// Older than this one.
    after: Option<Uuid>,
    /// Those with all of these pairs.
    metadata: Option<&'a serde_json::Value>,
    without_metadata: bool,
    limit: i64,
}

async fn select(conn: &mut PgConnection, filter: Filter<'_>) -> Result<Vec<TuningJob>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT f.id, f.institution_id, f.api_key_id, f.created_by, f.created_at,
                f.base_model_id, m.name AS base_name, m.family AS base_family, f.training_file, f.validation_file,
                f.training_version_id, f.validation_version_id, f.metadata, f.method, f.resolved, f.wish, f.phase,
                f.examined_at, f.waits_for, f.error, f.ended_at, f.told_status
         FROM fine_tuning_jobs f JOIN models m ON m.id = f.base_model_id
         WHERE ($1::uuid IS NULL OR f.id = $1) AND ($2::uuid IS NULL OR f.institution_id = $2)
           AND ($3::uuid IS NULL OR f.id < $3) AND ($4::jsonb IS NULL OR f.metadata @> $4)
           AND (NOT $5 OR f.metadata = '{}')
         ORDER BY f.id DESC LIMIT $6",
        filter.id.map(|id| id.0),
        filter.institution.map(|id| id.0),
        filter.after,
        filter.metadata,
        filter.without_metadata,
        filter.limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok(TuningJob::try_from(row)?))
        .collect()
}

/// One job, whoever asks.
pub(in super::super) async fn find(
    conn: &mut PgConnection,
    id: JobId,
) -> Result<Option<TuningJob>, StoreError> {
    let filter = Filter {
        id: Some(id),
        limit: 1,
        ..Filter::default()
    };
    Ok(select(conn, filter).await?.pop())
}

/// One job of an institution.
pub(in super::super) async fn find_of(
    conn: &mut PgConnection,
    institution: InstitutionId,
    id: JobId,
) -> Result<Option<TuningJob>, StoreError> {
    let filter = Filter {
        id: Some(id),
        institution: Some(institution),
        limit: 1,
        ..Filter::default()
    };
    Ok(select(conn, filter).await?.pop())
}

/// The jobs of an institution, newest first, with all of these pairs of metadata; `None`: with none at all.
pub(in super::super) async fn list(
    conn: &mut PgConnection,
    institution: InstitutionId,
    after: Option<Uuid>,
    metadata: Option<&serde_json::Value>,
    limit: i64,
) -> Result<Vec<TuningJob>, StoreError> {
    let filter = Filter {
        institution: Some(institution),
        after,
        metadata,
        without_metadata: metadata.is_none(),
        limit,
        ..Filter::default()
    };
    select(conn, filter).await
}

/// What a request is known by.
#[derive(Clone, Copy)]
pub(in super::super) struct Request<'a> {
    pub(in super::super) key: ApiKeyId,
    pub(in super::super) body_sha256: &'a [u8],
    pub(in super::super) idempotency_key: Option<&'a str>,
    /// Whether an SDK sent it again.
    pub(in super::super) is_retry: bool,
}

/// Keeps the same request waiting until the transaction ends.
pub(in super::super) async fn lock_request(
    tx: &mut WriteTx<'_>,
    request: Request<'_>,
) -> Result<(), StoreError> {
    let name = match request.idempotency_key {
        Some(key) => key.to_owned(),
        None => data_encoding::HEXLOWER.encode(request.body_sha256),
    };
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended('fine-tuning of ' || $1::text || ' ' || $2::text, 0))",
        request.key.0.to_string(),
        name,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The job that the same request made within `window`, with whether its body was the same.
pub(in super::super) async fn made_by(
    tx: &mut WriteTx<'_>,
    request: Request<'_>,
    window: TimeDelta,
) -> Result<Option<(JobId, bool)>, StoreError> {
    let since = tx.now() - window;
    let row = sqlx::query!(
        r#"SELECT id, body_sha256 = $2 AS "is_same!" FROM fine_tuning_jobs
           WHERE api_key_id = $1
             AND (idempotency_key = $3
                  OR ($3::text IS NULL AND body_sha256 = $2 AND created_at > $4 AND ($5 OR awaits_first)))
           ORDER BY id DESC LIMIT 1"#,
        request.key.0,
        request.body_sha256,
        request.idempotency_key,
        since,
        request.is_retry,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| (JobId(row.id), row.is_same)))
}

/// A new job.
pub(in super::super) async fn insert(
    tx: &mut WriteTx<'_>,
    job: &TuningJob,
    request: Request<'_>,
) -> Result<(), StoreError> {
    let json = |e: serde_json::Error| sqlx::Error::Encode(e.into());
    sqlx::query!(
        "INSERT INTO fine_tuning_jobs (id, institution_id, api_key_id, created_by, created_at, body_sha256,
             idempotency_key, base_model_id, training_file, validation_file, training_version_id,
             validation_version_id, metadata, method, wish, phase, awaits_first)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        job.id.0,
        job.institution.0,
        job.key.0,
        job.created_by.0,
        job.created_at,
        request.body_sha256,
        request.idempotency_key,
        job.base.0,
        job.training_file,
        job.validation_file,
        job.training_version.0,
        job.validation_version.map(|version| version.0),
        serde_json::to_value(&job.metadata).map_err(json)?,
        serde_json::to_value(job.method).map_err(json)?,
        serde_json::to_value(&job.wish).map_err(json)?,
        job.phase.name(),
        request.is_retry,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The first request of a job that a repetition made has come: the next one like it is another wish.
pub(in super::super) async fn set_first(tx: &mut MeterTx, id: JobId) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE fine_tuning_jobs SET awaits_first = false WHERE id = $1",
        id.0
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The jobs that something can still happen to: new ones first, which nobody has looked at, and all of them, so that none
/// stays behind others that wait for people.
pub(in super::super) async fn open(conn: &mut PgConnection) -> Result<Vec<JobId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM fine_tuning_jobs WHERE NOT is_settled ORDER BY phase <> 'validating', id"
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(JobId).collect())
}

/// The jobs of an institution that are over and have figures, by id, with when they ended; `after` as in the list of files.
pub(in super::super) async fn with_figures(
    conn: &mut PgConnection,
    institution: InstitutionId,
    after: Option<Uuid>,
    (limit, is_ascending): (i64, bool),
) -> Result<Vec<(JobId, DateTime<Utc>)>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT f.id, j.ended_at AS "ended_at!" FROM fine_tuning_jobs f JOIN jobs j ON j.id = f.id
           WHERE f.institution_id = $1 AND j.ended_at IS NOT NULL
             AND ($2::uuid IS NULL OR CASE WHEN $3 THEN f.id > $2 ELSE f.id < $2 END)
             AND EXISTS (SELECT 1 FROM job_events e WHERE e.job_id = f.id AND e.event ->> 'event' = 'step')
           ORDER BY CASE WHEN $3 THEN f.id END, f.id DESC LIMIT $4"#,
        institution.0,
        after,
        is_ascending,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (JobId(row.id), row.ended_at))
        .collect())
}

/// One job, kept from changing until the transaction ends.
pub(in super::super) async fn lock(
    tx: &mut WriteTx<'_>,
    id: JobId,
) -> Result<Option<TuningJob>, StoreError> {
    sqlx::query!(
        "SELECT id FROM fine_tuning_jobs WHERE id = $1 FOR UPDATE",
        id.0
    )
    .fetch_optional(tx.conn())
    .await?;
    find(tx.conn(), id).await
}

pub(in super::super) async fn set_waiting(
    tx: &mut WriteTx<'_>,
    id: JobId,
    waits_for: &[WaitsFor],
) -> Result<(), StoreError> {
    let waits_for = serde_json::to_value(waits_for).map_err(|e| sqlx::Error::Encode(e.into()))?;
    sqlx::query!(
        "UPDATE fine_tuning_jobs SET phase = 'waiting', waits_for = $2 WHERE id = $1",
        id.0,
        waits_for,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in super::super) async fn set_requested(
    tx: &mut WriteTx<'_>,
    id: JobId,
    resolved: &Hyperparameters,
) -> Result<(), StoreError> {
    let resolved = serde_json::to_value(resolved).map_err(|e| sqlx::Error::Encode(e.into()))?;
    sqlx::query!(
        "UPDATE fine_tuning_jobs SET phase = 'requested', waits_for = '[]', resolved = $2 WHERE id = $1",
        id.0,
        resolved,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends a job that did not become one of the portal.
pub(in super::super) async fn set_ended(
    tx: &mut WriteTx<'_>,
    id: JobId,
    (phase, error): (Phase, Option<&Failed>),
) -> Result<(), StoreError> {
    let now = tx.now();
    let error = error
        .map(serde_json::to_value)
        .transpose()
        .map_err(|e| sqlx::Error::Encode(e.into()))?;
    sqlx::query!(
        "UPDATE fine_tuning_jobs SET phase = $2, error = $3, ended_at = $4, waits_for = '[]', is_settled = ($2 = 'failed')
         WHERE id = $1",
        id.0,
        phase.name(),
        error,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes up to which state of the portal's job events tell.
pub(in super::super) async fn set_told(
    tx: &mut WriteTx<'_>,
    id: JobId,
    (status, is_over): (&str, bool),
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE fine_tuning_jobs SET told_status = $2, is_settled = $3 WHERE id = $1",
        id.0,
        status,
        is_over,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Nothing happens to it any more.
pub(in super::super) async fn set_settled(tx: &mut MeterTx, id: JobId) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE fine_tuning_jobs SET is_settled = true WHERE id = $1",
        id.0
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
