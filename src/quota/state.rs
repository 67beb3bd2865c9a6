//! What one process knows of the ledger, and what it has still to tell.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use quota::{
    Amount, Ask, Counter, Fenced, LeaseKey, Measure, NodeId, Outcome, Replica, ReplicaId,
    RequestId, Reservation, Reserve,
};
use tokio::sync::oneshot;

use super::{
    exchange::{Heard, Message},
    known::KnownLimits,
    ledger::Figures,
    record::{Context, Record},
    standing::Standing,
};
use crate::ids::ApiKeyId;

/// All of it, behind one lock; every method is short and waits for nothing.
#[derive(Default)]
pub(super) struct State {
    replica: Option<Replica>,
    /// The last exchange failed: nobody knows what is left.
    is_away: bool,
    contexts: HashMap<RequestId, Context>,
    records: HashMap<(RequestId, LeaseKey), Record>,
    /// Who waits for a reservation, or for more of it.
    waiting: HashMap<(RequestId, Measure), oneshot::Sender<Decided>>,
    /// Who waits for ends that the message under way does not have yet, and for those that it has.
    unbooked: Vec<oneshot::Sender<()>>,
    booking: Vec<oneshot::Sender<()>>,
    sent: Option<Arc<Message>>,
    limits: KnownLimits,
    uses: BTreeMap<ApiKeyId, DateTime<Utc>>,
    exchanges: u64,
    failures: u64,
}

/// What became of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decided {
    /// So much is set aside altogether.
    Admitted(Amount),
    Refused(Counter),
    /// The process has to begin anew.
    Fenced,
    /// The database is away.
    Away,
}

impl State {
    /// Sets something aside; none where the process has not joined.
    pub(super) fn reserve(
        &mut self,
        now: DateTime<Utc>,
        leaf: NodeId,
        measure: Measure,
        ask: Ask,
    ) -> Option<(Reservation, Reserve)> {
        Some(self.replica.as_mut()?.reserve(now, leaf, measure, ask))
    }

    pub(super) fn extend(
        &mut self,
        now: DateTime<Utc>,
        of: Reservation,
        step: (Amount, Amount),
    ) -> Option<Reserve> {
        Some(self.replica.as_mut()?.extend(now, of, step))
    }

    pub(super) fn wait(
        &mut self,
        request: RequestId,
        measure: Measure,
    ) -> oneshot::Receiver<Decided> {
        let (tell, waiter) = oneshot::channel();
        self.waiting.insert((request, measure), tell);
        waiter
    }

    pub(super) fn note_context(&mut self, request: RequestId, context: &Context) {
        self.contexts
            .entry(request)
            .or_insert_with(|| context.clone());
    }

    pub(super) fn note_use(&mut self, key: ApiKeyId, now: DateTime<Utc>) {
        self.uses.insert(key, now);
    }

    pub(super) fn take_uses(&mut self) -> Vec<(ApiKeyId, DateTime<Utc>)> {
        std::mem::take(&mut self.uses).into_iter().collect()
    }

    /// Ends a reservation. The record goes with it where anything is to be told of it.
    pub(super) fn settle(&mut self, of: Reservation, used: Amount, record: Option<Record>) {
        self.waiting.remove(&(of.request, of.lease.measure));
        if let Some(record) = record {
            self.records.insert((of.request, of.lease), record);
        }
        if let Some(replica) = &mut self.replica {
            replica.settle(of, used);
        }
    }

    pub(super) fn forget(&mut self, request: RequestId) {
        self.contexts.remove(&request);
    }

    /// Resolves when all that was settled until now is in the books.
    pub(super) fn until_booked(&mut self) -> oneshot::Receiver<()> {
        let (tell, booked) = oneshot::channel();
        self.unbooked.push(tell);
        booked
    }

    pub(super) fn recall(&mut self, replica: ReplicaId, leaf: NodeId) {
        if let Some(own) = self.replica.as_mut().filter(|own| own.id() == replica) {
            own.recall(leaf);
        }
    }

    pub(super) fn recall_all(&mut self) {
        if let Some(own) = &mut self.replica {
            own.recall_all();
        }
    }

    pub(super) fn is_away(&self) -> bool {
        self.is_away
    }

    /// Which life of the process this is; none before it joined.
    pub(super) fn id(&self) -> Option<ReplicaId> {
        self.replica.as_ref().map(Replica::id)
    }

    /// A life begins.
    pub(super) fn joined(&mut self, id: ReplicaId, now: DateTime<Utc>, is_strict: bool) {
        self.replica = Some(Replica::new(id, now, is_strict));
        self.is_away = false;
    }

    /// Whether somebody waits for the next exchange.
    pub(super) fn is_urgent(&self) -> bool {
        let is_urgent = self.replica.as_ref().is_some_and(Replica::is_urgent);
        is_urgent || !self.unbooked.is_empty() || !self.waiting.is_empty()
    }

    pub(super) fn has_leases(&self) -> bool {
        let replica = self.replica.as_ref();
        replica.is_some_and(|replica| replica.leases().next().is_some())
    }

    /// What can be seen of it from outside.
    pub(super) fn figures(&self) -> Figures {
        Figures {
            exchanges: self.exchanges,
            failures: self.failures,
            open: self.contexts.len(),
            waiting: self.waiting.len(),
        }
    }

