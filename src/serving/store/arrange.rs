//! What the rule looks at, and its changes.

use sqlx::PgConnection;

use super::super::placement::{Over, Place, PlaceState, Process, Stand, Wanted};
use crate::{
    db::{CorruptRow, MeterTx, StoreError},
    ids::{DeploymentId, ServingProcessId},
};

/// Whether nobody else arranges; whoever comes until the transaction ends is told no.
pub(in crate::serving) async fn is_alone(tx: &mut MeterTx) -> Result<bool, StoreError> {
    let is_alone = sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_xact_lock(hashtext('who arranges places')) AS "is_alone!""#
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(is_alone)
}

/// Locks the rows of all programs in the order of their ids; held already, they cost a look.
///
/// The order of locks is: programs by id, places, deployments. Places have no order among themselves, and need none:
/// those in a program are changed under the lock on its row only, by its own report, which holds that row, and by who
/// arranges, who holds all. So neither a report and an arrangement that come to a program's places in different orders
/// nor two reports that end one another's programs wait for each other in a circle.
pub(super) async fn lock_programs(tx: &mut MeterTx) -> Result<(), StoreError> {
    // Not FOR UPDATE: that would hold up places that name the program.
    sqlx::query!("SELECT id FROM serving_processes ORDER BY id FOR NO KEY UPDATE")
        .fetch_all(tx.conn())
        .await?;
    Ok(())
}

/// Ends what was not heard of in time, while others were; and forgets what is long gone. Answers whether anything ended.
pub(in crate::serving) async fn expire(tx: &mut MeterTx) -> Result<bool, StoreError> {
    // Looked at first: each program has this done each second, and mostly there is nothing to lock.
    let is_over = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT 1 FROM serving_processes
               WHERE gone_at IS NULL AND expires_at < clock_timestamp()
                   OR gone_at < clock_timestamp() - interval '1 day') AS "is_over!""#
    )
    .fetch_one(tx.conn())
    .await?;
    if !is_over {
        return Ok(false);
    }
    lock_programs(tx).await?;
    let ended = sqlx::query!(
        "UPDATE serving_processes s SET gone_at = now()
         WHERE s.gone_at IS NULL AND s.expires_at < clock_timestamp() AND EXISTS (
             SELECT 1 FROM serving_processes o
             WHERE o.id <> s.id AND o.seen_at > clock_timestamp() - interval '5 seconds')"
    )
    .execute(tx.conn())
    .await?;
    let forgotten = sqlx::query!(
        "DELETE FROM serving_processes WHERE gone_at < clock_timestamp() - interval '1 day'"
    )
    .execute(tx.conn())
    .await?;
    Ok(ended.rows_affected() + forgotten.rows_affected() > 0)
}

pub(in crate::serving) async fn stand(conn: &mut PgConnection) -> Result<Stand, StoreError> {
    let processes = sqlx::query!(
        "SELECT id, takes, most_adapters, room_bytes, running, waiting, drained_at, is_leaving
         FROM serving_processes WHERE gone_at IS NULL ORDER BY id"
    )
    .fetch_all(&mut *conn)
    .await?;
    let wanted = sqlx::query!(
        r#"SELECT d.id, d.replicas, d.draining_at, m.kind, coalesce(b.name, m.name) AS "base_name!",
                  o.id AS "over?",
                  (SELECT coalesce(sum(f.size_bytes), 0)::bigint FROM model_files f WHERE f.model_id = m.id)
                      AS "bytes!"
           FROM deployments d
           JOIN models m ON m.id = d.model_id
           LEFT JOIN models b ON b.id = m.base_model_id AND m.kind = 'adapter'
           LEFT JOIN deployments o ON o.model_id = b.id AND o.status <> 'stopped'
           WHERE d.status <> 'stopped' ORDER BY d.id"#
    )
    .fetch_all(&mut *conn)
    .await?;
    // A place is quiet when it was heard of, unused, so long after it was left that no request can be on its way; or
    // when ten minutes have passed.
    let places = sqlx::query!(
        r#"SELECT deployment_id, process_id, state, left_at IS NOT NULL AS "is_left!",
                  coalesce(left_at < clock_timestamp() - interval '10 minutes'
                      OR (NOT is_in_use AND reported_at > left_at + interval '3 seconds'), false) AS "is_quiet!"
           FROM serving_places ORDER BY deployment_id, process_id"#
    )
    .fetch_all(&mut *conn)
    .await?;
    let count = |number: i32| usize::try_from(number).unwrap_or_default();
    Ok(Stand {
        processes: processes
            .into_iter()
            .map(|row| Process {
                id: ServingProcessId(row.id),
                takes: row.takes,
                most_adapters: count(row.most_adapters),
                room_bytes: row.room_bytes.map(i64::unsigned_abs),
                load: row.running.saturating_add(row.waiting).unsigned_abs(),
                is_draining: row.drained_at.is_some(),
                is_leaving: row.is_leaving,
            })
            .collect(),
        wanted: wanted
            .into_iter()
            .map(|row| Wanted {
                id: DeploymentId(row.id),
                base_name: row.base_name,
                over: match row.kind.as_str() {
                    "adapter" => Over::Base(row.over.map(DeploymentId)),
                    _ => Over::Nothing,
                },
                replicas: count(row.replicas),
                is_draining: row.draining_at.is_some(),
                bytes: row.bytes.unsigned_abs(),
            })
            .collect(),
        places: places
            .into_iter()
            .map(|row| {
                let state = match row.state.as_str() {
                    "loading" => PlaceState::Loading,
                    "ready" => PlaceState::Ready,
                    "failed" => PlaceState::Failed,
                    _ => {
                        return Err(CorruptRow {
                            table: "serving_places",
                            id: row.deployment_id,
                            problem: "unknown state",
                        });
                    }
                };
                Ok(Place {
                    deployment: DeploymentId(row.deployment_id),
                    process: ServingProcessId(row.process_id),
                    state,
                    is_left: row.is_left,
                    is_quiet: row.is_quiet,
                })
            })
            .collect::<Result<_, _>>()?,
    })
}

