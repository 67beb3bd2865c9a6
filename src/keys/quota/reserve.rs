//! Setting aside, before a request is sent on.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    calendar::{day_ends, day_of, minute_of},
    ledger::{Ask, Day, Grant},
    store,
};
use crate::{
    db::{Db, StoreError},
    ids::{ModelId, RequestId},
    keys::{Holder, Limits},
};

/// How long a reservation holds unless it is renewed.
const LEASE: TimeDelta = TimeDelta::seconds(60);

/// A request that is about to be sent on.
#[derive(Debug, Clone, Copy)]
pub struct NewReservation<'a> {
    pub request: RequestId,
    pub model: ModelId,
    pub ask: Ask,
    /// Where the upstream can be asked what it really produced.
    pub upstream: &'a str,
    pub is_streamed: bool,
}

/// Tokens that are set aside for one request, until it is settled.
#[must_use = "what is set aside is to be settled"]
#[derive(Debug)]
pub struct Reserved {
    pub grant: Grant,
    pub standing: Standing,
}

/// Where a key stands against its limits, for the headers of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub limits: Limits,
    pub requests_left: i32,
    pub tokens_left: i64,
    pub minute_ends_in: TimeDelta,
    pub day_ends_in: TimeDelta,
}

/// Why nothing was set aside.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    #[error("the requests of this minute are used up")]
    TooManyRequests(Standing),
    #[error("the tokens of this day are used up")]
    QuotaUsedUp(Standing),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ReserveError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Standing {
    fn new(limits: Limits, requests: i32, day: Day, now: DateTime<Utc>) -> Self {
        Self {
            limits,
            requests_left: limits.requests_per_minute.saturating_sub(requests).max(0),
            tokens_left: day.left(),
            minute_ends_in: minute_of(now) + TimeDelta::minutes(1) - now,
            day_ends_in: day_ends(now) - now,
        }
    }
}

/// Counts the request against its minute and sets its tokens aside, or does neither.
///
/// # Errors
/// [`ReserveError::TooManyRequests`] and [`ReserveError::QuotaUsedUp`] with where the key stands.
pub async fn reserve(
    db: &Db,
    holder: &Holder,
    new: NewReservation<'_>,
) -> Result<Reserved, ReserveError> {
    let limits = holder.limits;
    let mut tx = db.meter().await?;
    let now = tx.now();
    let today = day_of(now);
    let counted = store::count_request(&mut tx, holder.key, minute_of(now), limits).await?;
    let mut day = store::lock_day(&mut tx, holder.key, today, limits.tokens_per_day).await?;
    let Some(requests) = counted else {
        let standing = Standing::new(limits, limits.requests_per_minute, day, now);
        return Err(ReserveError::TooManyRequests(standing));
    };
    let Some(grant) = day.reserve(new.ask) else {
        let standing = Standing::new(limits, requests - 1, day, now);
        return Err(ReserveError::QuotaUsedUp(standing));
    };
    store::add_reserved(&mut tx, holder.key, today, grant.tokens).await?;
    store::insert_reservation(&mut tx, holder.key, today, &new, grant.tokens, now + LEASE).await?;
    tx.commit().await?;
    Ok(Reserved {
        grant,
        standing: Standing::new(limits, requests, day, now),
    })
}

/// Whether a request may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// It is held on to.
    Held,
    /// Permission for data that the model learned from was withdrawn, and the model is kept from use.
    ModelWithdrawn,
    /// The model was taken out of use.
    ModelRetired,
    /// It was settled by another, or its key was revoked.
    Lost,
}

/// Holds on to a reservation while its request runs, unless that must end.
///
/// # Errors
/// Where the database is away.
pub async fn renew(db: &Db, request: RequestId) -> Result<Renewal, StoreError> {
    let mut tx = db.meter().await?;
    let until = tx.now() + LEASE;
    let renewal = store::renew(&mut tx, request, until).await?;
    tx.commit().await?;
    Ok(renewal)
}

/// Where a key stands now, without a request.
///
/// # Errors
/// Where the database is away.
pub async fn standing(db: &Db, holder: &Holder) -> Result<Standing, StoreError> {
    let now = db.now();
    let mut conn = db.read().await?;
    let limits = holder.limits;
    let requests = store::requests_of_minute(&mut conn, holder.key, minute_of(now)).await?;
    let day = store::day(&mut conn, holder.key, day_of(now), limits.tokens_per_day).await?;
    Ok(Standing::new(limits, requests, day, now))
}