    /// Whether anything that ended is not in the books.
    pub(super) fn has_unsettled(&self) -> bool {
        let replica = self.replica.as_ref();
        replica.is_some_and(|replica| replica.unsettled().next().is_some())
    }

    /// What to tell; the same again until it is heard.
    pub(super) fn message(&mut self, now: DateTime<Utc>) -> Option<(ReplicaId, Arc<Message>)> {
        let replica = self.replica.as_mut()?;
        let id = replica.id();
        if let Some(sent) = &self.sent {
            return Some((id, Arc::clone(sent)));
        }
        let orders = replica.orders(now).clone();
        let mut message = Message::default();
        for told in orders.leases.values() {
            let asks = told.asks.iter().map(|ask| ask.request);
            for request in told.marks.keys().copied().chain(asks) {
                if let Some(context) = self.contexts.get(&request) {
                    message.contexts.insert(request, context.clone());
                }
            }
        }
        for settlement in &orders.settle {
            let of = (settlement.request, settlement.lease);
            if let Some(record) = self.records.remove(&of) {
                message.records.insert(of, record);
            }
        }
        message.orders = orders;
        self.booking.append(&mut self.unbooked);
        let message = Arc::new(message);
        self.sent = Some(Arc::clone(&message));
        Some((id, message))
    }

    /// Takes in an answer; whether some have to ask again.
    pub(super) fn heard(&mut self, now: DateTime<Utc>, heard: &Heard) -> bool {
        self.is_away = false;
        self.exchanges += 1;
        self.sent = None;
        for (key, standings) in &heard.standings {
            self.limits
                .hear(now, (key.leaf, key.measure), standings.clone());
        }
        for told in std::mem::take(&mut self.booking) {
            // Whoever waited may have left.
            let _ = told.send(());
        }
        let Some(replica) = &mut self.replica else {
            return false;
        };
        let outcomes = replica.heard(&heard.answer);
        for (holder, leaf) in &heard.answer.recall {
            if *holder == replica.id() {
                replica.recall(*leaf);
            }
        }
        self.decide(outcomes);
        let verdicts = heard
            .answer
            .leases
            .values()
            .flat_map(|lease| lease.verdicts.values());
        verdicts
            .copied()
            .any(|verdict| verdict == quota::Verdict::Wait)
    }

    fn decide(&mut self, outcomes: Vec<(Reservation, Outcome)>) {
        for (of, outcome) in outcomes {
            let decided = match outcome {
                Outcome::Admitted(amount) => Decided::Admitted(amount),
                Outcome::Refused(counter) => Decided::Refused(counter),
                Outcome::Fenced => Decided::Fenced,
            };
            if let Some(waiter) = self.waiting.remove(&(of.request, of.lease.measure)) {
                let _ = waiter.send(decided);
            }
        }
    }

    /// The exchange failed; it will be sent again, but nobody should wait for that.
    pub(super) fn failed(&mut self) {
        self.is_away = true;
        self.failures += 1;
        for (_, waiter) in self.waiting.drain() {
            let _ = waiter.send(Decided::Away);
        }
    }

    /// The process was taken for dead: it begins a new life.
    pub(super) fn fenced(&mut self, id: ReplicaId, now: DateTime<Utc>) {
        self.is_away = false;
        if let Some(sent) = self.sent.take() {
            let records = &sent.records;
            self.records
                .extend(records.iter().map(|(of, record)| (*of, record.clone())));
        }
        let mut booking = std::mem::take(&mut self.booking);
        booking.append(&mut self.unbooked);
        self.unbooked = booking;
        if let Some(replica) = &mut self.replica {
            let outcomes = replica.rejoin(Fenced, id, now);
            self.decide(outcomes);
        }
    }

    /// Forgets the limits over keys that were not used for long.
    pub(super) fn forget_unused(&mut self, now: DateTime<Utc>) {
        let held: HashSet<NodeId> = self
            .replica
            .iter()
            .flat_map(Replica::leases)
            .map(|(key, _)| key.leaf)
            .collect();
        self.limits.forget(now, |leaf| held.contains(&leaf));
    }

    /// A limit over a key, as it was heard of last.
    pub(super) fn standing(&self, leaf: NodeId, measure: Measure, counter: Counter) -> Standing {
        let mut heard = self.limits.of(leaf, measure).iter();
        let found = heard.find(|one| one.counter == counter);
        found.copied().unwrap_or(Standing {
            counter,
            cap: 0,
            left: 0,
        })
    }

    /// Every limit over a key, with what this process may still admit by itself counted as left.
    pub(super) fn standings(&self, now: DateTime<Utc>, leaf: NodeId) -> Vec<Standing> {
        let mut all = Vec::new();
        for measure in [Measure::Requests, Measure::Tokens] {
            let idle = self
                .replica
                .as_ref()
                .map_or(0, |replica| replica.idle(now, leaf, measure));
            for standing in self.limits.of(leaf, measure) {
                // Of a minute that is over nothing is known any more but that it is over.
                let is_over = standing.counter.window.start(now) != standing.counter.starts_at;
                let left = if is_over {
                    standing.cap
                } else {
                    (standing.left + idle).clamp(0, standing.cap)
                };
                let counter = Counter {
                    starts_at: standing.counter.window.start(now),
                    ..standing.counter
                };
                all.push(Standing {
                    counter,
                    left,
                    ..*standing
                });
            }
        }
        all
    }
}
