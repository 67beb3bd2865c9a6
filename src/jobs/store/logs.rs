//! The logs of attempts.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    db::{MeterTx, StoreError},
    ids::{AttemptId, JobId},
};

/// A log that is not whole yet.
pub(in super::super) struct OpenLog {
    pub(in super::super) attempt: AttemptId,
    pub(in super::super) handle: String,
    pub(in super::super) next_byte: i64,
    pub(in super::super) size_bytes: i64,
    pub(in super::super) ended_at: Option<DateTime<Utc>>,
}

/// How far a log was read.
pub(in super::super) struct LogState {
    pub(in super::super) next_byte: i64,
    pub(in super::super) size_bytes: i64,
    pub(in super::super) is_closed: bool,
    pub(in super::super) is_cut: bool,
}

/// Lets `worker` read the logs of `place` until then; false where another one does.
pub(in super::super) async fn hold_logs(
    tx: &mut MeterTx,
    place: &str,
    (worker, until): (Uuid, DateTime<Utc>),
) -> Result<bool, StoreError> {
    let now = tx.now();
    let held = sqlx::query!(
        "UPDATE compute_places SET logs_by = $2, logs_until = $3
         WHERE id = $1 AND (logs_by = $2 OR logs_until IS NULL OR logs_until < $4)",
        place,
        worker,
        until,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(held.rows_affected() == 1)
}

/// The logs at `place` that more may be read of, of attempts that run or ended last; 200 at most.
pub(in super::super) async fn open_logs(
    conn: &mut PgConnection,
    place: &str,
) -> Result<Vec<OpenLog>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT a.id, a.handle AS "handle!", coalesce(l.next_byte, 0) AS "next_byte!",
                  coalesce(l.size_bytes, 0) AS "size_bytes!", a.ended_at
           FROM attempts a LEFT JOIN attempt_logs l ON l.attempt_id = a.id
           WHERE a.backend = $1 AND a.handle IS NOT NULL AND a.log_closed_at IS NULL
           ORDER BY a.ended_at DESC NULLS FIRST LIMIT 200"#,
        place,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| OpenLog {
            attempt: AttemptId(row.id),
            handle: row.handle,
            next_byte: row.next_byte,
            size_bytes: row.size_bytes,
            ended_at: row.ended_at,
        })
        .collect())
}

/// Keeps a part that was read at `first_byte` and how far the log was read; a part that another worker kept first changes
/// nothing.
pub(in super::super) async fn put_log(
    tx: &mut MeterTx,
    attempt: AttemptId,
    (first_byte, text): (i64, &str),
    state: &LogState,
) -> Result<(), StoreError> {
    let kept = sqlx::query!(
        "INSERT INTO attempt_logs (attempt_id, next_byte, size_bytes, is_closed, is_cut) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (attempt_id) DO UPDATE SET next_byte = $2, size_bytes = $3, is_closed = $4, is_cut = $5
         WHERE attempt_logs.next_byte = $6 AND NOT attempt_logs.is_closed",
        attempt.0,
        state.next_byte,
        state.size_bytes,
        state.is_closed,
        state.is_cut,
        first_byte,
    )
    .execute(tx.conn())
    .await?;
    if kept.rows_affected() == 1 && state.is_closed {
        let now = tx.now();
        sqlx::query!(
            "UPDATE attempts SET log_closed_at = $2 WHERE id = $1",
            attempt.0,
            now,
        )
        .execute(tx.conn())
        .await?;
    }
    if kept.rows_affected() == 1 && !text.is_empty() {
        sqlx::query!(
            "INSERT INTO attempt_log_parts (attempt_id, first_byte, text) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
            attempt.0,
            first_byte,
            // Postgres keeps no zero bytes.
            text.replace('\0', "\u{fffd}"),
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// The whole log of an attempt of `job` as far as it was read, and whether its end was left out; none where there is no
/// such attempt.
pub(in super::super) async fn log_of(
    conn: &mut PgConnection,
    job: JobId,
    attempt: AttemptId,
) -> Result<Option<(String, bool)>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT coalesce((SELECT string_agg(p.text, '' ORDER BY p.first_byte) FROM attempt_log_parts p
                            WHERE p.attempt_id = a.id), '') AS "text!",
                  coalesce(l.is_cut, false) AS "is_cut!"
           FROM attempts a LEFT JOIN attempt_logs l ON l.attempt_id = a.id WHERE a.id = $2 AND a.job_id = $1"#,
        job.0,
        attempt.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.text, row.is_cut)))
}

/// Deletes the logs of attempts that ended before `before`; answers of how many.
pub(in super::super) async fn delete_logs(
    tx: &mut MeterTx,
    before: DateTime<Utc>,
) -> Result<u64, StoreError> {
    // What is closed and empty is not read anew.
    let done = sqlx::query!(
        "DELETE FROM attempt_log_parts p USING attempts a WHERE a.id = p.attempt_id AND a.ended_at < $1",
        before,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}
