//! Jobs: one row, read, locked, changed.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::{job::Job, status::JobStatus};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{DatasetVersionId, InstitutionId, JobId, ModelId, UserId},
    models::NEW_FAMILY,
};

struct Row {
    id: Uuid,
    institution_id: Uuid,
    institution_name: String,
    institution_slug: String,
    title: String,
    motivation: String,
    purpose: String,
    recipients: String,
    is_commercial: bool,
    territory: String,
    base_model_id: Option<Uuid>,
    base_name: String,
    model_family: String,
    task: serde_json::Value,
    seed: i64,
    status: String,
    status_code: Option<String>,
    status_message: Option<String>,
    requested_by: Uuid,
    requested_by_name: String,
    requested_at: DateTime<Utc>,
    approved_by_name: Option<String>,
    approved_at: Option<DateTime<Utc>>,
    cancel_requested_at: Option<DateTime<Utc>>,
    cancel_reason: Option<String>,
    pause_requested_at: Option<DateTime<Utc>>,
    paused_at: Option<DateTime<Utc>>,
    not_before: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Job {
    type Error = CorruptRow;

    fn try_from(row: Row) -> Result<Self, CorruptRow> {
        let corrupt = |problem| CorruptRow {
            table: "jobs",
            id: row.id,
            problem,
        };
        Ok(Self {
            id: JobId(row.id),
            institution: InstitutionId(row.institution_id),
            purpose: row
                .purpose
                .parse()
                .map_err(|_| corrupt("unknown purpose"))?,
            recipients: row
                .recipients
                .parse()
                .map_err(|_| corrupt("unknown recipients"))?,
            territory: row
                .territory
                .parse()
                .map_err(|_| corrupt("unknown territory"))?,
            task: serde_json::from_value(row.task).map_err(|_| corrupt("unknown task"))?,
            status: JobStatus::parse(&row.status).ok_or_else(|| corrupt("unknown status"))?,
            institution_name: row.institution_name,
            institution_slug: row.institution_slug,
            title: row.title,
            motivation: row.motivation,
            is_commercial: row.is_commercial,
            base: row.base_model_id.map(ModelId),
            base_name: row.base_name,
            model_family: row.model_family,
            seed: row.seed,
            status_code: row.status_code,
            status_message: row.status_message,
            requested_by: UserId(row.requested_by),
            requested_by_name: row.requested_by_name,
            requested_at: row.requested_at,
            approved_by_name: row.approved_by_name,
            approved_at: row.approved_at,
            cancel_requested_at: row.cancel_requested_at,
            cancel_reason: row.cancel_reason,
            pause_requested_at: row.pause_requested_at,
            paused_at: row.paused_at,
            not_before: row.not_before,
            ended_at: row.ended_at,
        })
    }
}

/// One job.
pub(in super::super) async fn find(
    conn: &mut PgConnection,
    id: JobId,
) -> Result<Option<Job>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT j.id, j.institution_id, i.name AS institution_name, i.slug AS institution_slug, j.title,
                  j.motivation, j.purpose, j.recipients, j.is_commercial, j.territory, j.base_model_id, coalesce(m.name, '') AS "base_name!",
                  coalesce(m.family, $2) AS "model_family!", j.task, j.seed, j.status, j.status_code, j.status_message,
                  j.requested_by, u.name AS requested_by_name, j.requested_at,
                  a.name AS "approved_by_name?", j.approved_at, j.cancel_requested_at, j.cancel_reason,
                  j.pause_requested_at, j.paused_at, j.not_before, j.ended_at
           FROM jobs j
           JOIN institutions i ON i.id = j.institution_id
           LEFT JOIN models m ON m.id = j.base_model_id
           JOIN users u ON u.id = j.requested_by
           LEFT JOIN users a ON a.id = j.approved_by
           WHERE j.id = $1"#,
        id.0,
        NEW_FAMILY,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Job::try_from).transpose()?)
}

/// One job, kept from changing until the transaction ends.
pub(in super::super) async fn lock(
    tx: &mut WriteTx<'_>,
    id: JobId,
) -> Result<Option<Job>, StoreError> {
    // Not FOR UPDATE: that also holds up rows that only name the job, and a program that tells of its events holds its
    // attempt while it adds some. Each would wait for the other.
    sqlx::query!("SELECT id FROM jobs WHERE id = $1 FOR NO KEY UPDATE", id.0)
        .fetch_optional(tx.conn())
        .await?;
    find(tx.conn(), id).await
}

/// The approved job, kept from changing; none where another worker has it or it is not waiting any more.
pub(in super::super) async fn claim(
    tx: &mut WriteTx<'_>,
    id: JobId,
) -> Result<Option<Job>, StoreError> {
    let found = sqlx::query!(
        "SELECT id FROM jobs WHERE id = $1 AND status = 'approved' FOR NO KEY UPDATE SKIP LOCKED",
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    if found.is_none() {
        return Ok(None);
    }
    find(tx.conn(), id).await
}

/// Lets one worker at a time count and fill the slots of `place`; held until the transaction ends.
pub(in super::super) async fn slots_lock(
    tx: &mut WriteTx<'_>,
    place: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended('slots of ' || $1::text, 0))",
        place,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A new job with what it asks for.
pub(in super::super) async fn insert(
    tx: &mut WriteTx<'_>,
    job: &Job,
    versions: &[DatasetVersionId],
) -> Result<(), StoreError> {
    let task = serde_json::to_value(&job.task).map_err(|e| sqlx::Error::Encode(e.into()))?;
    sqlx::query!(
        "INSERT INTO jobs (id, institution_id, title, motivation, purpose, is_commercial, recipients,
             base_model_id, task, seed, status, requested_by, requested_at, territory)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        job.id.0,
        job.institution.0,
        job.title,
        job.motivation,
        job.purpose.name(),
        job.is_commercial,
        job.recipients.name(),
        job.base.map(|base| base.0),
        task,
        job.seed,
        job.status.name(),
        job.requested_by.0,
        job.requested_at,
        job.territory.to_string(),
    )
    .execute(tx.conn())
    .await?;
    for version in versions {
        sqlx::query!(
            "INSERT INTO job_datasets (job_id, dataset_version_id) VALUES ($1, $2)",
            job.id.0,
            version.0,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Keeps what changes in the life of a job; `approver` where it was approved just now.
pub(in super::super) async fn save(
    tx: &mut WriteTx<'_>,
    job: &Job,
    approver: Option<UserId>,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "UPDATE jobs SET status = $2, status_code = $3, status_message = $4,
             approved_by = coalesce($5, approved_by), approved_at = $6, cancel_requested_at = $7,
             cancel_reason = $8, ended_at = $9, pause_requested_at = $10, not_before = $11,
             paused_at = CASE WHEN $2 = 'paused' THEN coalesce(paused_at, $12) END
         WHERE id = $1",
        job.id.0,
        job.status.name(),
        job.status_code,
        job.status_message,
        approver.map(|user| user.0),
        job.approved_at,
        job.cancel_requested_at,
        job.cancel_reason,
        job.ended_at,
        job.pause_requested_at,
        job.not_before,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Jobs that rest since before then, those that rest longest first; some at a time.
pub(in super::super) async fn paused_before(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
) -> Result<Vec<JobId>, StoreError> {
    let jobs = sqlx::query_scalar!(
        "SELECT id FROM jobs WHERE status = 'paused' AND paused_at <= $1 ORDER BY paused_at LIMIT 1000",
        before,
    )
    .fetch_all(conn)
    .await?;
    Ok(jobs.into_iter().map(JobId).collect())
}
