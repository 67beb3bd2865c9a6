//! Checkpoints: what a job had learnt at a step, and the objects that hold it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::remaining::Kept;
use crate::{
    db::{CorruptRow, MeterTx, StoreError},
    ids::{AttemptId, JobId},
};

/// So many of the newest are kept while a job is not over: the last may turn out not to be readable.
const KEPT: i64 = 2;

/// A checkpoint that was told of just now.
pub(in super::super) struct NewCheckpoint<'a> {
    pub(in super::super) job: JobId,
    pub(in super::super) attempt: AttemptId,
    /// Of the event.
    pub(in super::super) number: i64,
    pub(in super::super) step: i32,
    pub(in super::super) run: &'a str,
    /// Its parts in order, with the exact object that each is.
    pub(in super::super) parts: &'a [(Uuid, String)],
}

/// A checkpoint that can be read.
#[derive(Debug)]
pub(in super::super) struct Newest {
    pub(in super::super) id: Uuid,
    pub(in super::super) step: i32,
    pub(in super::super) run: String,
}

/// A part of a checkpoint.
#[derive(Debug, Clone)]
pub(in super::super) struct CheckpointPart {
    pub(in super::super) artifact: Uuid,
    pub(in super::super) name: String,
    pub(in super::super) size_bytes: i64,
    pub(in super::super) sha256: String,
    pub(in super::super) object_key: String,
    pub(in super::super) object_version: String,
}