/// Needs no lock on the program: nobody else knows of the place yet.
pub(in crate::serving) async fn add(
    tx: &mut MeterTx,
    deployment: DeploymentId,
    process: ServingProcessId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO serving_places (deployment_id, process_id, state, is_in_use, placed_at)
         VALUES ($1, $2, 'loading', false, now()) ON CONFLICT DO NOTHING",
        deployment.0,
        process.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Nothing new is sent there from now on, or again.
pub(in crate::serving) async fn leave(
    tx: &mut MeterTx,
    (deployment, process): (DeploymentId, ServingProcessId),
    is_left: bool,
) -> Result<(), StoreError> {
    lock_programs(tx).await?;
    sqlx::query!(
        "UPDATE serving_places SET left_at = CASE WHEN $3 THEN clock_timestamp() END
         WHERE deployment_id = $1 AND process_id = $2",
        deployment.0,
        process.0,
        is_left,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in crate::serving) async fn drop_place(
    tx: &mut MeterTx,
    deployment: DeploymentId,
    process: ServingProcessId,
) -> Result<(), StoreError> {
    lock_programs(tx).await?;
    sqlx::query!(
        "DELETE FROM serving_places WHERE deployment_id = $1 AND process_id = $2",
        deployment.0,
        process.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Says of each deployment how it stands: stopped where it drained and nothing is left of it; ready where it is
/// somewhere. Answers whether any stands otherwise than before.
pub(in crate::serving) async fn sum_up(tx: &mut MeterTx) -> Result<bool, StoreError> {
    let now = tx.now();
    let ended = sqlx::query!(
        "UPDATE deployments d SET status = 'stopped', stopped_at = $1
         WHERE d.status <> 'stopped' AND d.draining_at IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM serving_places p WHERE p.deployment_id = d.id)",
        now,
    )
    .execute(tx.conn())
    .await?;
    // What may not be served is not said to be: a trigger would refuse all of it.
    let summed = sqlx::query!(
        "UPDATE deployments d SET status = s.status, message = s.message, seen_at = $1
         FROM (
             SELECT d.id,
                    CASE WHEN bool_or(p.state = 'ready' AND h.expires_at > clock_timestamp()) THEN 'ready'
                         WHEN bool_and(p.state = 'failed') THEN 'failed'
                         ELSE 'wanted' END AS status,
                    min(p.message) AS message
             FROM deployments d
             JOIN models m ON m.id = d.model_id AND m.status = 'released' AND m.quarantined_at IS NULL
             LEFT JOIN serving_places p ON p.deployment_id = d.id
             LEFT JOIN serving_processes h ON h.id = p.process_id
             WHERE d.status <> 'stopped' GROUP BY d.id
         ) s
         WHERE d.id = s.id AND d.status <> 'stopped'
           AND (d.status, d.message) IS DISTINCT FROM (s.status, s.message)",
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(ended.rows_affected() + summed.rows_affected() > 0)
}
