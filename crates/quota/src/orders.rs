//! What a replica tells the book in one exchange, and what it hears.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Amount,
    key::{Counter, LeaseKey, NodeId, ReplicaId, RequestId},
};

/// A request, or an answer that grows, for which the replica itself has not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ask {
    /// For which request.
    pub request: RequestId,
    /// With less it cannot go on.
    pub least: Amount,
    /// With more it would not know what to do.
    pub most: Amount,
}

/// The end of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Settlement {
    /// Of which request.
    pub request: RequestId,
    /// What it was reserved from, and so the periods that it counts in.
    pub lease: LeaseKey,
    /// What was set aside at the end.
    pub reserved: Amount,
    /// What it really used.
    pub used: Amount,
}

/// What is told about one lease.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct LeaseOrders {
    /// Reservations under way that the book has not heard of, or not of their present size.
    pub marks: BTreeMap<RequestId, Amount>,
    /// What goes back.
    pub give_back: Amount,
    /// What is asked for by name.
    pub asks: Vec<Ask>,
    /// What would be welcome for requests to come.
    pub refill: Amount,
    /// How much the replica may admit from now on before it tells.
    pub float: Amount,
}

/// One exchange. Sent again unchanged until it is answered; the number makes the book apply it once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Orders {
    /// One more than the exchange before it.
    pub seq: u64,
    /// Reservations that ended.
    pub settle: Vec<Settlement>,
    /// About leases of this replica.
    pub leases: BTreeMap<LeaseKey, LeaseOrders>,
}

/// What became of an [`Ask`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// So much is set aside for the request altogether, and the book knows of it.
    Admitted(Amount),
    /// Others may hold what is missing without using it: it has been called back; ask again.
    Wait,
    /// All of this counter's limit is used or set aside for requests under way.
    Refused(Counter),
}

/// What is heard about one lease.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct LeaseAnswer {
    /// What the lease holds beyond the reservations that the book knows of.
    pub spare: Amount,
    /// How much of that may be admitted before telling.
    pub float: Amount,
    /// One for each ask.
    pub verdicts: BTreeMap<RequestId, Verdict>,
    /// Too little is left for blocks: each request asks by itself.
    pub is_scarce: bool,
}

/// What the book says to one exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Answer {
    /// The number of the exchange.
    pub seq: u64,
    /// About each lease in the orders.
    pub leases: BTreeMap<LeaseKey, LeaseAnswer>,
    /// Who is to be told to give back what it holds idle for which leaf.
    pub recall: BTreeSet<(ReplicaId, NodeId)>,
}
