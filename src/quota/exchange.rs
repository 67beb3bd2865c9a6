//! One exchange of a replica with the ledger: its rows under lock, the crate's rules on them, the difference written.

use std::collections::{BTreeMap, BTreeSet};

use quota::{Answer, LeaseKey, Orders, ReplicaId, RequestId};

use super::{
    end,
    record::{Context, Record},
    standing::Standing,
    store::{self, Part},
};
use crate::db::{Db, StoreError};

/// What a replica tells, with what is kept beside the numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Message {
    pub(super) orders: Orders,
    /// Of the requests that it marks or asks for.
    pub(super) contexts: BTreeMap<RequestId, Context>,
    /// Of the reservations that it settles.
    pub(super) records: BTreeMap<(RequestId, LeaseKey), Record>,
}

/// What a replica hears.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) answer: Answer,
    /// Where the leases that it told of stand against their limits.
    pub(super) standings: BTreeMap<LeaseKey, Vec<Standing>>,
}

/// How an exchange ended.
#[derive(Debug)]
pub(super) enum Exchanged {
    Done(Box<Heard>),
    /// The replica was silent for too long.
    Fenced,
}

/// Does what a message says, once.
///
/// # Errors
/// Where the database is away: nobody knows whether it was done, so it is to be sent again.
pub(super) async fn exchange(
    db: &Db,
    replica: ReplicaId,
    message: &Message,
) -> Result<Exchanged, StoreError> {
    let orders = &message.orders;
    let mut keys: BTreeSet<LeaseKey> = orders.leases.keys().copied().collect();
    keys.extend(orders.settle.iter().map(|settlement| settlement.lease));
    let part = Part {
        named: named(orders),
        keys,
        all_holds: false,
    };
    loop {
        let mut tx = db.meter().await?;
        let Some(now) = store::lock_replica(&mut tx, replica).await? else {
            drop(tx);
            end::expire(db).await?;
            return Ok(Exchanged::Fenced);
        };
        let mut book = store::load_leases(&mut tx, &part).await?;
        let missing = store::lock_counters(&mut tx, &mut book, &part.keys).await?;
        if !missing.is_empty() {
            // In a transaction of their own, so that the order of locks is kept.
            drop(tx);
            store::make_counters(db, &missing).await?;
            continue;
        }
        store::load_members(&mut tx, &mut book).await?;
        store::load_limits(&mut tx, &mut book).await?;
        let settled = orders.settle.iter().map(|one| (one.request, one.lease));
        store::load_events(&mut tx, &mut book, replica, settled).await?;
        if orders.leases.values().any(|told| !told.asks.is_empty()) {
            store::load_others(&mut tx, &mut book, &part.keys).await?;
        }
        let before = book.clone();
        let Ok(answer) = book.exchange(now, replica, orders) else {
            drop(tx);
            end::expire(db).await?;
            return Ok(Exchanged::Fenced);
        };
        store::save(&mut tx, (&before, &book), now, message).await?;
        store::tell_recalls(&mut tx, &answer).await?;
        let own = part.keys.iter().filter(|key| key.replica == replica);
        let standings = own
            .map(|key| (*key, Standing::of(&book, &before, *key)))
            .collect();
        tx.commit().await?;
        return Ok(Exchanged::Done(Box::new(Heard { answer, standings })));
    }
}

/// The reservations that an exchange speaks of by name.
fn named(orders: &Orders) -> BTreeSet<(LeaseKey, RequestId)> {
    let mut named: BTreeSet<_> = orders
        .settle
        .iter()
        .map(|settlement| (settlement.lease, settlement.request))
        .collect();
    for (key, told) in &orders.leases {
        named.extend(told.marks.keys().map(|request| (*key, *request)));
        named.extend(told.asks.iter().map(|ask| (*key, ask.request)));
    }
    named
}
