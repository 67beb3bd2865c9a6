//! Loading the part of the book that a transaction works on, under its locks.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use quota::{
    Book, Count, Counter, LeaseKey, LeaseRow, Measure, Member, NodeId, ReplicaId, RequestId,
};
use uuid::Uuid;

use super::{CounterColumns, LeaseColumns, lease_key, measure_of, window_of};
use crate::db::{Db, MeterTx, StoreError};

/// Stands for the holds of a lease that a transaction has no need to tell apart.
pub(super) const OTHERS: RequestId = RequestId(0);

/// Which leases to load, and how much of their holds.
#[derive(Debug)]
pub(in crate::quota) struct Part {
    pub(in crate::quota) keys: BTreeSet<LeaseKey>,
    /// The holds to know one by one; of the rest the sum will do.
    pub(in crate::quota) named: BTreeSet<(LeaseKey, RequestId)>,
    pub(in crate::quota) all_holds: bool,
}

/// Locks a replica that lives, and answers the time by the database's clock.
pub(in crate::quota) async fn lock_replica(
    tx: &mut MeterTx,
    replica: ReplicaId,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT clock_timestamp() AS "now!" FROM quota_replicas
           WHERE id = $1 AND died_at IS NULL AND expires_at > clock_timestamp()
           FOR UPDATE"#,
        Uuid::from_u128(replica.0),
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| row.now))
}

/// The replicas that live: how many there are says how large a block may be.
pub(in crate::quota) async fn load_members(
    tx: &mut MeterTx,
    book: &mut Book,
) -> Result<(), StoreError> {
    let rows = sqlx::query!("SELECT id, seq, expires_at FROM quota_replicas WHERE died_at IS NULL")
        .fetch_all(tx.conn())
        .await?;
    book.members.extend(rows.into_iter().map(|row| {
        let member = Member {
            expires_at: row.expires_at,
            seq: row.seq.unsigned_abs(),
        };
        (ReplicaId(row.id.as_u128()), member)
    }));
    Ok(())
}

/// Locks the leases that are there; the path of each leaf up to the root is read as it is now.
pub(in crate::quota) async fn load_leases(
    tx: &mut MeterTx,
    part: &Part,
) -> Result<Book, StoreError> {
    let mut book = Book::default();
    let keys: LeaseColumns = part.keys.iter().collect();
    let rows = sqlx::query!(
        r#"SELECT l.replica_id, l.leaf_id, l.measure, l.since, l.path, l.granted, l.open, l.untold, l.orphaned_at
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[]) AS k (replica_id, leaf_id, measure, since)
           JOIN quota_leases l USING (replica_id, leaf_id, measure, since)
           ORDER BY l.replica_id, l.leaf_id, l.measure, l.since
           FOR UPDATE OF l"#,
        &keys.replicas,
        &keys.leaves,
        &keys.measures,
        &keys.since,
    )
    .fetch_all(tx.conn())
    .await?;
    let mut open = Vec::new();
    for row in rows {
        let key = lease_key((row.replica_id, row.leaf_id), &row.measure, row.since)?;
        open.push((key, row.open));
        let lease = LeaseRow {
            path: row.path.iter().map(|id| NodeId(id.as_u128())).collect(),
            granted: row.granted,
            float: row.untold,
            orphaned_at: row.orphaned_at,
            ..LeaseRow::default()
        };
        book.leases.insert(key, lease);
    }
    load_holds(tx, &mut book, part).await?;
    for (key, open) in open {
        if let Some(lease) = book.leases.get_mut(&key)
            && open > lease.open()
        {
            lease.holds.insert(OTHERS, open - lease.open());
        }
    }
    load_paths(tx, &mut book, part).await?;
    Ok(book)
}

