//! What institutions may use of the machines, and what they used.
//!
//! An attempt reserves what it is expected to need when it starts, and settles what it used when it ends, each once.
//! The sums stand in the budget's row; the database refuses to reserve what is not left. Without a budget there is no
//! limit, and the use is written down all the same: shares are counted from it.

mod budget;
mod cost;
mod set;
mod store;
pub mod web;

pub use self::{
    budget::{Amounts, Budget},
    cost::{Cost, Rates},
    set::{BudgetError, Draft, set},
};
use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Europe::Amsterdam;
use sqlx::PgConnection;

use crate::{
    db::{StoreError, WriteTx},
    ids::{AttemptId, InstitutionId},
};

/// An attempt that is about to start.
#[derive(Debug, Clone, Copy)]
pub struct Reserving<'a> {
    /// Whose.
    pub institution: InstitutionId,
    /// Which; its row is there.
    pub attempt: AttemptId,
    /// Where.
    pub place: &'a str,
    /// What time costs there.
    pub rates: Rates,
    /// How long it is expected to take.
    pub seconds: u64,
}

/// The budget that holds today, kept from changing until the transaction ends; none: no limit.
///
/// Taken after the job's row, and before [`reserve`].
///
/// # Errors
/// Where the database is away.
pub async fn lock_current(
    tx: &mut WriteTx<'_>,
    institution: InstitutionId,
) -> Result<Option<Budget>, StoreError> {
    let today = day(tx.now());
    store::lock_current(tx, institution, today).await
}

/// Reserves for an attempt, of `budget` where there is one; a second time changes nothing.
///
/// # Errors
/// Where the database refuses: more than is left of the budget.
pub async fn reserve(
    tx: &mut WriteTx<'_>,
    reserving: &Reserving<'_>,
    budget: Option<&Budget>,
) -> Result<Cost, StoreError> {
    let cost = reserving.rates.cost(reserving.seconds);
    let _is_new =
        store::insert_reserve(tx, reserving, budget.map(|budget| budget.id), &cost).await?;
    Ok(cost)
}

/// What a place told of the machines that an attempt really had; none: as reserved.
#[derive(Debug, Clone, Copy, Default)]
pub struct Had {
    /// GPUs.
    pub gpus: Option<u32>,
    /// Cores.
    pub cores: Option<u32>,
}

/// Settles what an attempt used, and so releases what it reserved beyond that. Once an attempt: a second time, and for
/// one that reserved nothing, this does nothing and answers none.
///
/// # Errors
/// Where the database refuses.
pub async fn settle(
    tx: &mut WriteTx<'_>,
    attempt: AttemptId,
    seconds: u64,
    had: Had,
) -> Result<Option<Cost>, StoreError> {
    let Some(reserved) = store::reserved(tx.conn(), attempt).await? else {
        return Ok(None);
    };
    let rates = Rates {
        gpus: had.gpus.unwrap_or(reserved.rates.gpus),
        cores: had.cores.unwrap_or(reserved.rates.cores),
        ..reserved.rates
    };
    let cost = rates.cost(seconds);
    let is_new = store::insert_settle(tx, attempt, &reserved, (&rates, &cost)).await?;
    Ok(is_new.then_some(cost))
}

/// What an attempt reserved, and what it used once that is settled.
///
/// # Errors
/// Where the database is away.
pub async fn of_attempts(
    conn: &mut PgConnection,
    attempts: &[AttemptId],
) -> Result<(Cost, Option<Cost>), StoreError> {
    store::of_attempts(conn, attempts).await
}

/// What each institution used of late, in core seconds: an amount counts half after `half_life_hours`, and what is
/// reserved counts whole. A GPU counts as `cores_a_gpu` cores.
///
/// # Errors
/// Where the database is away.
pub async fn recent_use(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    half_life_hours: u32,
    cores_a_gpu: f64,
) -> Result<HashMap<InstitutionId, f64>, StoreError> {
    store::recent_use(conn, now, half_life_hours, cores_a_gpu).await
}

/// The date in the country whose calendar budgets follow.
pub(crate) fn day(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&Amsterdam).date_naive()
}
