//! What happened to jobs, and what their programs told.

use chrono::{DateTime, Utc};
use job_contract::JobEvent;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::JobId,
};

/// Something to be told.
#[derive(Debug, Clone)]
pub(in super::super) struct NewEvent {
    /// `info`, `warn` or `error`.
    pub(in super::super) level: &'static str,
    pub(in super::super) message: String,
    pub(in super::super) data: Option<serde_json::Value>,
}

/// Keeps events, in order.
pub(in super::super) async fn insert(
    tx: &mut WriteTx<'_>,
    job: JobId,
    events: &[NewEvent],
) -> Result<(), StoreError> {
    let now = tx.now();
    for event in events {
        sqlx::query!(
            "INSERT INTO fine_tuning_events (id, job_id, occurred_at, level, message, data)
             VALUES ($1, $2, $3, $4, $5, $6)",
            Uuid::now_v7(),
            job.0,
            now,
            event.level,
            event.message,
            event.data,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Whether it was told that a cluster has the job under this number.
pub(in super::super) async fn has_number(
    conn: &mut PgConnection,
    job: JobId,
    number: &str,
) -> Result<bool, StoreError> {
    let is_there = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM fine_tuning_events WHERE job_id = $1 AND data ->> 'slurm_job' = $2) AS "is_there!""#,
        job.0,
        number,
    )
    .fetch_one(conn)
    .await?;
    Ok(is_there)
}

/// Where an event stands among those of its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Place {
    pub(in super::super) at: DateTime<Utc>,
    /// Its own id, or that of the attempt that told it.
    pub(in super::super) source: Uuid,
    /// Within the attempt; 0 for the API's own.
    pub(in super::super) number: i64,
}

/// An event of either kind.
pub(in super::super) struct Kept {
    pub(in super::super) place: Place,
    pub(in super::super) level: Option<String>,
    pub(in super::super) message: Option<String>,
    pub(in super::super) data: Option<serde_json::Value>,
    /// What a program told.
    pub(in super::super) told: Option<JobEvent>,
}

/// Where the event of that id stands; none where the job has none like it.
pub(in super::super) async fn place_of(
    conn: &mut PgConnection,
    job: JobId,
    (source, number): (Uuid, i64),
) -> Result<Option<Place>, StoreError> {
    let at = sqlx::query_scalar!(
        r#"SELECT occurred_at AS "at!" FROM fine_tuning_events WHERE id = $2 AND job_id = $1 AND $3::bigint = 0
           UNION ALL
           SELECT occurred_at FROM job_events WHERE attempt_id = $2 AND number = $3 AND job_id = $1"#,
        job.0,
        source,
        number,
    )
    .fetch_optional(conn)
    .await?;
    Ok(at.map(|at| Place { at, source, number }))
}

/// The events of a job, newest first. Of steps done again after an interruption the later word counts, as in the figures.
pub(in super::super) async fn list(
    conn: &mut PgConnection,
    job: JobId,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<Kept>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT at AS "at!", source AS "source!", number AS "number!", level, message, data, told FROM (
               SELECT occurred_at AS at, id AS source, 0::bigint AS number, level, message, data, NULL::jsonb AS told
               FROM fine_tuning_events WHERE job_id = $1
               UNION ALL
               SELECT occurred_at, attempt_id, number, NULL, NULL, NULL, event FROM (
                   SELECT p.occurred_at, p.attempt_id, p.number, p.event,
                          row_number() OVER (PARTITION BY p.event ->> 'event', p.event ->> 'step'
                                             ORDER BY a.number DESC, p.number DESC) AS from_last
                   FROM job_events p JOIN attempts a ON a.id = p.attempt_id
                   WHERE p.job_id = $1
                     AND p.event ->> 'event' IN ('step', 'held_out', 'checkpoint', 'checkpoint_unreadable', 'note',
                                                 'data_problem', 'data_ready')
               ) told
               WHERE from_last = 1 OR event ->> 'event' NOT IN ('step', 'held_out', 'checkpoint')
           ) e
           WHERE $2::timestamptz IS NULL OR (at, source, number) < ($2, $3, $4)
           ORDER BY at DESC, source DESC, number DESC LIMIT $5"#,
        job.0,
        after.map(|place| place.at),
        after.map_or(Uuid::nil(), |place| place.source),
        after.map_or(0, |place| place.number),
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let told = row
                .told
                .map(serde_json::from_value)
                .transpose()
                .map_err(|_| CorruptRow {
                    table: "job_events",
                    id: row.source,
                    problem: "unknown event",
                })?;
            Ok(Kept {
                place: Place {
                    at: row.at,
                    source: row.source,
                    number: row.number,
                },
                level: row.level,
                message: row.message,
                data: row.data,
                told,
            })
        })
        .collect()
}

