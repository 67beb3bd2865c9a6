//! The quota ledger's arithmetic: what a replica of the gateway may admit by itself, and what the central book grants.
//!
//! Pure: no input or output, no clock of its own, nothing asynchronous. [`Replica`] is what one process keeps in
//! memory; [`Book`] says what the statements on the database do, one method a group of statements. The two speak by
//! [`Orders`] and [`Answer`] only. `docs/quota.md` has the reasoning and the proof sketch.

mod book;
mod key;
mod lease;
mod orders;
mod replica;
mod window;

pub use self::{
    book::{
        Book, Count, Fenced, LeaseRow, Member, PATIENCE, TTL, elsewhere_first, grant_size,
        refill_size,
    },
    key::{Counter, LeaseKey, Measure, NodeId, ReplicaId, RequestId},
    lease::{Lease, Reserve},
    orders::{Answer, Ask, LeaseAnswer, LeaseOrders, Orders, Settlement, Verdict},
    replica::{Outcome, Replica, Reservation},
    window::Window,
};

/// A number of tokens, requests or slots, as the [`Measure`] beside it says.
pub type Amount = i64;
