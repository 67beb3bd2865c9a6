//! Writing what a method of the book changed: the difference between the part before and after it.

use chrono::{DateTime, Utc};
use quota::{Answer, Book};
use uuid::Uuid;

use super::{
    CounterColumns, LeaseColumns,
    load::OTHERS,
    save_use::{records, save_days, save_records},
};
use crate::{
    db::{MeterTx, StoreError},
    quota::exchange::Message,
};

/// Writes the difference. What is kept beside the numbers comes from the message, else from the holds themselves.
pub(in crate::quota) async fn save(
    tx: &mut MeterTx,
    (before, after): (&Book, &Book),
    now: DateTime<Utc>,
    message: &Message,
) -> Result<(), StoreError> {
    save_members(tx, (before, after), now).await?;
    let events = records(tx, (before, after), message).await?;
    save_leases(tx, (before, after)).await?;
    save_holds(tx, (before, after), message).await?;
    remove_leases(tx, (before, after)).await?;
    save_counters(tx, (before, after)).await?;
    save_lost(tx, (before, after), now).await?;
    save_records(tx, &events, now).await?;
    save_days(tx, (before, after), &events).await
}

async fn save_members(
    tx: &mut MeterTx,
    (before, after): (&Book, &Book),
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for (id, member) in &after.members {
        if before.members.get(id) != Some(member) {
            sqlx::query!(
                "UPDATE quota_replicas SET seq = $2, expires_at = $3 WHERE id = $1",
                Uuid::from_u128(id.0),
                i64::try_from(member.seq).unwrap_or(i64::MAX),
                member.expires_at,
            )
            .execute(tx.conn())
            .await?;
        }
    }
    for id in before.members.keys() {
        if !after.members.contains_key(id) {
            sqlx::query!(
                "UPDATE quota_replicas SET died_at = $2 WHERE id = $1 AND died_at IS NULL",
                Uuid::from_u128(id.0),
                now,
            )
            .execute(tx.conn())
            .await?;
        }
    }
    Ok(())
}

