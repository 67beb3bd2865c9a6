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
///
/// Reads a page of them in their order; of a program's, also what stands between them and was told again later.
pub(in super::super) async fn list(
    conn: &mut PgConnection,
    job: JobId,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<Kept>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT at AS "at!", source AS "source!", number AS "number!", level, message, data, told FROM (
               (SELECT occurred_at AS at, id AS source, 0::bigint AS number, level, message, data, NULL::jsonb AS told
                FROM fine_tuning_events
                WHERE job_id = $1 AND (occurred_at, id, 0::bigint) < (coalesce($2::timestamptz, 'infinity'), $3, $4)
                ORDER BY occurred_at DESC, id DESC LIMIT $5)
               UNION ALL
               (SELECT p.occurred_at, p.attempt_id, p.number, NULL::text, NULL::text, NULL::jsonb, p.event
                FROM job_events p
                -- As the index says it.
                WHERE p.job_id = $1 AND p.event ->> 'event' NOT IN ('phase', 'measured', 'file_read')
                  AND (p.occurred_at, p.attempt_id, p.number) < (coalesce($2::timestamptz, 'infinity'), $3, $4)
                  AND (p.event ->> 'event' NOT IN ('step', 'held_out', 'checkpoint')
                       OR (p.attempt_id, p.number) = (
                           SELECT a.id, l.number FROM attempts a
                           CROSS JOIN LATERAL (
                               SELECT e.number FROM job_events e
                               WHERE e.attempt_id = a.id AND e.event ->> 'event' = p.event ->> 'event'
                                 AND (e.event ->> 'step')::bigint = (p.event ->> 'step')::bigint
                               ORDER BY e.number DESC LIMIT 1
                           ) l
                           WHERE a.job_id = $1 ORDER BY a.number DESC LIMIT 1))
                ORDER BY p.occurred_at DESC, p.attempt_id DESC, p.number DESC LIMIT $5)
           ) e
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
            Ok(Kept {
                place: Place {
                    at: row.at,
                    source: row.source,
                    number: row.number,
                },
                level: row.level,
                message: row.message,
                data: row.data,
                told: row.told.map(|event| parse(row.source, event)).transpose()?,
            })
        })
        .collect()
}

/// So many steps are read at once, at most, of a job that may have told of a million.
const MOST_STEPS: i64 = 5000;

/// The figures of a job's steps, from the first on and in the order of the attempts. Training of more than [`MOST_STEPS`]
/// steps is divided into between half as many stretches and so many, of equal length, and the last step that was told of
/// each is there; so are, divided in the same way, steps at which was measured on what is held out. Each has its figures of
/// both kinds.
pub(in super::super) async fn figures(
    conn: &mut PgConnection,
    job: JobId,
) -> Result<Vec<(Place, JobEvent)>, StoreError> {
    let steps = sqlx::query_scalar!(
        r#"WITH spans AS (
               SELECT a.id, k.kind,
                      (SELECT min((e.event ->> 'step')::bigint) FROM job_events e
                       WHERE e.attempt_id = a.id AND e.event ->> 'event' = k.kind) AS lowest,
                      (SELECT max((e.event ->> 'step')::bigint) FROM job_events e
                       WHERE e.attempt_id = a.id AND e.event ->> 'event' = k.kind) AS highest
               FROM attempts a CROSS JOIN unnest(ARRAY['step', 'held_out']) AS k(kind)
               WHERE a.job_id = $1
           ), strides AS (
               SELECT kind, max(highest) AS highest, greatest((max(highest) + $2::bigint - 1) / $2, 1) AS stride
               FROM spans GROUP BY kind
           )
           SELECT DISTINCT max(f.step) AS "step!"
           FROM strides t
           CROSS JOIN LATERAL generate_series(1::bigint, t.highest, t.stride) AS s(low)
           -- Attempts that went on from a checkpoint hardly overlap: few are asked for a stretch.
           JOIN spans p ON p.kind = t.kind AND p.lowest < s.low + t.stride AND p.highest >= s.low
           CROSS JOIN LATERAL (
               SELECT max((e.event ->> 'step')::bigint) AS step FROM job_events e
               WHERE e.attempt_id = p.id AND e.event ->> 'event' = p.kind
                 AND (e.event ->> 'step')::bigint BETWEEN s.low AND s.low + t.stride - 1
           ) f
           GROUP BY t.kind, s.low HAVING max(f.step) IS NOT NULL"#,
        job.0,
        MOST_STEPS,
    )
    .fetch_all(&mut *conn)
    .await?;
    last_told(conn, job, &steps, false).await
}

/// The checkpoints of a job with the figures of their steps, and no others; of more than [`MOST_STEPS`] those of the last
/// steps.
pub(in super::super) async fn checkpoints(
    conn: &mut PgConnection,
    job: JobId,
) -> Result<Vec<(Place, JobEvent)>, StoreError> {
    let steps = sqlx::query_scalar!(
        r#"SELECT DISTINCT (event ->> 'step')::bigint AS "step!" FROM job_events
           WHERE job_id = $1 AND event ->> 'event' = 'checkpoint' ORDER BY 1 DESC LIMIT $2"#,
        job.0,
        MOST_STEPS,
    )
    .fetch_all(&mut *conn)
    .await?;
    last_told(conn, job, &steps, true).await
}

/// What was told of these steps, in the order of the attempts. Of steps done again the later word counts, and that alone is
/// read: a job that was interrupted often told of each many times.
async fn last_told(
    conn: &mut PgConnection,
    job: JobId,
    steps: &[i64],
    with_checkpoints: bool,
) -> Result<Vec<(Place, JobEvent)>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT t.attempt_id AS "attempt_id!", t.number AS "number!", t.occurred_at AS "occurred_at!", t.event AS "event!"
           FROM unnest($2::bigint[]) AS w(step)
           JOIN unnest(ARRAY['step', 'held_out', 'checkpoint']) AS k(kind) ON $3::boolean OR k.kind <> 'checkpoint'
           CROSS JOIN LATERAL (
               SELECT l.attempt_id, l.number, l.occurred_at, l.event, a.number AS attempt FROM attempts a
               CROSS JOIN LATERAL (
                   SELECT e.attempt_id, e.number, e.occurred_at, e.event FROM job_events e
                   WHERE e.attempt_id = a.id AND e.event ->> 'event' = k.kind
                     AND (e.event ->> 'step')::bigint = w.step
                   ORDER BY e.number DESC LIMIT 1
               ) l
               WHERE a.job_id = $1 ORDER BY a.number DESC LIMIT 1
           ) t
           ORDER BY t.attempt, t.number"#,
        job.0,
        steps,
        with_checkpoints,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let place = Place {
                at: row.occurred_at,
                source: row.attempt_id,
                number: row.number,
            };
            Ok((place, parse(row.attempt_id, row.event)?))
        })
        .collect()
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

/// What the attempt told.
fn parse(attempt: Uuid, event: serde_json::Value) -> Result<JobEvent, StoreError> {
    serde_json::from_value(event).map_err(|_| {
        StoreError::from(CorruptRow {
            table: "job_events",
            id: attempt,
            problem: "unknown event",
        })
    })
}
