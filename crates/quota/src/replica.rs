//! One replica of the gateway: its leases, what it has to tell, and whether it may still admit.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    Amount,
    book::{Fenced, TTL},
    key::{Counter, LeaseKey, Measure, NodeId, ReplicaId, RequestId},
    lease::{Lease, Reserve},
    orders::{Answer, Ask, Orders, Settlement},
};

/// A replica stops this much before the book takes it for dead: clocks do not run at quite the same speed.
const MARGIN: TimeDelta = TimeDelta::seconds(5);
/// How often what was needed is halved.
const BEAT: TimeDelta = TimeDelta::seconds(5);

/// What was set aside, and from which lease. It is booked once: who asks again after its end takes a new request id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reservation {
    /// For which request.
    pub request: RequestId,
    /// From which lease, and so in which periods it counts.
    pub lease: LeaseKey,
}

/// What became of a reservation that had to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// So much is set aside altogether.
    Admitted(Amount),
    /// This limit is used up or set aside for requests under way.
    Refused(Counter),
    /// The replica lost its leases meanwhile; ask again.
    Fenced,
}

/// What one process keeps in memory. Every method is short and does no waiting, so one lock around it will do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Replica {
    id: ReplicaId,
    /// Tells every reservation of tokens before it is sent on, so that a crash leaves nothing unknown.
    is_strict: bool,
    admits_until: DateTime<Utc>,
    calms_at: DateTime<Utc>,
    seq: u64,
    /// Written and not answered, with the time at which it was written.
    sent: Option<(Orders, DateTime<Utc>)>,
    leases: BTreeMap<LeaseKey, Lease>,
    settle: Vec<Settlement>,
}

impl Replica {
    /// A replica that joined the book at `now`, by a clock read before it did.
    #[must_use]
    pub fn new(id: ReplicaId, now: DateTime<Utc>, is_strict: bool) -> Self {
        Self {
            id,
            is_strict,
            admits_until: now + TTL - MARGIN,
            calms_at: now + BEAT,
            seq: 0,
            sent: None,
            leases: BTreeMap::new(),
            settle: Vec::new(),
        }
    }

    /// Sets something aside for a new request.
    pub fn reserve(
        &mut self,
        now: DateTime<Utc>,
        leaf: NodeId,
        measure: Measure,
        ask: Ask,
    ) -> (Reservation, Reserve) {
        let lease = LeaseKey::at(self.id, leaf, measure, now);
        let reservation = Reservation {
            request: ask.request,
            lease,
        };
        if self.is_fenced(now) {
            return (reservation, Reserve::Fenced);
        }
        (
            reservation,
            self.leases.entry(lease).or_default().reserve(ask),
        )
    }

    /// Sets more aside for an answer that grows, in the periods in which it was admitted.
    pub fn extend(
        &mut self,
        now: DateTime<Utc>,
        of: Reservation,
        (least, most): (Amount, Amount),
    ) -> Reserve {
        let ask = Ask {
            request: of.request,
            least,
            most,
        };
        match self.leases.get_mut(&of.lease) {
            Some(lease) if now < self.admits_until && of.lease.replica == self.id => {
                lease.reserve(ask)
            }
            Some(_) | None => Reserve::Fenced,
        }
    }

    /// Ends a reservation with what it really used; with nothing, it is released.
    pub fn settle(&mut self, of: Reservation, used: Amount) {
        let lease = self.leases.get_mut(&of.lease);
        if let Some(reserved) = lease.and_then(|lease| lease.settle(of.request, used)) {
            self.settle.push(Settlement {
                request: of.request,
                lease: of.lease,
                reserved,
                used,
            });
        }
        self.forget_done(of.lease);
    }

    /// Everything idle of a leaf is to go back, for others need it.
    pub fn recall(&mut self, leaf: NodeId) {
        for (key, lease) in &mut self.leases {
            if key.leaf == leaf {
                lease.recall();
            }
        }
    }

    /// Everything idle goes back: limits have changed, so that what comes next has to be granted anew.
    pub fn recall_all(&mut self) {
        self.leases.values_mut().for_each(Lease::recall);
    }

    /// What may be handed out from the lease that requests of `leaf` are admitted from at `now`.
    #[must_use]
    pub fn idle(&self, now: DateTime<Utc>, leaf: NodeId, measure: Measure) -> Amount {
        let key = LeaseKey::at(self.id, leaf, measure, now);
        self.leases.get(&key).map_or(0, Lease::idle)
    }

