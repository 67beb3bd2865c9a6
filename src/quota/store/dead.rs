//! The beginning and the end of replicas, and what is left of them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use quota::{LeaseKey, PATIENCE, ReplicaId, TTL};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{day_of, lease_key};
use crate::{
    db::{Db, MeterTx, StoreError},
    ids::{ApiKeyId, InstitutionId, ModelId, RequestId},
    quota::{Left, Price, record::Context},
};

/// Most leases that one transaction ends.
const AT_ONCE: i64 = 500;

/// The time by the database's clock, which all replicas share.
pub(in crate::quota) async fn clock(tx: &mut MeterTx) -> Result<DateTime<Utc>, StoreError> {
    let now = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
        .fetch_one(tx.conn())
        .await?;
    Ok(now)
}

/// A replica begins its life.
pub(in crate::quota) async fn join(db: &Db, replica: ReplicaId) -> Result<(), StoreError> {
    let mut tx = db.meter().await?;
    let now = clock(&mut tx).await?;
    sqlx::query!(
        "INSERT INTO quota_replicas (id, seq, joined_at, expires_at) VALUES ($1, 0, $2, $3)",
        Uuid::from_u128(replica.0),
        now,
        now + TTL,
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(())
}

/// A replica ends its life by itself: nothing of it runs any more.
pub(in crate::quota) async fn retire(db: &Db, replica: ReplicaId) -> Result<(), StoreError> {
    let mut tx = db.meter().await?;
    sqlx::query!(
        "UPDATE quota_replicas SET expires_at = clock_timestamp() WHERE id = $1 AND died_at IS NULL",
        Uuid::from_u128(replica.0),
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(())
}

/// Locks the replicas that were silent for too long and are not known to be dead, and says that they are.
pub(in crate::quota) async fn lock_dead(
    tx: &mut MeterTx,
) -> Result<(DateTime<Utc>, BTreeSet<ReplicaId>), StoreError> {
    let now = clock(tx).await?;
    let rows = sqlx::query_scalar!(
        "WITH dead AS (
             SELECT id FROM quota_replicas WHERE died_at IS NULL AND expires_at <= $1
             ORDER BY id FOR UPDATE SKIP LOCKED)
         UPDATE quota_replicas r SET died_at = $1 FROM dead WHERE r.id = dead.id RETURNING r.id",
        now,
    )
    .fetch_all(tx.conn())
    .await?;
    let dead = rows.into_iter().map(|id| ReplicaId(id.as_u128()));
    Ok((now, dead.collect()))
}

pub(in crate::quota) async fn leases_of(
    tx: &mut MeterTx,
    replicas: &BTreeSet<ReplicaId>,
) -> Result<BTreeSet<LeaseKey>, StoreError> {
    let replicas: Vec<_> = replicas.iter().map(|id| Uuid::from_u128(id.0)).collect();
    let rows = sqlx::query!(
        "SELECT replica_id, leaf_id, measure, since FROM quota_leases
         WHERE replica_id = ANY($1) AND orphaned_at IS NULL",
        &replicas,
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(lease_key(
                (row.replica_id, row.leaf_id),
                &row.measure,
                row.since,
            )?)
        })
        .collect()
}

/// Leases whose replica died so long ago that nobody will settle them.
pub(in crate::quota) async fn long_orphaned(
    tx: &mut MeterTx,
) -> Result<(DateTime<Utc>, BTreeSet<LeaseKey>), StoreError> {
    let now = clock(tx).await?;
    let rows = sqlx::query!(
        "SELECT replica_id, leaf_id, measure, since FROM quota_leases WHERE orphaned_at <= $1
         ORDER BY orphaned_at LIMIT $2",
        now - PATIENCE,
        AT_ONCE,
    )
    .fetch_all(tx.conn())
    .await?;
    let keys: Result<_, StoreError> = rows
        .into_iter()
        .map(|row| {
            Ok(lease_key(
                (row.replica_id, row.leaf_id),
                &row.measure,
                row.since,
            )?)
        })
        .collect();
    Ok((now, keys?))
}

/// Reservations of dead replicas in the order of their orphaning, those behind `after` only.
pub(in crate::quota) async fn left(
    conn: &mut PgConnection,
    after: Option<&Left>,
    most: i64,
) -> Result<Vec<Left>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT l.replica_id, l.leaf_id, l.measure, l.since, l.orphaned_at AS "orphaned_at!", h.request_id, h.amount,
                  h.model_id, h.upstream, h.is_streamed, h.started_at, h.prompt_price,
                  h.completion_price, k.institution_id
           FROM quota_leases l
           JOIN quota_holds h USING (replica_id, leaf_id, measure, since)
           JOIN api_keys k ON k.id = l.leaf_id
           WHERE l.orphaned_at IS NOT NULL AND l.measure = 'tokens'
             AND ($2::timestamptz IS NULL OR l.orphaned_at >= $2
                 AND (l.orphaned_at, h.request_id, h.replica_id) > ($2, $3::uuid, $4::uuid))
           ORDER BY l.orphaned_at, h.request_id, h.replica_id LIMIT $1"#,
        most,
        after.map(|left| left.orphaned_at),
        after.map(|left| left.request.0),
        after.map(|left| Uuid::from_u128(left.lease.replica.0)),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Left {
                request: RequestId(row.request_id),
                tokens: row.amount,
                context: Context {
                    institution: InstitutionId(row.institution_id),
                    model: ModelId(row.model_id),
                    upstream: row.upstream,
                    price: Price {
                        prompt_per_million: row.prompt_price,
                        completion_per_million: row.completion_price,
                    },
                    is_streamed: row.is_streamed,
                    started_at: row.started_at,
                },
                orphaned_at: row.orphaned_at,
                lease: lease_key((row.replica_id, row.leaf_id), &row.measure, row.since)?,
            })
        })
        .collect()
}

pub(in crate::quota) async fn forget_minutes(
    tx: &mut MeterTx,
    before: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "DELETE FROM quota_counters WHERE period = 'minute' AND starts_at < $1 AND leased = 0",
        before,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Forgets dead replicas that nothing names any more.
pub(in crate::quota) async fn forget_replicas(
    tx: &mut MeterTx,
    before: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "DELETE FROM quota_replicas r WHERE died_at < $1
           AND NOT EXISTS (SELECT 1 FROM quota_leases l WHERE l.replica_id = r.id)
           AND NOT EXISTS (SELECT 1 FROM quota_lost l WHERE l.replica_id = r.id)",
        before,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in crate::quota) async fn make_parts(tx: &mut MeterTx) -> Result<(), StoreError> {
    let today = day_of(tx.now());
    sqlx::query!("SELECT make_usage_parts($1)", today)
        .fetch_one(tx.conn())
        .await?;
    Ok(())
}

/// Notes when keys were last used.
pub(in crate::quota) async fn note_uses(
    db: &Db,
    uses: &[(ApiKeyId, DateTime<Utc>)],
) -> Result<(), StoreError> {
    let (keys, times): (Vec<_>, Vec<_>) = uses.iter().map(|(key, at)| (key.0, *at)).unzip();
    let mut tx = db.meter().await?;
    sqlx::query!(
        "UPDATE api_keys k SET last_used_at = u.at
         FROM unnest($1::uuid[], $2::timestamptz[]) AS u (id, at)
         WHERE k.id = u.id AND (k.last_used_at IS NULL OR k.last_used_at < u.at)",
        &keys,
        &times,
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(())
}
