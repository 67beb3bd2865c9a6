//! Attempts and what their programs tell.

use chrono::{DateTime, Utc};
use job_contract::{JobEvent, NumberedEvent};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::{job::Attempt, status::AttemptStatus};
use crate::{
    db::{CorruptRow, MeterTx, StoreError, WriteTx},
    ids::{AttemptId, JobId},
    permissions::Territory,
};

struct Row {
    id: Uuid,
    job_id: Uuid,
    number: i32,
    backend: String,
    processing_location: String,
    handle: Option<String>,
    status: String,
    phase: Option<String>,
    created_at: DateTime<Utc>,
    heartbeat_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    outcome: Option<serde_json::Value>,
    failure_code: Option<String>,
    failure_message: Option<String>,
}

impl TryFrom<Row> for Attempt {
    type Error = CorruptRow;

    fn try_from(row: Row) -> Result<Self, CorruptRow> {
        let corrupt = |problem| CorruptRow {
            table: "attempts",
            id: row.id,
            problem,
        };
        Ok(Self {
            id: AttemptId(row.id),
            job: JobId(row.job_id),
            status: AttemptStatus::parse(&row.status).ok_or(corrupt("unknown status"))?,
            processing_location: row
                .processing_location
                .parse()
                .map_err(|_| corrupt("unknown place"))?,
            number: row.number,
            backend: row.backend,
            handle: row.handle,
            phase: row.phase,
            created_at: row.created_at,
            heartbeat_at: row.heartbeat_at,
            ended_at: row.ended_at,
            outcome: row.outcome,
            failure_code: row.failure_code,
            failure_message: row.failure_message,
        })
    }
}

fn all(rows: Vec<Row>) -> Result<Vec<Attempt>, StoreError> {
    rows.into_iter()
        .map(|row| Ok(Attempt::try_from(row)?))
        .collect()
}

/// One attempt.
pub(in super::super) async fn attempt(
    conn: &mut PgConnection,
    id: AttemptId,
) -> Result<Option<Attempt>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, job_id, number, backend, processing_location, handle, status, phase, created_at, heartbeat_at,
                ended_at, outcome, failure_code, failure_message
         FROM attempts WHERE id = $1",
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Attempt::try_from).transpose()?)
}

/// One attempt, kept from changing until the transaction ends.
pub(in super::super) async fn lock_attempt(
    tx: &mut WriteTx<'_>,
    id: AttemptId,
) -> Result<Option<Attempt>, StoreError> {
    sqlx::query!(
        "SELECT id FROM attempts WHERE id = $1 FOR NO KEY UPDATE",
        id.0
    )
    .fetch_optional(tx.conn())
    .await?;
    attempt(tx.conn(), id).await
}

/// The attempts of a job, first to last.
pub(in super::super) async fn attempts(
    conn: &mut PgConnection,
    job: JobId,
) -> Result<Vec<Attempt>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, job_id, number, backend, processing_location, handle, status, phase, created_at, heartbeat_at,
                ended_at, outcome, failure_code, failure_message
         FROM attempts WHERE job_id = $1 ORDER BY number",
        job.0,
    )
    .fetch_all(conn)
    .await?;
    all(rows)
}

/// Every attempt that is not over.
pub(in super::super) async fn live_attempts(
    conn: &mut PgConnection,
) -> Result<Vec<Attempt>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, job_id, number, backend, processing_location, handle, status, phase, created_at, heartbeat_at,
                ended_at, outcome, failure_code, failure_message
         FROM attempts WHERE status IN ('dispatching', 'running') ORDER BY id",
    )
    .fetch_all(conn)
    .await?;
    all(rows)
}

/// The attempts at `place` that the backend may not have yet.
pub(in super::super) async fn attempts_at(
    conn: &mut PgConnection,
    place: &str,
) -> Result<Vec<Attempt>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, job_id, number, backend, processing_location, handle, status, phase, created_at, heartbeat_at,
                ended_at, outcome, failure_code, failure_message
         FROM attempts WHERE status = 'dispatching' AND backend = $1 ORDER BY id",
        place,
    )
    .fetch_all(conn)
    .await?;
    all(rows)
}

/// How many attempts are under way at `place`.
pub(in super::super) async fn live_count(
    conn: &mut PgConnection,
    place: &str,
) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM attempts
           WHERE status IN ('dispatching', 'running') AND backend = $1"#,
        place,
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

/// A try about to be made.
pub(in super::super) struct NewAttempt<'a> {
    pub(in super::super) id: AttemptId,
    pub(in super::super) job: JobId,
    pub(in super::super) place: &'a str,
    /// Where that stands.
    pub(in super::super) processing_location: Territory,
}

