//! What replicas left that died: given back, settled exactly where somebody knows, charged whole where nobody does.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use quota::{LeaseKey, RequestId, Settlement};

use super::{
    exchange::Message,
    record::{Context, Outcome, Record, Spent},
    store::{self, Part},
};
use crate::db::{Db, MeterTx, StoreError};

/// A reservation whose replica is dead.
#[derive(Debug, Clone)]
pub struct Left {
    pub request: crate::ids::RequestId,
    /// What was set aside.
    pub tokens: i64,
    pub context: Context,
    pub orphaned_at: DateTime<Utc>,
    pub(super) lease: LeaseKey,
}

/// Gives back what dead replicas held idle, and charges what nobody settled in time. Safe to run in several processes
/// at once.
///
/// # Errors
/// Where the database is away.
pub async fn expire(db: &Db) -> Result<(), StoreError> {
    loop {
        let mut tx = db.meter().await?;
        let (now, dead) = store::lock_dead(&mut tx).await?;
        if dead.is_empty() {
            break;
        }
        let keys = store::leases_of(&mut tx, &dead).await?;
        let done = change(db, tx, keys, now, &Message::default(), |book| {
            book.expire(now);
        })
        .await?;
        if done {
            break;
        }
    }
    loop {
        let mut tx = db.meter().await?;
        let (now, keys) = store::long_orphaned(&mut tx).await?;
        if keys.is_empty() {
            return Ok(());
        }
        if change(db, tx, keys, now, &Message::default(), |book| {
            book.close(now);
        })
        .await?
        {
            return Ok(());
        }
    }
}

/// Does something with whole leases; false where counters were missing and it has to be tried again.
async fn change(
    db: &Db,
    mut tx: MeterTx,
    keys: BTreeSet<LeaseKey>,
    now: DateTime<Utc>,
    message: &Message,
    act: impl FnOnce(&mut quota::Book),
) -> Result<bool, StoreError> {
    let part = Part {
        keys,
        named: BTreeSet::new(),
        all_holds: true,
    };
    let mut book = store::load_leases(&mut tx, &part).await?;
    let missing = store::lock_counters(&mut tx, &mut book, &part.keys).await?;
    if !missing.is_empty() {
        drop(tx);
        store::make_counters(db, &missing).await?;
        return Ok(false);
    }
    let before = book.clone();
    act(&mut book);
    store::save(&mut tx, (&before, &book), now, message).await?;
    tx.commit().await?;
    Ok(true)
}

/// Reservations of dead replicas, oldest first: at most `most` of those behind `after`. What cannot be settled yet stays
/// in the list, so that who goes through it has to go on behind the last one it saw.
///
/// # Errors
/// Where the database is away.
pub async fn left(db: &Db, after: Option<&Left>, most: i64) -> Result<Vec<Left>, StoreError> {
    let mut conn = db.read().await?;
    store::left(&mut conn, after, most).await
}

/// Settles what a dead replica left; false where it was settled before.
///
/// # Errors
/// Where the database is away.
pub async fn settle_left(db: &Db, left: &Left, spent: Spent) -> Result<bool, StoreError> {
    let request = RequestId(left.request.0.as_u128());
    loop {
        let mut tx = db.meter().await?;
        let now = store::clock(&mut tx).await?;
        let part = Part {
            keys: BTreeSet::from([left.lease]),
            named: BTreeSet::new(),
            all_holds: true,
        };
        let mut book = store::load_leases(&mut tx, &part).await?;
        let is_held = book
            .leases
            .get(&left.lease)
            .is_some_and(|row| row.holds.contains_key(&request));
        if !is_held {
            return Ok(false);
        }
        let missing = store::lock_counters(&mut tx, &mut book, &part.keys).await?;
        if !missing.is_empty() {
            drop(tx);
            store::make_counters(db, &missing).await?;
            continue;
        }
        let settlement = Settlement {
            request,
            lease: left.lease,
            reserved: left.tokens,
            used: spent.tokens(),
        };
        let before = book.clone();
        book.settle(&settlement);
        let record = Record {
            context: left.context.clone(),
            spent,
        };
        let mut message = Message::default();
        message.records.insert((request, left.lease), record);
        store::save(&mut tx, (&before, &book), now, &message).await?;
        tx.commit().await?;
        return Ok(true);
    }
}

/// What is charged for a reservation that nobody could settle.
pub(super) fn unsettled(context: Context, amount: i64) -> Record {
    Record {
        context,
        spent: Spent {
            // Nobody knows how it is divided, so all of it is booked in one place.
            prompt_tokens: amount,
            completion_tokens: 0,
            outcome: Outcome::Recovered,
        },
    }
}

/// Drops counters of minutes that are long over and replicas that left nothing, and makes the parts of the months to
/// come.
///
/// # Errors
/// Where the database is away.
pub async fn tidy(db: &Db) -> Result<(), StoreError> {
    let mut tx = db.meter().await?;
    let before = tx.now() - TimeDelta::hours(1);
    store::forget_minutes(&mut tx, before).await?;
    store::forget_replicas(&mut tx, before).await?;
    store::make_parts(&mut tx).await?;
    tx.commit().await?;
    Ok(())
}
