//! Booking what a request really cost.

use chrono::{DateTime, TimeDelta, Utc};

use super::store;
use crate::{
    db::{Db, StoreError},
    ids::RequestId,
};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered whole.
    Completed,
    /// The client left, the upstream broke off, or the key was revoked.
    Cut,
    /// Not answered, and nothing produced.
    Failed,
    /// Settled after whoever held it was gone.
    Recovered,
}

impl Outcome {
    /// The word in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cut => "cut",
            Self::Failed => "failed",
            Self::Recovered => "recovered",
        }
    }
}

/// What a request cost and how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
    pub outcome: Outcome,
}

impl Settlement {
    /// A request that cost nothing, for it was not answered.
    #[must_use]
    pub fn failed() -> Self {
        Self {
            prompt_tokens: 0,
            completion_tokens: 0,
            outcome: Outcome::Failed,
        }
    }
}

/// A reservation that nobody renewed.
#[derive(Debug, Clone)]
pub struct Expired {
    pub request: RequestId,
    /// What was set aside.
    pub tokens: i64,
    /// Where to ask what was really produced.
    pub upstream: String,
    pub expires_at: DateTime<Utc>,
}

/// Frees what was set aside and books the cost, once: false where this request was settled before.
///
/// # Errors
/// Where the database is away; the reservation then expires and is settled by the sweep.
pub async fn settle(
    db: &Db,
    request: RequestId,
    settlement: Settlement,
) -> Result<bool, StoreError> {
    book(db, request, settlement, None).await
}

/// As [`settle`], but only where nobody renewed the reservation meanwhile.
///
/// # Errors
/// Where the database is away.
pub async fn settle_expired(
    db: &Db,
    request: RequestId,
    settlement: Settlement,
) -> Result<bool, StoreError> {
    book(db, request, settlement, Some(db.now())).await
}

async fn book(
    db: &Db,
    request: RequestId,
    settlement: Settlement,
    expired_before: Option<DateTime<Utc>>,
) -> Result<bool, StoreError> {
    let mut tx = db.meter().await?;
    // The reservation's row is the right to settle: whoever deletes it, books.
    let Some(reservation) = store::take_reservation(&mut tx, request, expired_before).await? else {
        return Ok(false);
    };
    let actual = settlement
        .prompt_tokens
        .saturating_add(settlement.completion_tokens);
    if actual > reservation.tokens {
        tracing::warn!(
            %request,
            reserved = reservation.tokens,
            actual,
            "the upstream counts more tokens than the request could have"
        );
    }
    store::book(&mut tx, &reservation, actual).await?;
    store::insert_record(&mut tx, request, &reservation, settlement).await?;
    store::note_use(&mut tx, reservation.key).await?;
    tx.commit().await?;
    Ok(true)
}

/// Reservations that were not renewed in time, oldest first.
///
/// # Errors
/// Where the database is away.
pub async fn expired(db: &Db, limit: i64) -> Result<Vec<Expired>, StoreError> {
    let mut conn = db.read().await?;
    store::expired(&mut conn, db.now(), limit).await
}

/// Drops counters of minutes that are long over.
///
/// # Errors
/// Where the database is away.
pub async fn forget_minutes(db: &Db) -> Result<(), StoreError> {
    let mut tx = db.meter().await?;
    let before = tx.now() - TimeDelta::hours(1);
    store::forget_minutes(&mut tx, before).await?;
    tx.commit().await?;
    Ok(())
}