/// One at a time tells of a job's checkpoints or drops some; held until the transaction ends. Not the job's row: whoever
/// stops a job holds that, and a program that tells of its events must not wait for it.
async fn lock(tx: &mut MeterTx, job: JobId) -> Result<(), StoreError> {
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended('checkpoints of ' || $1::text, 0))",
        job.to_string(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The numbers of the events of an attempt with which a checkpoint came.
pub(in super::super) async fn checkpoint_numbers(
    conn: &mut PgConnection,
    attempt: AttemptId,
) -> Result<Vec<i64>, StoreError> {
    Ok(sqlx::query_scalar!(
        "SELECT number FROM checkpoints WHERE attempt_id = $1",
        attempt.0
    )
    .fetch_all(conn)
    .await?)
}

/// Keeps a checkpoint; false where one of its parts was dropped meanwhile. The same event again changes nothing.
pub(in super::super) async fn insert_checkpoint(
    tx: &mut MeterTx,
    new: &NewCheckpoint<'_>,
) -> Result<bool, StoreError> {
    lock(tx, new.job).await?;
    let ids: Vec<Uuid> = new.parts.iter().map(|(artifact, _)| *artifact).collect();
    let versions: Vec<String> = new
        .parts
        .iter()
        .map(|(_, version)| version.clone())
        .collect();
    let there = sqlx::query!(
        "UPDATE artifacts f SET object_version = given.version
         FROM unnest($2::uuid[], $3::text[]) AS given (id, version)
         WHERE f.id = given.id AND f.attempt_id = $1 AND f.kind = 'checkpoint' AND f.dropped_at IS NULL",
        new.attempt.0,
        &ids,
        &versions,
    )
    .execute(tx.conn())
    .await?;
    if there.rows_affected() != ids.len() as u64 {
        return Ok(false);
    }
    let now = tx.now();
    let id = sqlx::query_scalar!(
        "INSERT INTO checkpoints (id, job_id, attempt_id, number, step, run, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (attempt_id, number) DO NOTHING RETURNING id",
        Uuid::now_v7(),
        new.job.0,
        new.attempt.0,
        new.number,
        new.step,
        new.run,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    if let Some(id) = id {
        sqlx::query!(
            "INSERT INTO checkpoint_parts (checkpoint_id, position, artifact_id)
             SELECT $1, (given.position - 1)::integer, given.id
             FROM unnest($2::uuid[]) WITH ORDINALITY AS given (id, position)",
            id,
            &ids,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(true)
}

/// The newest checkpoint of a job of which every part is there.
pub(in super::super) async fn newest_checkpoint(
    conn: &mut PgConnection,
    job: JobId,
) -> Result<Option<Newest>, StoreError> {
    Ok(sqlx::query_as!(
        Newest,
        "SELECT c.id, c.step, c.run FROM checkpoints c JOIN attempts a ON a.id = c.attempt_id
         WHERE c.job_id = $1 AND NOT EXISTS (
             SELECT 1 FROM checkpoint_parts p JOIN artifacts f ON f.id = p.artifact_id
             WHERE p.checkpoint_id = c.id AND f.dropped_at IS NOT NULL)
         ORDER BY a.number DESC, c.number DESC LIMIT 1",
        job.0,
    )
    .fetch_optional(conn)
    .await?)
}

/// What the jobs that wait would go on from, or one of them; nothing of those that begin at the start.
pub(in super::super) async fn kept(
    conn: &mut PgConnection,
    one: Option<JobId>,
) -> Result<HashMap<JobId, Kept>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT j.id AS "id!", j.task AS "task!", newest.step AS "step!", newest.backend AS "backend!",
                  newest.total_steps AS "total_steps?"
           FROM jobs j CROSS JOIN LATERAL (
               SELECT c.step, a.backend,
                      (SELECT (e.event ->> 'total_steps')::bigint FROM job_events e
                       WHERE e.attempt_id = a.id AND e.event ->> 'event' = 'data_ready'
                       ORDER BY e.number LIMIT 1) AS total_steps
               FROM checkpoints c JOIN attempts a ON a.id = c.attempt_id
               WHERE c.job_id = j.id AND NOT EXISTS (
                   SELECT 1 FROM checkpoint_parts p JOIN artifacts f ON f.id = p.artifact_id
                   WHERE p.checkpoint_id = c.id AND f.dropped_at IS NOT NULL)
               ORDER BY a.number DESC, c.number DESC LIMIT 1) newest
           WHERE j.status = 'approved' AND ($1::uuid IS NULL OR j.id = $1)"#,
        one.map(|job| job.0) as Option<Uuid>,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let kept = Kept {
                step: u64::from(row.step.unsigned_abs()),
                total_steps: row.total_steps.map(i64::unsigned_abs),
                place: row.backend,
                task: serde_json::from_value(row.task).map_err(|_| CorruptRow {
                    table: "jobs",
                    id: row.id,
                    problem: "unknown task",
                })?,
            };
            Ok((JobId(row.id), kept))
        })
        .collect()
}

/// The parts of a checkpoint in order.
pub(in super::super) async fn checkpoint_parts(
    conn: &mut PgConnection,
    checkpoint: Uuid,
) -> Result<Vec<CheckpointPart>, StoreError> {
    Ok(sqlx::query_as!(
        CheckpointPart,
        r#"SELECT f.id AS artifact, f.name, f.size_bytes, f.sha256, f.object_key,
                  f.object_version AS "object_version!"
           FROM checkpoint_parts p JOIN artifacts f ON f.id = p.artifact_id
           WHERE p.checkpoint_id = $1 ORDER BY p.position"#,
        checkpoint,
    )
    .fetch_all(conn)
    .await?)
}

/// A part of one of a job's checkpoints that may still be read.
pub(in super::super) async fn part_of_job(
    conn: &mut PgConnection,
    job: JobId,
    artifact: Uuid,
) -> Result<Option<CheckpointPart>, StoreError> {
    Ok(sqlx::query_as!(
        CheckpointPart,
        r#"SELECT f.id AS artifact, f.name, f.size_bytes, f.sha256, f.object_key,
                  f.object_version AS "object_version!"
           FROM artifacts f WHERE f.id = $2 AND f.dropped_at IS NULL AND EXISTS (
               SELECT 1 FROM checkpoint_parts p JOIN checkpoints c ON c.id = p.checkpoint_id
               WHERE p.artifact_id = f.id AND c.job_id = $1)"#,
        job.0,
        artifact,
    )
    .fetch_optional(conn)
    .await?)
}

/// Notes that the program of `attempt` could not read a part of one of its job's checkpoints: nobody is handed it again.
/// What is no such part, or was dropped before, stays as it is.
pub(in super::super) async fn mark_damaged(
    tx: &mut MeterTx,
    attempt: (JobId, AttemptId),
    artifact: Uuid,
) -> Result<(), StoreError> {
    let (job, attempt) = attempt;
    lock(tx, job).await?;
    let now = tx.now();
    sqlx::query!(
        "UPDATE artifacts f SET damaged_at = $4, damaged_told_by = $3, dropped_at = $4
         WHERE f.id = $2 AND f.dropped_at IS NULL AND EXISTS (
             SELECT 1 FROM checkpoint_parts p JOIN checkpoints c ON c.id = p.checkpoint_id
             WHERE p.artifact_id = f.id AND c.job_id = $1)",
        job.0,
        artifact,
        attempt.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whether an attempt found a checkpoint damaged that nobody had found so before.
pub(in super::super) async fn has_found_damage(
    conn: &mut PgConnection,
    attempt: AttemptId,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM artifacts WHERE damaged_told_by = $1 AND damaged_at IS NOT NULL) AS "is!""#,
        attempt.0,
    )
    .fetch_one(conn)
    .await?)
}

