//! What serving programs say, and what people say of them. A report locks rows in the order that
//! [`lock_programs`] has: those of programs by id, its own among them, then those of its places.

use job_contract::ModelState;

use super::{super::process::Report, arrange::lock_programs};
use crate::{
    db::{MeterTx, StoreError, WriteTx},
    ids::ServingProcessId,
};

/// Where no program was heard of, the portal was deaf: none is held to have been silent. Without this a portal that was
/// away for longer than a lease would move every model to whoever speaks first.
pub(in crate::serving) async fn forgive_silence(tx: &mut MeterTx) -> Result<(), StoreError> {
    let is_silent = sqlx::query_scalar!(
        r#"SELECT NOT EXISTS (
               SELECT 1 FROM serving_processes
               WHERE seen_at > clock_timestamp() - interval '5 seconds') AS "is_silent!""#
    )
    .fetch_one(tx.conn())
    .await?;
    if !is_silent {
        return Ok(());
    }
    lock_programs(tx).await?;
    // It looks once more: another may have spoken while this waited for the locks.
    sqlx::query!(
        "UPDATE serving_processes SET expires_at = greatest(expires_at, now() + interval '10 seconds')
         WHERE gone_at IS NULL AND NOT EXISTS (
             SELECT 1 FROM serving_processes o WHERE o.seen_at > clock_timestamp() - interval '5 seconds')"
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Who was at this address before is gone.
pub(in crate::serving) async fn end_others_at(
    tx: &mut MeterTx,
    report: &Report,
) -> Result<(), StoreError> {
    // With its own row, in the order of ids: of two programs that report the same address at once, each would lock
    // the other's row first and then want its own. Those that are gone too: one may have come back when this has waited.
    sqlx::query!(
        "SELECT id FROM serving_processes WHERE id = $1 OR address = $2 ORDER BY id FOR NO KEY UPDATE",
        report.process.0,
        report.status.address,
    )
    .fetch_all(tx.conn())
    .await?;
    sqlx::query!(
        "UPDATE serving_processes SET gone_at = now() WHERE address = $1 AND id <> $2 AND gone_at IS NULL",
        report.status.address,
        report.process.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in crate::serving) async fn save_process(
    tx: &mut MeterTx,
    report: &Report,
) -> Result<(), StoreError> {
    let status = &report.status;
    let count = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let room = status.room.memory_bytes;
    sqlx::query!(
        "INSERT INTO serving_processes AS s (id, name, address, takes, most_adapters, room_bytes, running, waiting,
             is_leaving, started_at, seen_at, expires_at, gone_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now(), now(), now() + interval '10 seconds',
             CASE WHEN $10::boolean THEN now() END)
         ON CONFLICT (id) DO UPDATE
         SET name = excluded.name, address = excluded.address, takes = excluded.takes,
             most_adapters = excluded.most_adapters, room_bytes = excluded.room_bytes, running = excluded.running,
             waiting = excluded.waiting, is_leaving = excluded.is_leaving, seen_at = excluded.seen_at,
             expires_at = excluded.expires_at, gone_at = excluded.gone_at",
        report.process.0,
        status.name,
        status.address,
        &status.takes,
        count(status.room.adapters),
        room.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        count(status.load.running),
        count(status.load.waiting),
        report.is_leaving(),
        report.has_left(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Answers whether a place changed. Most reports say that all is as it was, and write nothing.
pub(in crate::serving) async fn save_models(
    tx: &mut MeterTx,
    report: &Report,
) -> Result<bool, StoreError> {
    let models = &report.status.models;
    let deployments: Vec<_> = models.iter().map(|model| model.deployment).collect();
    let states: Vec<_> = models
        .iter()
        .map(|model| match model.state {
            ModelState::Loading => "loading",
            ModelState::Ready => "ready",
            ModelState::Failed => "failed",
        })
        .map(str::to_owned)
        .collect();
    // An empty text stands for none: arrays of texts and NULLs have no type of their own.
    let messages: Vec<_> = models
        .iter()
        .map(|model| model.message.clone().unwrap_or_default())
        .collect();
    let in_use: Vec<_> = models.iter().map(|model| model.is_in_use).collect();
    let changed = sqlx::query!(
        "UPDATE serving_places p
         SET state = r.state, message = nullif(r.message, ''), is_in_use = r.is_in_use, reported_at = now()
         FROM unnest($2::uuid[], $3::text[], $4::text[], $5::boolean[]) r (deployment_id, state, message, is_in_use)
         WHERE p.process_id = $1 AND p.deployment_id = r.deployment_id
           -- Of what is left it counts when it was last heard of.
           AND (p.left_at IS NOT NULL OR (p.state, coalesce(p.message, '')) IS DISTINCT FROM (r.state, r.message))",
        report.process.0,
        &deployments,
        &states,
        &messages,
        &in_use,
    )
    .execute(tx.conn())
    .await?;
    Ok(changed.rows_affected() > 0)
}

/// Answers the name of the program, where it lives.
pub(in crate::serving) async fn save_drained(
    tx: &mut WriteTx<'_>,
    process: ServingProcessId,
    is_drained: bool,
) -> Result<Option<String>, StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    let name = sqlx::query_scalar!(
        "UPDATE serving_processes
         SET drained_at = CASE WHEN $2 THEN coalesce(drained_at, $3) END,
             drained_by = CASE WHEN $2 THEN coalesce(drained_by, $4) END
         WHERE id = $1 AND gone_at IS NULL RETURNING name",
        process.0,
        is_drained,
        now,
        actor.user.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(name)
}
