//! The queue: what waits, in which line, for what.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::super::queue::{Priority, Waiting};
use crate::{
    db::{CorruptRow, MeterTx, StoreError, WriteTx},
    ids::{AttemptId, InstitutionId, JobId},
};

/// Every approved job, the longest wait first; `default_limit` for those that ask for no time limit. All of them: those
/// that cannot start yet must not stand before ones that can.
pub(in super::super) async fn waiting(
    conn: &mut PgConnection,
    default_limit: u32,
) -> Result<Vec<Waiting>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT j.id, j.institution_id, j.priority, coalesce(j.approved_at, j.requested_at) AS "since!", j.place,
                  j.time_limit_seconds, j.not_before, j.waits_for, e.seconds AS "seconds?",
                  e.memory_bytes AS "memory_bytes?"
           FROM jobs j LEFT JOIN job_estimates e ON e.job_id = j.id
           WHERE j.status = 'approved' ORDER BY j.approved_at, j.id"#,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let asked = row.time_limit_seconds.map(i32::unsigned_abs);
            let limit = asked.unwrap_or(default_limit);
            let seconds = row.seconds.map_or(u64::from(limit), i64::unsigned_abs);
            Ok(Waiting {
                job: JobId(row.id),
                institution: InstitutionId(row.institution_id),
                priority: Priority::parse(&row.priority).ok_or(CorruptRow {
                    table: "jobs",
                    id: row.id,
                    problem: "unknown priority",
                })?,
                since: row.since,
                seconds,
                weight: seconds as f64,
                memory_bytes: row.memory_bytes.map(i64::unsigned_abs),
                place: row.place,
                time_limit_seconds: asked,
                not_before: row.not_before,
                waits_for: row.waits_for,
            })
        })
        .collect()
}

/// What a job asks of the queue.
#[derive(Debug, Clone)]
pub(in super::super) struct AskedOfQueue {
    pub(in super::super) priority: Priority,
    pub(in super::super) place: Option<String>,
    pub(in super::super) time_limit_seconds: Option<u32>,
    /// Why it did not start when it was last looked at.
    pub(in super::super) waits_for: Option<String>,
}

/// What a job asks of the queue.
pub(in super::super) async fn asked_of_queue(
    conn: &mut PgConnection,
    job: JobId,
) -> Result<Option<AskedOfQueue>, StoreError> {
    let row = sqlx::query!(
        "SELECT priority, place, time_limit_seconds, waits_for FROM jobs WHERE id = $1",
        job.0,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(AskedOfQueue {
            priority: Priority::parse(&row.priority).ok_or(CorruptRow {
                table: "jobs",
                id: job.0,
                problem: "unknown priority",
            })?,
            place: row.place,
            time_limit_seconds: row.time_limit_seconds.map(i32::unsigned_abs),
            waits_for: row.waits_for,
        })
    })
    .transpose()
}

/// Keeps where and how long a new job wants to run.
pub(in super::super) async fn set_asked(
    tx: &mut WriteTx<'_>,
    job: JobId,
    (place, time_limit_seconds): (Option<&str>, Option<u32>),
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE jobs SET place = $2, time_limit_seconds = $3 WHERE id = $1",
        job.0,
        place,
        time_limit_seconds.and_then(|limit| i32::try_from(limit).ok()),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps how urgent a job is.
pub(in super::super) async fn set_priority(
    tx: &mut WriteTx<'_>,
    job: JobId,
    priority: Priority,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE jobs SET priority = $2 WHERE id = $1",
        job.0,
        priority.name(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Says why a job still waits.
pub(in super::super) async fn set_waits_for(
    tx: &mut MeterTx,
    job: JobId,
    what: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE jobs SET waits_for = $2 WHERE id = $1 AND status = 'approved'",
        job.0,
        what,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The time limit that the job of an attempt asked for.
pub(in super::super) async fn time_limit_of(
    conn: &mut PgConnection,
    attempt: AttemptId,
) -> Result<Option<u32>, StoreError> {
    let asked = sqlx::query_scalar!(
        "SELECT j.time_limit_seconds FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE a.id = $1",
        attempt.0,
    )
    .fetch_optional(conn)
    .await?
    .flatten();
    Ok(asked.map(i32::unsigned_abs))
}

/// When the first sign of an attempt's program came.
pub(in super::super) async fn first_sign(
    conn: &mut PgConnection,
    attempt: AttemptId,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let at = sqlx::query_scalar!(
        "SELECT min(occurred_at) FROM job_events WHERE attempt_id = $1",
        attempt.0,
    )
    .fetch_one(conn)
    .await?;
    Ok(at)
}