async fn load_holds(tx: &mut MeterTx, book: &mut Book, part: &Part) -> Result<(), StoreError> {
    let there = |key: &LeaseKey| book.leases.contains_key(key);
    let mut keys = LeaseColumns::default();
    let mut requests = Vec::new();
    if part.all_holds {
        keys = part.keys.iter().filter(|key| there(key)).collect();
    } else {
        for (key, request) in part.named.iter().filter(|(key, _)| there(key)) {
            keys.push(key);
            requests.push(Uuid::from_u128(request.0));
        }
    }
    if keys.replicas.is_empty() {
        return Ok(());
    }
    let requests = (!part.all_holds).then_some(requests);
    let rows = sqlx::query!(
        r#"SELECT h.replica_id, h.leaf_id, h.measure, h.since, h.request_id, h.amount
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::uuid[])
               AS k (replica_id, leaf_id, measure, since, request_id)
           JOIN quota_holds h ON h.replica_id = k.replica_id AND h.leaf_id = k.leaf_id AND h.measure = k.measure
               AND h.since = k.since AND ($6 OR h.request_id = k.request_id)"#,
        &keys.replicas,
        &keys.leaves,
        &keys.measures,
        &keys.since,
        requests.as_deref().unwrap_or_default(),
        part.all_holds,
    )
    .fetch_all(tx.conn())
    .await?;
    for row in rows {
        let key = lease_key((row.replica_id, row.leaf_id), &row.measure, row.since)?;
        if let Some(lease) = book.leases.get_mut(&key) {
            let request = RequestId(row.request_id.as_u128());
            lease.holds.insert(request, row.amount);
        }
    }
    Ok(())
}

async fn load_paths(tx: &mut MeterTx, book: &mut Book, part: &Part) -> Result<(), StoreError> {
    // Also of leases that are there: one that ends in this transaction may begin anew in it.
    let leaves: BTreeSet<Uuid> = part
        .keys
        .iter()
        .map(|key| Uuid::from_u128(key.leaf.0))
        .collect();
    if leaves.is_empty() {
        return Ok(());
    }
    let leaves: Vec<_> = leaves.into_iter().collect();
    let rows = sqlx::query!(
        r#"WITH RECURSIVE up AS (
               SELECT id, parent_id FROM quota_nodes WHERE id = ANY($1)
               UNION
               SELECT n.id, n.parent_id FROM quota_nodes n JOIN up ON n.id = up.parent_id)
           SELECT id AS "id!", parent_id AS "parent_id!" FROM up WHERE parent_id IS NOT NULL"#,
        &leaves,
    )
    .fetch_all(tx.conn())
    .await?;
    for row in rows {
        book.place(NodeId(row.id.as_u128()), NodeId(row.parent_id.as_u128()));
    }
    Ok(())
}

/// The counters of all that was loaded, in the order of their keys; answers those that are not there yet.
pub(in crate::quota) async fn lock_counters(
    tx: &mut MeterTx,
    book: &mut Book,
    keys: &BTreeSet<LeaseKey>,
) -> Result<BTreeSet<Counter>, StoreError> {
    let mut wanted = BTreeSet::new();
    for key in keys {
        if let Some(lease) = book.leases.get(key) {
            wanted.extend(key.counters(&lease.path));
        }
        // A lease that begins anew counts where its leaf is now.
        wanted.extend(key.counters(&book.path(key.leaf)));
    }
    let columns: CounterColumns = wanted.iter().collect();
    let rows = sqlx::query!(
        r#"SELECT c.node_id, c.measure, c.period, c.starts_at, c.used, c.leased
           FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) AS k (node_id, measure, period, starts_at)
           JOIN quota_counters c USING (node_id, measure, period, starts_at)
           ORDER BY c.node_id, c.measure, c.period, c.starts_at
           FOR UPDATE OF c"#,
        &columns.nodes,
        &columns.measures,
        &columns.periods,
        &columns.starts,
    )
    .fetch_all(tx.conn())
    .await?;
    for row in rows {
        let counter = Counter {
            node: NodeId(row.node_id.as_u128()),
            measure: measure_of(row.node_id, &row.measure)?,
            window: window_of(row.node_id, &row.period)?,
            starts_at: row.starts_at,
        };
        wanted.remove(&counter);
        let count = Count {
            used: row.used,
            leased: row.leased,
        };
        book.counters.insert(counter, count);
    }
    Ok(wanted)
}

