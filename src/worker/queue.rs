//! The task table as a queue: lease, finish, try again, park.

use chrono::TimeDelta;
use uuid::Uuid;

use crate::db::Db;

/// A task that this worker holds for a while.
pub(super) struct Leased {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) payload: serde_json::Value,
    /// Which try this is, from 1; a later lease of the same task has a higher one.
    pub(super) attempt: i32,
}

const LEASE: TimeDelta = TimeDelta::minutes(10);
const MOST_ATTEMPTS: i32 = 20;

/// Takes up to `limit` tasks that are due.
pub(super) async fn lease(db: &Db, limit: i64) -> Result<Vec<Leased>, sqlx::Error> {
    let mut tx = db.meter().await?;
    let now = tx.now();
    let rows = sqlx::query!(
        "UPDATE tasks SET attempts = attempts + 1, leased_until = $2
         WHERE id IN (
             SELECT id FROM tasks
             WHERE done_at IS NULL AND parked_at IS NULL AND run_at <= $1
               AND (leased_until IS NULL OR leased_until < $1)
             ORDER BY run_at LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING id, kind, payload, attempts",
        now,
        now + LEASE,
        limit,
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(rows
        .into_iter()
        .map(|row| Leased {
            id: row.id,
            kind: row.kind,
            payload: row.payload,
            attempt: row.attempts,
        })
        .collect())
}

/// Marks a task as done.
pub(super) async fn done(db: &Db, task: &Leased) -> Result<(), sqlx::Error> {
    let mut tx = db.meter().await?;
    let now = tx.now();
    // A task that another worker leased meanwhile is theirs.
    sqlx::query!(
        "UPDATE tasks SET done_at = $3, leased_until = NULL WHERE id = $1 AND attempts = $2",
        task.id,
        task.attempt,
        now,
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await
}

/// Puts a task off with back-off, or parks it where trying again will not help.
pub(super) async fn failed(
    db: &Db,
    task: &Leased,
    error: &str,
    is_final: bool,
) -> Result<(), sqlx::Error> {
    let mut tx = db.meter().await?;
    let now = tx.now();
    let wait = TimeDelta::seconds(1 << task.attempt.clamp(0, 8));
    let parked_at = (is_final || task.attempt >= MOST_ATTEMPTS).then_some(now);
    sqlx::query!(
        "UPDATE tasks SET run_at = $3, leased_until = NULL, parked_at = $4, last_error = $5
         WHERE id = $1 AND attempts = $2",
        task.id,
        task.attempt,
        now + wait,
        parked_at,
        error,
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await
}

/// How many tasks wait, by kind.
///
/// # Errors
/// Where the database is away.
pub async fn waiting_by_kind(db: &Db) -> Result<Vec<(String, i64)>, sqlx::Error> {
    let mut conn = db.read().await?;
    let rows = sqlx::query!(
        r#"SELECT kind, count(*) AS "count!" FROM tasks WHERE done_at IS NULL AND parked_at IS NULL
           GROUP BY kind ORDER BY kind"#
    )
    .fetch_all(&mut *conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.kind, row.count)).collect())
}
