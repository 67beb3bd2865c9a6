//! How places stand, and what they tell of attempts.

use chrono::{DateTime, Utc};
use compute::{Report, State, Usage};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::compute::{Site, Trouble};
use crate::{
    db::{MeterTx, StoreError},
    ids::AttemptId,
};

/// A place as workers last saw it.
#[derive(Debug, Clone)]
pub(in super::super) struct PlaceRow {
    pub(in super::super) id: String,
    pub(in super::super) name: String,
    pub(in super::super) kind: String,
    pub(in super::super) location: String,
    pub(in super::super) slots: i32,
    /// Attempts that are there.
    pub(in super::super) live: i64,
    /// `locked` or `unreachable`.
    pub(in super::super) trouble_kind: Option<String>,
    pub(in super::super) trouble: Option<String>,
    pub(in super::super) trouble_since: Option<DateTime<Utc>>,
    pub(in super::super) seen_at: DateTime<Utc>,
}

/// Writes down how a place stands.
pub(in super::super) async fn put_place(
    tx: &mut MeterTx,
    site: &Site,
    trouble: Option<&Trouble>,
) -> Result<(), StoreError> {
    let now = tx.now();
    let settings = &site.place.settings;
    sqlx::query!(
        "INSERT INTO compute_places (id, name, kind, location, slots, trouble_kind, trouble, trouble_since, seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, kind = excluded.kind, location = excluded.location,
             slots = excluded.slots, trouble_kind = excluded.trouble_kind, trouble = excluded.trouble,
             -- Several workers look: the first one to find it wrong says since when.
             trouble_since = CASE WHEN compute_places.trouble_kind = excluded.trouble_kind
                 THEN least(compute_places.trouble_since, excluded.trouble_since) ELSE excluded.trouble_since END,
             seen_at = excluded.seen_at",
        site.id(),
        settings.name,
        site.place.backend.name(),
        site.location.to_string(),
        i32::try_from(settings.slots).unwrap_or(i32::MAX),
        trouble.map(|trouble| if trouble.is_locked { "locked" } else { "unreachable" }),
        trouble.map(|trouble| trouble.text.as_str()),
        trouble.map(|trouble| trouble.since),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The places that were seen since then, by name.
pub(in super::super) async fn places(
    conn: &mut PgConnection,
    since: DateTime<Utc>,
) -> Result<Vec<PlaceRow>, StoreError> {
    let rows = sqlx::query_as!(
        PlaceRow,
        r#"SELECT p.id, p.name, p.kind, p.location, p.slots, p.trouble_kind, p.trouble, p.trouble_since, p.seen_at,
                  (SELECT count(*) FROM attempts a
                   WHERE a.status IN ('dispatching', 'running') AND a.backend = p.id) AS "live!"
           FROM compute_places p WHERE p.seen_at > $1 ORDER BY p.name, p.id LIMIT 200"#,
        since,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// What people call the place of an attempt, and since when it does not work; none where it does, or is not looked after.
pub(in super::super) async fn silent_since(
    conn: &mut PgConnection,
    place: &str,
    seen_since: DateTime<Utc>,
) -> Result<Option<(String, DateTime<Utc>)>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT name, trouble_since AS "since!" FROM compute_places
           WHERE id = $1 AND seen_at > $2 AND trouble_since IS NOT NULL"#,
        place,
        seen_since,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.name, row.since)))
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Running => "running",
        State::Ended { .. } => "ended",
        State::Unknown => "unknown",
    }
}

fn count(number: Option<u32>) -> Option<i32> {
    number.and_then(|number| i32::try_from(number).ok())
}

/// Keeps what a place tells of an attempt; what it told before of the start and the number stays where it says nothing.
pub(in super::super) async fn put_report(
    tx: &mut MeterTx,
    attempt: AttemptId,
    report: &Report,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO attempt_reports (attempt_id, state, native_id, reason, partition, queue_position, started_at,
             ended_at, used_seconds, used_gpus, used_cores, told_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (attempt_id) DO UPDATE SET state = excluded.state,
             native_id = coalesce(excluded.native_id, attempt_reports.native_id), reason = excluded.reason,
             partition = coalesce(excluded.partition, attempt_reports.partition), queue_position = excluded.queue_position,
             started_at = coalesce(excluded.started_at, attempt_reports.started_at), ended_at = excluded.ended_at,
             used_seconds = greatest(excluded.used_seconds, attempt_reports.used_seconds),
             used_gpus = coalesce(excluded.used_gpus, attempt_reports.used_gpus),
             used_cores = coalesce(excluded.used_cores, attempt_reports.used_cores), told_at = excluded.told_at",
        attempt.0,
        state_name(report.state),
        report.native_id,
        report.reason,
        report.partition,
        count(report.queue_position),
        report.started_at,
        report.ended_at,
        i64::try_from(report.used.seconds).unwrap_or(i64::MAX),
        count(report.used.gpus),
        count(report.used.cores),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What a place last told of an attempt.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Told {
    pub(in super::super) attempt: Uuid,
    /// `pending`, `running`, `ended`, `unknown`.
    pub(in super::super) state: String,
    pub(in super::super) native_id: Option<String>,
    pub(in super::super) reason: Option<String>,
    pub(in super::super) partition: Option<String>,
    pub(in super::super) queue_position: Option<i32>,
    pub(in super::super) started_at: Option<DateTime<Utc>>,
    pub(in super::super) ended_at: Option<DateTime<Utc>>,
    pub(in super::super) used: Usage,
}

/// What places last told of these attempts.
pub(in super::super) async fn reports(
    conn: &mut PgConnection,
    attempts: &[AttemptId],
) -> Result<Vec<Told>, StoreError> {
    let ids: Vec<Uuid> = attempts.iter().map(|attempt| attempt.0).collect();
    let rows = sqlx::query!(
        "SELECT attempt_id, state, native_id, reason, partition, queue_position, started_at, ended_at, used_seconds,
                used_gpus, used_cores
         FROM attempt_reports WHERE attempt_id = ANY($1)",
        &ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Told {
            attempt: row.attempt_id,
            state: row.state,
            native_id: row.native_id,
            reason: row.reason,
            partition: row.partition,
            queue_position: row.queue_position,
            started_at: row.started_at,
            ended_at: row.ended_at,
            used: Usage {
                seconds: row.used_seconds.unsigned_abs(),
                gpus: row.used_gpus.map(i32::unsigned_abs),
                cores: row.used_cores.map(i32::unsigned_abs),
                nodes: None,
            },
        })
        .collect())
}

/// The attempts among these that are not over here.
pub(in super::super) async fn live_among(
    conn: &mut PgConnection,
    attempts: &[Uuid],
) -> Result<Vec<Uuid>, StoreError> {
    let rows = sqlx::query_scalar!(
        "SELECT id FROM attempts WHERE id = ANY($1) AND status IN ('dispatching', 'running')",
        attempts,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}
