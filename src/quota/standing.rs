//! Where a key stands against its limits: read from the counters that enforce them.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use quota::{Book, Counter, LeaseKey, Measure, Window};
use sqlx::PgConnection;

use super::store;
use crate::{db::StoreError, ids::ApiKeyId, policy::Visibility};

/// One limit over a key, and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whose limit, of what, in which period.
    pub counter: Counter,
    /// What is allowed.
    pub cap: i64,
    /// What is neither used nor set aside; below nothing where a limit was lowered.
    pub left: i64,
}

impl Standing {
    /// Of every limit over a lease; it may have been forgotten in `book`, for nothing is left on it.
    pub(super) fn of(book: &Book, before: &Book, key: LeaseKey) -> Vec<Self> {
        let lease = book.leases.get(&key).or_else(|| before.leases.get(&key));
        let path = lease.map_or_else(|| book.path(key.leaf), |lease| lease.path.clone());
        key.counters(&path)
            .filter_map(|counter| {
                let limit = (counter.node, counter.measure, counter.window);
                let cap = *book.limits.get(&limit)?;
                let count = book.counted(counter);
                let left = cap - count.used - count.leased;
                Some(Self { counter, cap, left })
            })
            .collect()
    }

    /// How long until the period ends; none where it has no end.
    #[must_use]
    pub fn ends_in(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        Some(self.counter.window.end(self.counter.starts_at)? - now)
    }
}

/// What one node used of something in one period, and what is set aside of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    pub used: i64,
    pub set_aside: i64,
}

/// The standing of a key now, without a request.
///
/// # Errors
/// Where the database is away.
pub async fn standing_of(
    conn: &mut PgConnection,
    key: ApiKeyId,
    now: DateTime<Utc>,
) -> Result<Vec<Standing>, StoreError> {
    store::standing(conn, key.0, now).await
}

/// What a key used in the period that `now` lies in.
///
/// # Errors
/// Where the database is away.
pub async fn used_of(
    conn: &mut PgConnection,
    key: ApiKeyId,
    (measure, window): (Measure, Window),
    now: DateTime<Utc>,
) -> Result<Used, StoreError> {
    let all = store::used(conn, (measure, window), now, (Some(key.0), None)).await?;
    Ok(all.get(&key.0).copied().unwrap_or_default())
}

/// What each key that may be seen used in the period that `now` lies in.
///
/// # Errors
/// Where the database is away.
pub async fn used_of_all(
    conn: &mut PgConnection,
    visibility: Visibility,
    (measure, window): (Measure, Window),
    now: DateTime<Utc>,
) -> Result<BTreeMap<ApiKeyId, Used>, StoreError> {
    let all = store::used(conn, (measure, window), now, (None, visibility.filter())).await?;
    Ok(all
        .into_iter()
        .map(|(id, used)| (ApiKeyId(id), used))
        .collect())
}