/// Makes counters that stand at nothing.
pub(in crate::quota) async fn make_counters(
    db: &Db,
    counters: &BTreeSet<Counter>,
) -> Result<(), StoreError> {
    let columns: CounterColumns = counters.iter().collect();
    let mut tx = db.meter().await?;
    sqlx::query!(
        "INSERT INTO quota_counters (node_id, measure, period, starts_at)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) AS k (n, m, p, s)
         ORDER BY n, m, p, s
         ON CONFLICT DO NOTHING",
        &columns.nodes,
        &columns.measures,
        &columns.periods,
        &columns.starts,
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(())
}

/// The limits on every counter that was loaded.
pub(in crate::quota) async fn load_limits(
    tx: &mut MeterTx,
    book: &mut Book,
) -> Result<(), StoreError> {
    let nodes: BTreeSet<_> = book.counters.keys().map(|counter| counter.node).collect();
    let nodes: Vec<_> = nodes.iter().map(|node| Uuid::from_u128(node.0)).collect();
    let rows = sqlx::query!(
        "SELECT node_id, measure, period, cap FROM quota_limits WHERE node_id = ANY($1)",
        &nodes,
    )
    .fetch_all(tx.conn())
    .await?;
    for row in rows {
        let measure = measure_of(row.node_id, &row.measure)?;
        let window = window_of(row.node_id, &row.period)?;
        book.limit(
            NodeId(row.node_id.as_u128()),
            measure,
            window,
            Some(row.cap),
        );
    }
    Ok(())
}

/// Which of these reservations were booked before. Those of the replica's own life were not: its exchanges are
/// applied once, and nobody else settles what is alive.
pub(in crate::quota) async fn load_events(
    tx: &mut MeterTx,
    book: &mut Book,
    replica: ReplicaId,
    settled: impl Iterator<Item = (RequestId, LeaseKey)>,
) -> Result<(), StoreError> {
    let of_before: Vec<_> = settled
        .filter(|(_, key)| key.replica != replica && key.measure == Measure::Tokens)
        .collect();
    if of_before.is_empty() {
        return Ok(());
    }
    let days: Vec<_> = of_before
        .iter()
        .map(|(_, key)| super::day_of(key.since))
        .collect();
    let requests: Vec<_> = of_before
        .iter()
        .map(|(id, _)| Uuid::from_u128(id.0))
        .collect();
    let replicas: Vec<_> = of_before
        .iter()
        .map(|(_, key)| Uuid::from_u128(key.replica.0))
        .collect();
    let rows = sqlx::query!(
        r#"SELECT r.request_id, r.replica_id, r.prompt_tokens + r.completion_tokens AS "used!"
           FROM unnest($1::date[], $2::uuid[], $3::uuid[]) AS k (day, request_id, replica_id)
           JOIN usage_records r USING (day, request_id, replica_id)"#,
        &days,
        &requests,
        &replicas,
    )
    .fetch_all(tx.conn())
    .await?;
    for row in rows {
        let is_it = |(request, key): &&(RequestId, LeaseKey)| {
            request.0 == row.request_id.as_u128() && key.replica.0 == row.replica_id.as_u128()
        };
        if let Some(event) = of_before.iter().find(is_it) {
            book.events.insert(*event, row.used);
        }
    }
    Ok(())
}

/// What other leases hold under the same roots, to know whether an ask may wait for it. Not locked: what they hold idle
/// grows only by grants, which take the locks on counters that this transaction has.
pub(in crate::quota) async fn load_others(
    tx: &mut MeterTx,
    book: &mut Book,
    keys: &BTreeSet<LeaseKey>,
) -> Result<(), StoreError> {
    let roots: BTreeSet<_> = keys
        .iter()
        .map(|key| match book.leases.get(key) {
            Some(lease) => lease.path.last().copied().unwrap_or(key.leaf),
            None => book.path(key.leaf).last().copied().unwrap_or(key.leaf),
        })
        .collect();
    let roots: Vec<_> = roots.iter().map(|node| Uuid::from_u128(node.0)).collect();
    let rows = sqlx::query!(
        r#"SELECT replica_id, leaf_id, measure, since, path, granted, open FROM quota_leases
           WHERE orphaned_at IS NULL AND granted > open AND path[cardinality(path)] = ANY($1)"#,
        &roots,
    )
    .fetch_all(tx.conn())
    .await?;
    for row in rows {
        let key = lease_key((row.replica_id, row.leaf_id), &row.measure, row.since)?;
        book.leases.entry(key).or_insert_with(|| LeaseRow {
            path: row.path.iter().map(|id| NodeId(id.as_u128())).collect(),
            granted: row.granted,
            holds: [(OTHERS, row.open)].into(),
            ..LeaseRow::default()
        });
    }
    Ok(())
}