/// How many attempts of a job were lost since it last got further than before. One that found a checkpoint damaged is not
/// among them, and what a damaged checkpoint held was not got to. Steps are compared with those told at the same place: an
/// attempt that began anew elsewhere, because that place could not take up what was kept, moves on too, and two places
/// that take turns without getting further do not.
pub(in super::super) async fn lost_in_a_row(
    conn: &mut PgConnection,
    job: JobId,
) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"WITH told AS (
               SELECT a.number AS attempt, c.step,
                      max(c.step) OVER (PARTITION BY a.backend ORDER BY a.number, c.number
                          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
               FROM checkpoints c JOIN attempts a ON a.id = c.attempt_id
               WHERE c.job_id = $1 AND NOT EXISTS (
                   SELECT 1 FROM checkpoint_parts p JOIN artifacts f ON f.id = p.artifact_id
                   WHERE p.checkpoint_id = c.id AND f.damaged_at IS NOT NULL)),
             moved_on AS (SELECT max(attempt) AS attempt FROM told WHERE before IS NULL OR step > before)
           SELECT count(*) AS "count!" FROM attempts WHERE job_id = $1 AND status = 'lost'
             AND coalesce(failure_code, '') NOT IN ('exit_124', 'checkpoint_damaged')
             AND number >= coalesce((SELECT attempt FROM moved_on), 0)"#,
        job.0,
    )
    .fetch_one(conn)
    .await?)
}

/// Jobs with stored checkpoints.
pub(in super::super) async fn jobs_with_checkpoints(
    conn: &mut PgConnection,
) -> Result<Vec<JobId>, StoreError> {
    let jobs = sqlx::query_scalar!(
        "SELECT DISTINCT a.job_id FROM artifacts f JOIN attempts a ON a.id = f.attempt_id
         WHERE f.kind = 'checkpoint' AND f.dropped_at IS NULL",
    )
    .fetch_all(conn)
    .await?;
    Ok(jobs.into_iter().map(JobId).collect())
}

/// Gives up what no attempt will go on from: all that a job left that is over; else what is older than the newest
/// checkpoints, and what an attempt that ended never told of.
pub(in super::super) async fn drop_checkpoints(
    tx: &mut MeterTx,
    job: JobId,
) -> Result<(), StoreError> {
    lock(tx, job).await?;
    let now = tx.now();
    sqlx::query!(
        "WITH kept AS (
             SELECT c.id FROM checkpoints c JOIN attempts a ON a.id = c.attempt_id
             WHERE c.job_id = $1 AND NOT EXISTS (
                 SELECT 1 FROM checkpoint_parts p JOIN artifacts f ON f.id = p.artifact_id
                 WHERE p.checkpoint_id = c.id AND f.dropped_at IS NOT NULL)
             ORDER BY a.number DESC, c.number DESC LIMIT $3)
         UPDATE artifacts f SET dropped_at = $2
         FROM attempts a JOIN jobs j ON j.id = a.job_id
         WHERE f.attempt_id = a.id AND a.job_id = $1 AND f.kind = 'checkpoint' AND f.dropped_at IS NULL
           AND (j.ended_at IS NOT NULL
             OR NOT EXISTS (SELECT 1 FROM checkpoint_parts p JOIN kept k ON k.id = p.checkpoint_id
                            WHERE p.artifact_id = f.id)
                AND (a.ended_at IS NOT NULL
                     OR EXISTS (SELECT 1 FROM checkpoint_parts p WHERE p.artifact_id = f.id)))",
        job.0,
        now,
        KEPT,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Files that were dropped and that nobody can be putting any more, with their keys; the oldest first. Not what a withdrawal
/// purges: that goes with a proof of what was deleted.
pub(in super::super) async fn to_delete(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<Vec<(Uuid, String)>, StoreError> {
    let rows = sqlx::query!(
        "SELECT id, object_key FROM artifacts
         WHERE dropped_at IS NOT NULL AND deleted_at IS NULL AND put_until < $1
           AND NOT EXISTS (SELECT 1 FROM purge_items i WHERE i.kind = 'artifact' AND i.name = object_key
                           AND NOT EXISTS (SELECT 1 FROM purge_proofs p WHERE p.item_id = i.id))
         ORDER BY put_until LIMIT 100",
        now,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.id, row.object_key))
        .collect())
}

/// Notes that the store holds nothing of a file any more.
pub(in super::super) async fn set_deleted(tx: &mut MeterTx, id: Uuid) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "UPDATE artifacts SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL",
        id,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