async fn save_leases(tx: &mut MeterTx, (before, after): (&Book, &Book)) -> Result<(), StoreError> {
    let mut keys = LeaseColumns::default();
    let (mut paths, mut granted, mut open, mut untold, mut orphaned) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (key, lease) in &after.leases {
        if before.leases.get(key) == Some(lease) {
            continue;
        }
        keys.push(key);
        let path: Vec<_> = lease
            .path
            .iter()
            .map(|n| Uuid::from_u128(n.0).to_string())
            .collect();
        paths.push(path.join(","));
        granted.push(lease.granted);
        open.push(lease.open());
        untold.push(lease.float);
        orphaned.push(lease.orphaned_at);
    }
    if paths.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO quota_leases (replica_id, leaf_id, measure, since, path, granted, open, untold, orphaned_at)
         SELECT r, l, m, s, string_to_array(p, ',')::uuid[], g, o, u, d
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::bigint[], $7::bigint[],
             $8::bigint[], $9::timestamptz[]) AS k (r, l, m, s, p, g, o, u, d)
         ON CONFLICT (replica_id, leaf_id, measure, since) DO UPDATE
         SET path = excluded.path, granted = excluded.granted, open = excluded.open, untold = excluded.untold,
             orphaned_at = excluded.orphaned_at",
        &keys.replicas,
        &keys.leaves,
        &keys.measures,
        &keys.since,
        &paths,
        &granted,
        &open,
        &untold,
        &orphaned as &[Option<DateTime<Utc>>],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn save_holds(
    tx: &mut MeterTx,
    (before, after): (&Book, &Book),
    message: &Message,
) -> Result<(), StoreError> {
    let mut gone = LeaseColumns::default();
    let mut gone_requests = Vec::new();
    for (key, lease) in &before.leases {
        let kept = after.leases.get(key);
        for request in lease.holds.keys().filter(|request| **request != OTHERS) {
            if kept.is_none_or(|kept| !kept.holds.contains_key(request)) {
                gone.push(key);
                gone_requests.push(Uuid::from_u128(request.0));
            }
        }
    }
    if !gone_requests.is_empty() {
        sqlx::query!(
            "DELETE FROM quota_holds h
             USING unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::uuid[]) AS k (r, l, m, s, q)
             WHERE h.replica_id = k.r AND h.leaf_id = k.l AND h.measure = k.m AND h.since = k.s AND h.request_id = k.q",
            &gone.replicas,
            &gone.leaves,
            &gone.measures,
            &gone.since,
            &gone_requests,
        )
        .execute(tx.conn())
        .await?;
    }
    let mut keys = LeaseColumns::default();
    let (mut requests, mut amounts) = (Vec::new(), Vec::new());
    let (mut models, mut upstreams, mut streamed, mut started) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut prompt_prices, mut completion_prices) = (Vec::new(), Vec::new());
    for (key, lease) in &after.leases {
        let old = before.leases.get(key);
        for (request, amount) in lease
            .holds
            .iter()
            .filter(|(request, _)| **request != OTHERS)
        {
            if old.and_then(|old| old.holds.get(request)) == Some(amount) {
                continue;
            }
            let Some(context) = message.contexts.get(request) else {
                tracing::error!(request = %Uuid::from_u128(request.0), "a reservation without what it is for");
                continue;
            };
            keys.push(key);
            requests.push(Uuid::from_u128(request.0));
            amounts.push(*amount);
            models.push(context.model.0);
            upstreams.push(context.upstream.clone());
            streamed.push(context.is_streamed);
            started.push(context.started_at);
            prompt_prices.push(context.price.prompt_per_million);
            completion_prices.push(context.price.completion_per_million);
        }
    }
    if requests.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO quota_holds (replica_id, leaf_id, measure, since, request_id, amount, model_id, upstream,
             is_streamed, started_at, prompt_price, completion_price)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::uuid[], $6::bigint[],
             $7::uuid[], $8::text[], $9::boolean[], $10::timestamptz[], $11::bigint[], $12::bigint[])
         ON CONFLICT (replica_id, leaf_id, measure, since, request_id) DO UPDATE SET amount = excluded.amount",
        &keys.replicas,
        &keys.leaves,
        &keys.measures,
        &keys.since,
        &requests,
        &amounts,
        &models,
        &upstreams,
        &streamed,
        &started,
        &prompt_prices,
        &completion_prices,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn remove_leases(
    tx: &mut MeterTx,
    (before, after): (&Book, &Book),
) -> Result<(), StoreError> {
    let gone = before.leases.keys();
    let gone: LeaseColumns = gone.filter(|key| !after.leases.contains_key(key)).collect();
    if gone.replicas.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "DELETE FROM quota_leases l
         USING unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[]) AS k (r, f, m, s)
         WHERE l.replica_id = k.r AND l.leaf_id = k.f AND l.measure = k.m AND l.since = k.s",
        &gone.replicas,
        &gone.leaves,
        &gone.measures,
        &gone.since,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn save_counters(
    tx: &mut MeterTx,
    (before, after): (&Book, &Book),
) -> Result<(), StoreError> {
    let mut columns = CounterColumns::default();
    let (mut used, mut leased) = (Vec::new(), Vec::new());
    for (counter, count) in &after.counters {
        if before.counters.get(counter) != Some(count) {
            columns.push(counter);
            used.push(count.used);
            leased.push(count.leased);
        }
    }
    if used.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE quota_counters c SET used = k.u, leased = k.l
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[])
             AS k (n, m, p, s, u, l)
         WHERE c.node_id = k.n AND c.measure = k.m AND c.period = k.p AND c.starts_at = k.s",
        &columns.nodes,
        &columns.measures,
        &columns.periods,
        &columns.starts,
        &used,
        &leased,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn save_lost(
    tx: &mut MeterTx,
    (before, after): (&Book, &Book),
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for (key, amount) in &after.lost {
        if before.lost.contains_key(key) {
            continue;
        }
        tracing::warn!(leaf = %Uuid::from_u128(key.leaf.0), amount, "charged what a dead replica never told of");
        sqlx::query!(
            "INSERT INTO quota_lost (replica_id, leaf_id, measure, since, amount, charged_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
            Uuid::from_u128(key.replica.0),
            Uuid::from_u128(key.leaf.0),
            key.measure.name(),
            key.since,
            amount,
            now,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Tells replicas to give back what they hold idle.
pub(in crate::quota) async fn tell_recalls(
    tx: &mut MeterTx,
    answer: &Answer,
) -> Result<(), StoreError> {
    if answer.recall.is_empty() {
        return Ok(());
    }
    let told = answer.recall.iter().map(|(replica, leaf)| {
        format!(
            "recall {} {}",
            Uuid::from_u128(replica.0),
            Uuid::from_u128(leaf.0)
        )
    });
    let told: Vec<_> = told.collect();
    sqlx::query!(
        "SELECT pg_notify('gateway', news) FROM unnest($1::text[]) AS news",
        &told
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(())
}
