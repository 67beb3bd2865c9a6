//! What dead replicas left is settled, however much of it has to wait.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use virtual_faculty::{app::Ports, gateway, quota::Window};

use crate::support::Keyholder;

/// More than are read at once, twice.
const WAITING: usize = 450;
const RESERVED: i64 = 10;

/// A replica that died `seconds_ago` with these requests under way.
async fn leave(holder: &Keyholder, since: DateTime<Utc>, requests: &[Uuid], seconds_ago: f64) {
    let (replica, key) = (Uuid::now_v7(), holder.id.parse::<Uuid>().unwrap());
    let held = RESERVED * i64::try_from(requests.len()).unwrap();
    let mut tx = holder.app.owner_tx().await;
    sqlx::query(
        "INSERT INTO quota_replicas (id, seq, joined_at, expires_at, died_at)
         VALUES ($1, 0, now() - interval '9 minutes', now() - make_interval(secs => $2), now() - make_interval(secs => $2))",
    )
    .bind(replica)
    .bind(seconds_ago)
    .execute(tx.conn())
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO quota_leases (replica_id, leaf_id, measure, since, path, granted, open, untold, orphaned_at)
         SELECT $1, k.id, 'tokens', $3, ARRAY[k.id, k.institution_id], $4, $4, 0, now() - make_interval(secs => $5)
         FROM api_keys k WHERE k.id = $2",
    )
    .bind(replica)
    .bind(key)
    .bind(since)
    .bind(held)
    .bind(seconds_ago)
    .execute(tx.conn())
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO quota_holds (replica_id, leaf_id, measure, since, request_id, amount, model_id, upstream,
             is_streamed, started_at)
         SELECT $1, $2, 'tokens', $3, request, $4, $5, $6, false, now() FROM unnest($7::uuid[]) AS request",
    )
    .bind(replica)
    .bind(key)
    .bind(since)
    .bind(RESERVED)
    .bind(holder.model.0)
    .bind(&holder.upstream.url)
    .bind(requests)
    .execute(tx.conn())
    .await
    .unwrap();
    let windows = [Window::Minute, Window::Day, Window::Month];
    sqlx::query(
        "INSERT INTO quota_counters (node_id, measure, period, starts_at, leased)
         SELECT node, 'tokens', period, starts_at, $2
         FROM api_keys k CROSS JOIN LATERAL unnest(ARRAY[k.id, k.institution_id]) AS node
         CROSS JOIN unnest($3::text[], $4::timestamptz[]) AS w (period, starts_at)
         WHERE k.id = $1
         ON CONFLICT (node_id, measure, period, starts_at)
         DO UPDATE SET leased = quota_counters.leased + excluded.leased",
    )
    .bind(key)
    .bind(held)
    .bind(windows.map(|window| window.name().to_owned()).to_vec())
    .bind(windows.map(|window| window.start(since)).to_vec())
    .execute(tx.conn())
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

#[actix_web::test]
async fn many_that_have_to_wait_hold_nobody_up_behind_them() {
    let holder = Keyholder::start(10_000, 100).await;
    let ports = Ports::new((**holder.app.ports.config).clone()).unwrap();
    let since = Window::Minute.start(Utc::now());
    let waiting: Vec<Uuid> = (0..WAITING).map(|_| Uuid::now_v7()).collect();
    let done = Uuid::now_v7();
    let tell = |request: &Uuid, counts: (u64, u64, bool)| {
        let mut known = holder.upstream.state.counts.lock().unwrap();
        known.insert(request.to_string(), counts);
    };
    for request in &waiting {
        tell(request, (2, 3, false));
    }
    tell(&done, (2, 5, true));
    leave(&holder, since, &waiting, 120.0).await;
    leave(&holder, since, &[done], 60.0).await;
    gateway::sweep(&ports.db, &ports.gateway).await.unwrap();
    assert_eq!(
        holder.records().await,
        [(2, 5, "recovered".to_owned())],
        "the last of the list is settled in the first round"
    );
    let still = RESERVED * i64::try_from(WAITING).unwrap();
    assert_eq!(holder.counters().await, (7, still), "the others wait");
    // Half are done: all of these are settled in one round too.
    let (first, second) = waiting.split_at(WAITING / 2);
    for request in first {
        tell(request, (2, 3, true));
    }
    gateway::sweep(&ports.db, &ports.gateway).await.unwrap();
    assert_eq!(holder.records().await.len(), 1 + first.len());
    for request in second {
        tell(request, (2, 4, true));
    }
    gateway::sweep(&ports.db, &ports.gateway).await.unwrap();
    let used = 7 + 5 * first.len() + 6 * second.len();
    assert_eq!(
        holder.counters().await,
        (i64::try_from(used).unwrap(), 0),
        "each at what was made, none at what was set aside"
    );
}