/// The figures of a job's steps, first to last attempt. Of steps done again the later word counts, and that alone is read: a
/// job that was interrupted often told of each many times.
pub(in super::super) async fn figures(
    conn: &mut PgConnection,
    job: JobId,
) -> Result<Vec<(Place, JobEvent)>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT attempt_id AS "attempt_id!", number AS "number!", occurred_at AS "occurred_at!", event AS "event!" FROM (
               SELECT e.attempt_id, e.number, e.occurred_at, e.event, a.number AS attempt,
                      row_number() OVER (PARTITION BY e.event ->> 'event', e.event ->> 'step'
                                         ORDER BY a.number DESC, e.number DESC) AS from_last
               FROM job_events e JOIN attempts a ON a.id = e.attempt_id
               WHERE e.job_id = $1 AND e.event ->> 'event' IN ('step', 'held_out')
           ) told
           WHERE from_last = 1 ORDER BY attempt, number"#,
        job.0,
    )
    .fetch_all(conn)
    .await?;
    placed(rows)
}

/// The checkpoints of a job with the figures of their steps, and no others; as [`figures`].
pub(in super::super) async fn checkpoints(
    conn: &mut PgConnection,
    job: JobId,
) -> Result<Vec<(Place, JobEvent)>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT attempt_id AS "attempt_id!", number AS "number!", occurred_at AS "occurred_at!", event AS "event!" FROM (
               SELECT e.attempt_id, e.number, e.occurred_at, e.event, a.number AS attempt,
                      row_number() OVER (PARTITION BY e.event ->> 'event', e.event ->> 'step'
                                         ORDER BY a.number DESC, e.number DESC) AS from_last
               FROM job_events e JOIN attempts a ON a.id = e.attempt_id
               WHERE e.job_id = $1 AND e.event ->> 'event' IN ('step', 'held_out', 'checkpoint')
                 AND e.event ->> 'step' IN (SELECT c.event ->> 'step' FROM job_events c
                                            WHERE c.job_id = $1 AND c.event ->> 'event' = 'checkpoint')
           ) told
           WHERE from_last = 1 ORDER BY attempt, number"#,
        job.0,
    )
    .fetch_all(conn)
    .await?;
    placed(rows)
}

/// Whether a job has a checkpoint of that step.
pub(in super::super) async fn has_checkpoint(
    conn: &mut PgConnection,
    job: JobId,
    step: u32,
) -> Result<bool, StoreError> {
    let is_there = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM job_events
                          WHERE job_id = $1 AND event ->> 'event' = 'checkpoint' AND event ->> 'step' = $2) AS "is_there!""#,
        job.0,
        step.to_string(),
    )
    .fetch_one(conn)
    .await?;
    Ok(is_there)
}

/// What a program told, and where.
struct Row {
    attempt_id: Uuid,
    number: i64,
    occurred_at: DateTime<Utc>,
    event: serde_json::Value,
}

fn placed(rows: Vec<Row>) -> Result<Vec<(Place, JobEvent)>, StoreError> {
    rows.into_iter()
        .map(|row| {
            let event = serde_json::from_value(row.event).map_err(|_| CorruptRow {
                table: "job_events",
                id: row.attempt_id,
                problem: "unknown event",
            })?;
            let place = Place {
                at: row.occurred_at,
                source: row.attempt_id,
                number: row.number,
            };
            Ok((place, event))
        })
        .collect()
}
