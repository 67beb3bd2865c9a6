//! Estimates, and the speeds that they come from.

use job_contract::Task;
use sqlx::PgConnection;

use super::super::estimate::{Basis, Estimate};
use crate::{
    budgets::Cost,
    db::{CorruptRow, StoreError, WriteTx},
    ids::{JobId, ModelId},
};

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Keeps what a job is expected to need.
pub(in super::super) async fn insert_estimate(
    tx: &mut WriteTx<'_>,
    job: JobId,
    estimate: &Estimate,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO job_estimates (job_id, place, basis, tokens, flop, seconds, milli_sbu, joules, made_at, memory_bytes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        job.0,
        estimate.place,
        estimate.basis.name(),
        int(estimate.tokens),
        estimate.flop,
        int(estimate.cost.seconds),
        int(estimate.cost.milli_sbu),
        int(estimate.cost.joules),
        now,
        estimate.memory_bytes.map(int),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What a job was expected to need.
pub(in super::super) async fn estimate(
    conn: &mut PgConnection,
    job: JobId,
) -> Result<Option<Estimate>, StoreError> {
    let row = sqlx::query!(
        "SELECT place, basis, tokens, flop, seconds, milli_sbu, joules, memory_bytes
         FROM job_estimates WHERE job_id = $1",
        job.0,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let corrupt = CorruptRow {
        table: "job_estimates",
        id: job.0,
        problem: "unknown basis",
    };
    Ok(Some(Estimate {
        place: row.place,
        basis: Basis::parse(&row.basis).ok_or(corrupt)?,
        tokens: row.tokens.unsigned_abs(),
        flop: row.flop,
        cost: Cost {
            seconds: row.seconds.unsigned_abs(),
            milli_sbu: row.milli_sbu.unsigned_abs(),
            joules: row.joules.unsigned_abs(),
            ..Cost::default()
        },
        memory_bytes: row.memory_bytes.map(i64::unsigned_abs),
    }))
}

/// Jobs at a place from which its speed is taken.
const FEWEST: i64 = 3;
/// Of a shorter one the start and the end say more than the work.
const SHORTEST_SECONDS: f64 = 30.0;

/// How fast jobs were.
pub(in super::super) struct Speed {
    pub(in super::super) flop_per_token: f64,
    pub(in super::super) flop_per_second: f64,
}

/// How fast the last twenty jobs of this kind on this base were at a place, models from nothing of the same shape; of those
/// that took half a minute and longer. None where there were none.
pub(in super::super) async fn speed(
    conn: &mut PgConnection,
    place: &str,
    base: Option<ModelId>,
    task: &Task,
) -> Result<Option<Speed>, StoreError> {
    let task = serde_json::to_value(task).map_err(|e| sqlx::Error::Encode(e.into()))?;
    let kind = task
        .get("kind")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    let row = sqlx::query!(
        r#"SELECT sum(flop) / nullif(sum(tokens), 0) AS flop_per_token, sum(flop) / nullif(sum(seconds), 0) AS flop_per_second
           FROM (SELECT (a.outcome ->> 'flop')::float8 AS flop, (a.outcome ->> 'tokens_trained')::float8 AS tokens,
                        (a.outcome ->> 'wall_seconds')::float8 AS seconds
                 FROM attempts a JOIN jobs j ON j.id = a.job_id
                 WHERE a.status = 'succeeded' AND a.backend = $1 AND j.base_model_id IS NOT DISTINCT FROM $2 AND j.task ->> 'kind' = $3
                   AND j.task -> 'shape' IS NOT DISTINCT FROM $4 AND (a.outcome ->> 'wall_seconds')::float8 >= $5
                   AND a.outcome ->> 'resumed_from_step' IS NULL
                 ORDER BY a.ended_at DESC LIMIT 20) latest"#,
        place,
        base.map(|base| base.0) as Option<uuid::Uuid>,
        kind,
        task.get("shape"),
        SHORTEST_SECONDS,
    )
    .fetch_one(conn)
    .await?;
    Ok(match (row.flop_per_token, row.flop_per_second) {
        (Some(flop_per_token), Some(flop_per_second))
            if flop_per_token > 0.0 && flop_per_second > 0.0 =>
        {
            Some(Speed {
                flop_per_token,
                flop_per_second,
            })
        }
        _ => None,
    })
}

/// The median speed of the last twenty jobs at a place that were not estimated from jobs like them, in operations a second
/// as estimates count those: trainings or evaluations, with a base or without. None where there were fewer than three.
pub(in super::super) async fn place_speed(
    conn: &mut PgConnection,
    place: &str,
    base: Option<ModelId>,
    task: &Task,
) -> Result<Option<f64>, StoreError> {
    let is_training = task.training().is_some();
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!", percentile_cont(0.5) WITHIN GROUP (ORDER BY speed) AS median
           FROM (SELECT e.flop / (a.outcome ->> 'wall_seconds')::float8 AS speed
                 FROM attempts a JOIN jobs j ON j.id = a.job_id JOIN job_estimates e ON e.job_id = j.id
                 WHERE a.status = 'succeeded' AND a.backend = $1 AND e.basis <> 'measured' AND e.flop > 0
                   AND (j.task ->> 'kind' = 'evaluate') <> $2 AND (j.base_model_id IS NULL) = $3
                   AND a.outcome ->> 'resumed_from_step' IS NULL
                   AND (a.outcome ->> 'wall_seconds')::float8 >= $4
                 ORDER BY a.ended_at DESC LIMIT 20) latest"#,
        place,
        is_training,
        base.is_none(),
        SHORTEST_SECONDS,
    )
    .fetch_one(conn)
    .await?;
    Ok(row
        .median
        .filter(|speed| row.count >= FEWEST && speed.is_finite() && *speed > 0.0))
}