/// Writes a new attempt down; answers its number.
pub(in super::super) async fn insert_attempt(
    tx: &mut WriteTx<'_>,
    new: &NewAttempt<'_>,
) -> Result<i32, StoreError> {
    let now = tx.now();
    let number = sqlx::query_scalar!(
        "INSERT INTO attempts (id, job_id, number, backend, status, created_at, processing_location)
         SELECT $1, $2, coalesce(max(number), 0) + 1, $3, 'dispatching', $4, $5 FROM attempts WHERE job_id = $2
         RETURNING number",
        new.id.0,
        new.job.0,
        new.place,
        now,
        new.processing_location.to_string(),
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(number)
}

/// Keeps what the backend calls the attempt; answers whether the attempt is not over.
pub(in super::super) async fn set_handle(
    tx: &mut MeterTx,
    id: AttemptId,
    handle: &str,
) -> Result<bool, StoreError> {
    let is_live = sqlx::query_scalar!(
        r#"UPDATE attempts SET handle = $2,
             status = CASE WHEN status = 'dispatching' THEN 'running' ELSE status END
           WHERE id = $1 RETURNING status IN ('dispatching', 'running') AS "is_live!""#,
        id.0,
        handle,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(is_live.unwrap_or(false))
}

/// Ends an attempt.
pub(in super::super) async fn end_attempt(
    tx: &mut WriteTx<'_>,
    attempt: &Attempt,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE attempts SET status = $2, ended_at = $3, outcome = $4, failure_code = $5, failure_message = $6
         WHERE id = $1 AND status IN ('dispatching', 'running')",
        attempt.id.0,
        attempt.status.name(),
        attempt.ended_at,
        attempt.outcome,
        attempt.failure_code,
        attempt.failure_message,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes a sign of life; false where the attempt is over.
pub(in super::super) async fn beat(
    tx: &mut MeterTx,
    id: AttemptId,
    phase: Option<&str>,
) -> Result<bool, StoreError> {
    let now = tx.now();
    let done = sqlx::query!(
        "UPDATE attempts SET heartbeat_at = $2, phase = coalesce($3, phase)
         WHERE id = $1 AND status IN ('dispatching', 'running')",
        id.0,
        now,
        phase,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps an event; the same number again changes nothing.
pub(in super::super) async fn insert_event(
    tx: &mut MeterTx,
    attempt: &Attempt,
    event: &NumberedEvent,
) -> Result<(), StoreError> {
    let body = serde_json::to_value(&event.event).map_err(|e| sqlx::Error::Encode(e.into()))?;
    // A clock that runs ahead there does not make the future here.
    let at = event.at.min(tx.now());
    sqlx::query!(
        "INSERT INTO job_events (attempt_id, number, job_id, occurred_at, event) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (attempt_id, number) DO NOTHING",
        attempt.id.0,
        i64::try_from(event.number).unwrap_or(i64::MAX),
        attempt.job.0,
        at,
        body,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What an attempt told after event `number`, in order.
pub(in super::super) async fn events_after(
    conn: &mut PgConnection,
    attempt: AttemptId,
    number: i64,
) -> Result<Vec<NumberedEvent>, StoreError> {
    let rows = sqlx::query!(
        "SELECT number, occurred_at, event FROM job_events WHERE attempt_id = $1 AND number > $2
         ORDER BY number LIMIT 50000",
        attempt.0,
        number,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| numbered(attempt, row.number, row.occurred_at, row.event))
        .collect()
}

/// The last event of a kind that an attempt told.
pub(in super::super) async fn last_event(
    conn: &mut PgConnection,
    attempt: AttemptId,
    kind: &str,
) -> Result<Option<NumberedEvent>, StoreError> {
    let row = sqlx::query!(
        "SELECT number, occurred_at, event FROM job_events WHERE attempt_id = $1 AND event ->> 'event' = $2
         ORDER BY number DESC LIMIT 1",
        attempt.0,
        kind,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| numbered(attempt, row.number, row.occurred_at, row.event))
        .transpose()
}

fn numbered(
    attempt: AttemptId,
    number: i64,
    at: DateTime<Utc>,
    event: serde_json::Value,
) -> Result<NumberedEvent, StoreError> {
    let event: JobEvent = serde_json::from_value(event).map_err(|_| CorruptRow {
        table: "job_events",
        id: attempt.0,
        problem: "unknown event",
    })?;
    Ok(NumberedEvent {
        number: number.unsigned_abs(),
        at,
        event,
    })
}
