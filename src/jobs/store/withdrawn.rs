//! Jobs that a withdrawal touches, many at a time.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::super::{conclude::WITHDRAWN, status::JobStatus, stop::Stopped};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{DatasetVersionId, InstitutionId, JobId, UserId},
    permissions::Territory,
};

/// Jobs that ask the same of a version.
pub(in super::super) struct SameUse {
    pub(in super::super) version: DatasetVersionId,
    /// One of them, to read what they ask.
    pub(in super::super) example: JobId,
    pub(in super::super) jobs: Vec<JobId>,
    /// Where their last attempts run or ran; none where there were none.
    pub(in super::super) location: Option<Territory>,
}

/// Every job on these versions, over or not, those together that ask the same.
pub(in super::super) async fn uses_of_versions(
    conn: &mut PgConnection,
    versions: &[DatasetVersionId],
) -> Result<Vec<SameUse>, StoreError> {
    let versions: Vec<_> = versions.iter().map(|version| version.0).collect();
    // By what is left of a job without its own life: a column that comes in later tells jobs apart by itself.
    let rows = sqlx::query!(
        r#"SELECT d.dataset_version_id, a.processing_location AS "location?", array_agg(j.id ORDER BY j.id) AS "jobs!"
           FROM job_datasets d JOIN jobs j ON j.id = d.job_id
           LEFT JOIN LATERAL (SELECT processing_location FROM attempts WHERE job_id = j.id
                              ORDER BY number DESC LIMIT 1) a ON true
           WHERE d.dataset_version_id = ANY($1)
           GROUP BY d.dataset_version_id, a.processing_location, to_jsonb(j) - ARRAY['id', 'title', 'motivation', 'task', 'seed', 'status',
               'status_code', 'status_message', 'requested_by', 'requested_at', 'approved_by', 'approved_at',
               'cancel_requested_at', 'cancel_reason', 'pause_requested_at', 'not_before', 'ended_at']"#,
        &versions,
    )
    .fetch_all(conn)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(example) = row.jobs.first() else {
            continue;
        };
        let corrupt = || CorruptRow {
            table: "attempts",
            id: *example,
            problem: "unknown processing location",
        };
        let location = row
            .location
            .map(|location| location.parse().map_err(|_| corrupt()))
            .transpose()?;
        found.push(SameUse {
            version: DatasetVersionId(row.dataset_version_id),
            example: JobId(*example),
            jobs: row.jobs.into_iter().map(JobId).collect(),
            location,
        });
    }
    Ok(found)
}

/// A verdict that an attempt of a job was started on.
pub(in super::super) struct BoundTo {
    pub(in super::super) version: DatasetVersionId,
    pub(in super::super) job: JobId,
    /// Whether the job is over.
    pub(in super::super) is_over: bool,
    pub(in super::super) policy_sha256: String,
    pub(in super::super) decided_at: DateTime<Utc>,
}

/// Every verdict on these versions that an attempt was started on.
pub(in super::super) async fn verdicts_of_versions(
    conn: &mut PgConnection,
    versions: &[DatasetVersionId],
) -> Result<Vec<BoundTo>, StoreError> {
    let versions: Vec<_> = versions.iter().map(|version| version.0).collect();
    let rows = sqlx::query!(
        r#"SELECT u.dataset_version_id, a.job_id, j.ended_at IS NOT NULL AS "is_over!", u.policy_sha256, u.decided_at
           FROM dataset_uses u JOIN attempts a ON a.id = u.attempt_id JOIN jobs j ON j.id = a.job_id
           WHERE u.dataset_version_id = ANY($1)"#,
        &versions,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| BoundTo {
            version: DatasetVersionId(row.dataset_version_id),
            job: JobId(row.job_id),
            is_over: row.is_over,
            policy_sha256: row.policy_sha256,
            decided_at: row.decided_at,
        })
        .collect())
}

/// Keeps those of these jobs that are not over from changing until the transaction ends.
pub(in super::super) async fn lock_unfinished(
    tx: &mut WriteTx<'_>,
    jobs: &[JobId],
) -> Result<(), StoreError> {
    let jobs: Vec<_> = jobs.iter().map(|job| job.0).collect();
    sqlx::query!(
        "SELECT id FROM jobs WHERE id = ANY($1) AND status IN ('submitted', 'approved', 'running', 'paused')
         ORDER BY id FOR NO KEY UPDATE",
        &jobs,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(())
}

/// Blocks those of these jobs that wait and asks those that run to stop; answers them.
pub(in super::super) async fn stop_all(
    tx: &mut WriteTx<'_>,
    jobs: &[JobId],
) -> Result<Vec<Stopped>, StoreError> {
    let jobs: Vec<_> = jobs.iter().map(|job| job.0).collect();
    let now = tx.now();
    // As `JobStatus::after(Step::Block)` has it; a test compares the two.
    let rows = sqlx::query!(
        "UPDATE jobs SET
             status = CASE WHEN status = 'running' THEN status ELSE 'blocked' END,
             status_code = CASE WHEN status = 'running' THEN status_code ELSE $3 END,
             ended_at = CASE WHEN status = 'running' THEN ended_at ELSE $2 END,
             cancel_requested_at = coalesce(cancel_requested_at, $2),
             -- The law's reason is kept over a person's.
             cancel_reason = $3
         WHERE id = ANY($1) AND status IN ('submitted', 'approved', 'running', 'paused')
         RETURNING id, institution_id, title, requested_by, status",
        &jobs,
        now,
        WITHDRAWN,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Stopped {
                job: JobId(row.id),
                institution: InstitutionId(row.institution_id),
                title: row.title,
                requested_by: UserId(row.requested_by),
                status: JobStatus::parse(&row.status).ok_or(CorruptRow {
                    table: "jobs",
                    id: row.id,
                    problem: "unknown status",
                })?,
            })
        })
        .collect()
}