    /// Whether the next exchange should not wait for others to join it.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.leases.values().any(Lease::is_urgent)
    }

    /// What to tell the book; the same again until [`Replica::heard`] or [`Replica::rejoin`].
    pub fn orders(&mut self, now: DateTime<Utc>) -> &Orders {
        let Self {
            id,
            is_strict,
            calms_at,
            seq,
            sent,
            leases,
            settle,
            ..
        } = self;
        let (orders, _) = sent.get_or_insert_with(|| {
            let is_calming = now >= *calms_at;
            if is_calming {
                *calms_at = now + BEAT;
            }
            *seq += 1;
            if is_calming {
                leases.values_mut().for_each(Lease::calm);
                leases.retain(|_, lease| !lease.is_done());
            }
            let leases = leases.iter_mut().filter_map(|(key, lease)| {
                let told = if key.replica == *id {
                    lease.orders(
                        key.is_over(now),
                        *is_strict && key.measure == Measure::Tokens,
                    )
                } else {
                    lease.last_orders()
                };
                Some((*key, told?))
            });
            let orders = Orders {
                seq: *seq,
                settle: std::mem::take(settle),
                leases: leases.collect(),
            };
            (orders, now)
        });
        orders
    }

    /// Takes in the book's answer to the exchange under way; says what became of those that waited.
    pub fn heard(&mut self, answer: &Answer) -> Vec<(Reservation, Outcome)> {
        let mut outcomes = Vec::new();
        let is_answer = self.sent.take_if(|(orders, _)| orders.seq == answer.seq);
        let Some((orders, sent_at)) = is_answer else {
            return outcomes;
        };
        self.admits_until = sent_at + TTL - MARGIN;
        for (&key, told) in &orders.leases {
            let of = |request| Reservation {
                request,
                lease: key,
            };
            let Some(lease) = self.leases.get_mut(&key) else {
                continue;
            };
            let default = Default::default();
            let heard = lease.heard(told, answer.leases.get(&key).unwrap_or(&default));
            let admitted = heard.admitted.into_iter();
            outcomes.extend(admitted.map(|(id, held)| (of(id), Outcome::Admitted(held))));
            let refused = heard.refused.into_iter();
            outcomes.extend(refused.map(|(id, full)| (of(id), Outcome::Refused(full))));
            let unclaimed = heard.unclaimed.into_iter();
            self.settle
                .extend(unclaimed.map(|(request, reserved)| Settlement {
                    request,
                    lease: key,
                    reserved,
                    used: 0,
                }));
            self.forget_done(key);
        }
        outcomes
    }

    /// Begins a new life after [`Fenced`]: what runs goes on and is settled where it was admitted.
    ///
    /// Whoever waited is told so: a new request is settled with nothing, a running answer with what it used.
    pub fn rejoin(
        &mut self,
        _: Fenced,
        id: ReplicaId,
        now: DateTime<Utc>,
    ) -> Vec<(Reservation, Outcome)> {
        let mut outcomes = Vec::new();
        if let Some((orders, _)) = self.sent.take() {
            // Nobody knows whether it arrived; a settlement that did is not booked twice.
            self.settle.splice(0..0, orders.settle);
        }
        let old = self.id;
        for (&lease, state) in self.leases.iter_mut().filter(|(key, _)| key.replica == old) {
            let (waiting, unknown) = state.orphan();
            let of = |request| (Reservation { request, lease }, Outcome::Fenced);
            outcomes.extend(waiting.into_iter().map(of));
            self.settle
                .extend(unknown.into_iter().map(|request| Settlement {
                    request,
                    lease,
                    reserved: 0,
                    used: 0,
                }));
        }
        (self.id, self.seq) = (id, 0);
        self.admits_until = now + TTL - MARGIN;
        outcomes
    }

    /// Whether it may admit nothing, for its leases could not be renewed.
    #[must_use]
    pub fn is_fenced(&self, now: DateTime<Utc>) -> bool {
        now >= self.admits_until
    }

    fn forget_done(&mut self, key: LeaseKey) {
        if self.leases.get(&key).is_some_and(Lease::is_done) {
            self.leases.remove(&key);
        }
    }

    /// Which life of the process this is.
    #[must_use]
    pub fn id(&self) -> ReplicaId {
        self.id
    }

    /// Its leases.
    pub fn leases(&self) -> impl Iterator<Item = (&LeaseKey, &Lease)> {
        self.leases.iter()
    }

    /// Settlements that the book has not confirmed.
    pub fn unsettled(&self) -> impl Iterator<Item = &Settlement> {
        let sent = self.sent.iter().flat_map(|(orders, _)| &orders.settle);
        sent.chain(&self.settle)
    }
}
