//! The central book: what the statements on the database do.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    Amount,
    key::{Counter, LeaseKey, Measure, NodeId, ReplicaId, RequestId},
    orders::{Answer, Ask, LeaseOrders, Orders, Settlement, Verdict},
    window::Window,
};

/// How long a replica is believed to live after its last exchange.
pub const TTL: TimeDelta = TimeDelta::seconds(15);
/// How long what a dead replica had under way may still be settled exactly, before it is charged whole.
pub const PATIENCE: TimeDelta = TimeDelta::minutes(10);
/// A request that leaves its length open, and all blocks of all replicas together, get at most this part of what is
/// left: so what is left last serves many.
const PART: Amount = 4;

/// What a counter stands at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Count {
    /// Used up, for good.
    pub used: Amount,
    /// In the hands of replicas: set aside for requests, or idle.
    pub leased: Amount,
}

/// The replica was taken for dead: what it held idle is not its own any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the replica did not renew its leases in time")]
pub struct Fenced;

/// A replica as the book knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Member {
    /// When it is taken for dead.
    pub expires_at: DateTime<Utc>,
    /// The number of its last exchange.
    pub seq: u64,
}

/// A lease as the book knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct LeaseRow {
    /// From the leaf to the root, as it was when the lease was made.
    pub path: Vec<NodeId>,
    /// What its replica may hand out or has handed out.
    pub granted: Amount,
    /// How much of it may be handed out untold.
    pub float: Amount,
    /// Reservations that the book was told of.
    pub holds: BTreeMap<RequestId, Amount>,
    /// Since when its replica is dead.
    pub orphaned_at: Option<DateTime<Utc>>,
}

impl LeaseRow {
    /// What requests hold of it, as far as the book was told.
    #[must_use]
    pub fn open(&self) -> Amount {
        self.holds.values().sum()
    }

    fn spare(&self) -> Amount {
        self.granted - self.open()
    }
}

/// All that the database holds; or, of it, the rows that one transaction has locked. Whoever loads a part must load
/// every row that the method reads: the leases named and their counters, the limits on these, and for asks the leases
/// of others under the same counters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Book {
    /// Which node is under which.
    pub parents: BTreeMap<NodeId, NodeId>,
    /// What is allowed.
    pub limits: BTreeMap<(NodeId, Measure, Window), Amount>,
    /// What is used and set aside.
    pub counters: BTreeMap<Counter, Count>,
    /// The replicas that live.
    pub members: BTreeMap<ReplicaId, Member>,
    /// What replicas hold.
    pub leases: BTreeMap<LeaseKey, LeaseRow>,
    /// What each reservation of tokens used, once: the right to book.
    pub events: BTreeMap<(RequestId, LeaseKey), Amount>,
    /// What was charged for requests that nobody knows.
    pub lost: BTreeMap<LeaseKey, Amount>,
}

/// How much a request gets by name where `room` is left: all it can use where there is plenty, else only what it
/// needs to begin, for it can ask for more; none where that is more than is left.
#[must_use]
pub fn grant_size(ask: Ask, room: Amount) -> Option<Amount> {
    let size = if room / PART >= ask.most {
        ask.most
    } else {
        ask.least
    };
    (room >= ask.least).then_some(size)
}

/// How much a replica gets for requests to come where `room` is left and `replicas` live: at least half of what it
/// wants, or nothing.
#[must_use]
pub fn refill_size(want: Amount, room: Amount, replicas: usize) -> Amount {
    let replicas = Amount::try_from(replicas).unwrap_or(Amount::MAX).max(1);
    let given = want.min(room.max(0) / PART / replicas).max(0);
    if given >= want - want / 2 { given } else { 0 }
}

/// What an ask that does not fit is told: to wait while others may hold something idle, else no.
#[must_use]
pub fn elsewhere_first(full: Counter, is_spare_elsewhere: bool) -> Verdict {
    if is_spare_elsewhere {
        Verdict::Wait
    } else {
        Verdict::Refused(full)
    }
}

impl Book {
    /// Places a node under another.
    pub fn place(&mut self, node: NodeId, parent: NodeId) {
        self.parents.insert(node, parent);
    }

    /// Sets, changes or lifts a limit; all that is granted from now on keeps to it.
    pub fn limit(&mut self, node: NodeId, measure: Measure, window: Window, cap: Option<Amount>) {
        match cap {
            Some(cap) => self.limits.insert((node, measure, window), cap),
            None => self.limits.remove(&(node, measure, window)),
        };
    }

    /// A replica begins its life.
    pub fn join(&mut self, now: DateTime<Utc>, replica: ReplicaId) {
        let expires_at = now + TTL;
        self.members.insert(replica, Member { expires_at, seq: 0 });
    }

    /// Does what `orders` say, once, and renews the replica's leases.
    ///
    /// # Errors
    /// [`Fenced`] where the replica was silent for too long; nothing is done then.
    pub fn exchange(
        &mut self,
        now: DateTime<Utc>,
        replica: ReplicaId,
        orders: &Orders,
    ) -> Result<Answer, Fenced> {
        let member = self.members.get_mut(&replica);
        let Some(member) = member.filter(|member| member.expires_at > now) else {
            self.expire(now);
            return Err(Fenced);
        };
        member.expires_at = now + TTL;
        let is_new = member.seq + 1 == orders.seq;
        let mut answer = Answer {
            seq: orders.seq,
            ..Answer::default()
        };
        if is_new {
            member.seq = orders.seq;
            self.apply(replica, orders, &mut answer);
        }
        self.read_back(orders, &mut answer);
        Ok(answer)
    }

    fn apply(&mut self, replica: ReplicaId, orders: &Orders, answer: &mut Answer) {
        for settlement in &orders.settle {
            self.settle(settlement);
        }
        for (&key, told) in &orders.leases {
            if key.replica != replica {
                self.resolve(key, told);
                continue;
            }
            let path = self.path(key.leaf);
            let row = self.leases.entry(key).or_insert_with(|| LeaseRow {
                path,
                ..LeaseRow::default()
            });
            row.holds.extend(&told.marks);
            self.give_back(key, told.give_back);
        }
        let own = |key: &LeaseKey| key.replica == replica;
        for (&key, told) in orders.leases.iter().filter(|(key, _)| own(key)) {
            for &ask in &told.asks {
                let verdict = self.admit(key, ask, &mut answer.recall);
                let verdicts = &mut answer.leases.entry(key).or_default().verdicts;
                verdicts.insert(ask.request, verdict);
            }
        }
        for (&key, told) in orders.leases.iter().filter(|(key, _)| own(key)) {
            let given = self.refill(key, told.refill);
            answer.leases.entry(key).or_default().is_scarce = given == 0 && told.refill > 0;
            if let Some(row) = self.leases.get_mut(&key) {
                row.float = told.float.min(row.spare()).max(0);
            }
        }
    }

    /// What the rows say after the exchange: the same, however often it is sent.
    fn read_back(&mut self, orders: &Orders, answer: &mut Answer) {
        for (key, told) in &orders.leases {
            let heard = answer.leases.entry(*key).or_default();
            let Some(row) = self.leases.get(key) else {
                continue;
            };
            heard.spare = row.spare();
            heard.float = row.float;
            for ask in &told.asks {
                let held = row.holds.get(&ask.request).copied();
                heard.verdicts.entry(ask.request).or_insert(match held {
                    Some(held) => Verdict::Admitted(held),
                    None => Verdict::Wait,
                });
            }
            self.forget_empty(*key);
        }
    }

    /// Books the end of a reservation, once: false where it was booked before, or charged whole long ago.
    pub fn settle(&mut self, settlement: &Settlement) -> bool {
        let Settlement {
            request,
            lease,
            reserved,
            used,
        } = *settlement;
        let event = (request, lease);
        let has_event = lease.measure == Measure::Tokens;
        if has_event && self.events.contains_key(&event) {
            return false;
        }
        let Some(row) = self.leases.get_mut(&lease) else {
            return false;
        };
        let held = row.holds.remove(&request).unwrap_or(0);
        let freed = if row.orphaned_at.is_some() {
            // Nobody admits from it any more, so all of the reservation leaves it.
            // Who used nothing frees no float, so that it may come twice.
            let untold = if used > 0 { reserved - held } else { 0 };
            let unmarked = untold.clamp(0, row.float);
            row.float -= unmarked;
            held + unmarked
        } else {
            // What was not used stays with the replica.
            used.min(reserved)
        };
        if row.orphaned_at.is_some() && freed == 0 {
            return false;
        }
        row.granted -= freed;
        row.float = row.float.min(row.spare());
        let path = row.path.clone();
        if has_event {
            self.events.insert(event, used);
        }
        self.count(lease, &path, used, -freed);
        self.forget_empty(lease);
        true
    }

    /// A replica that slept says what runs on a lease that it lost: that is all, so the float is free.
    fn resolve(&mut self, key: LeaseKey, told: &LeaseOrders) {
        let lost = self.leases.get_mut(&key);
        if let Some(row) = lost.filter(|row| row.orphaned_at.is_some()) {
            row.holds.extend(&told.marks);
            row.float = 0;
            let spare = row.spare();
            self.give_back(key, spare);
        }
    }

    fn give_back(&mut self, key: LeaseKey, amount: Amount) {
        if let Some(row) = self.leases.get_mut(&key) {
            row.granted -= amount;
            let path = row.path.clone();
            self.count(key, &path, 0, -amount);
        }
    }

    fn admit(
        &mut self,
        key: LeaseKey,
        ask: Ask,
        recall: &mut BTreeSet<(ReplicaId, NodeId)>,
    ) -> Verdict {
        let (room, full) = self.room(key);
        match grant_size(ask, room) {
            Some(amount) => {
                self.grant(key, amount);
                let holds = self.leases.get_mut(&key).map(|row| &mut row.holds);
                let held = holds.map(|holds| {
                    let held = holds.entry(ask.request).or_default();
                    *held += amount;
                    *held
                });
                Verdict::Admitted(held.unwrap_or(0))
            }
            None => {
                let holders: Vec<_> = self.spare_under(full, key).collect();
                recall.extend(&holders);
                elsewhere_first(full, !holders.is_empty())
            }
        }
    }

    fn refill(&mut self, key: LeaseKey, want: Amount) -> Amount {
        let amount = refill_size(want, self.room(key).0, self.members.len());
        self.grant(key, amount);
        amount
    }

    fn grant(&mut self, key: LeaseKey, amount: Amount) {
        if let Some(row) = self.leases.get_mut(&key) {
            row.granted += amount;
            let path = row.path.clone();
            self.count(key, &path, 0, amount);
        }
    }

    /// Gives back what dead replicas held idle. What they had told of, and what they may have admitted untold, stays
    /// set aside.
    pub fn expire(&mut self, now: DateTime<Utc>) {
        self.members.retain(|_, member| member.expires_at > now);
        let dead: Vec<_> = self
            .leases
            .iter()
            .filter(|(key, row)| {
                row.orphaned_at.is_none() && !self.members.contains_key(&key.replica)
            })
            .map(|(key, _)| *key)
            .collect();
        for key in dead {
            let Some(row) = self.leases.get_mut(&key) else {
                continue;
            };
            row.orphaned_at = Some(now);
            let (open, unknown) = (row.open(), row.float);
            let idle = row.spare() - unknown;
            self.give_back(key, idle);
            match key.measure {
                // Others may still know what was used.
                Measure::Tokens => self.forget_empty(key),
                // Sent on, or as good as.
                Measure::Requests => self.end(key, open + unknown, 0),
                // Whatever ran has ended with its replica.
                Measure::Slots => self.end(key, 0, open + unknown),
            }
        }
    }

    /// Ends a lease that nobody will settle: some of it is charged, the rest comes back.
    fn end(&mut self, key: LeaseKey, used: Amount, freed: Amount) {
        if let Some(row) = self.leases.remove(&key) {
            self.count(key, &row.path, used, -(used + freed));
        }
    }

    /// Charges whole what nobody settled in [`PATIENCE`] after its replica died.
    pub fn close(&mut self, now: DateTime<Utc>) {
        let late = |row: &LeaseRow| row.orphaned_at.is_some_and(|at| at + PATIENCE <= now);
        let due: Vec<_> = self
            .leases
            .iter()
            .filter(|(_, row)| late(row))
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            let Some(row) = self.leases.remove(&key) else {
                continue;
            };
            for (&request, &amount) in &row.holds {
                self.events.insert((request, key), amount);
            }
            if row.float > 0 {
                self.lost.insert(key, row.float);
            }
            self.count(key, &row.path, row.granted, -row.granted);
        }
    }

    fn forget_empty(&mut self, key: LeaseKey) {
        let is_empty = |row: &LeaseRow| row.granted == 0 && row.holds.is_empty();
        if self.leases.get(&key).is_some_and(is_empty) {
            self.leases.remove(&key);
        }
    }

    fn count(&mut self, key: LeaseKey, path: &[NodeId], used: Amount, leased: Amount) {
        for counter in key.counters(path) {
            let count = self.counters.entry(counter).or_default();
            count.used += used;
            count.leased += leased;
        }
    }

    /// What the tightest limit over a lease leaves, and which that is.
    fn room(&self, key: LeaseKey) -> (Amount, Counter) {
        let path = self
            .leases
            .get(&key)
            .map_or(&[][..], |row| row.path.as_slice());
        let mut tightest = None;
        for counter in key.counters(path) {
            let limit = (counter.node, counter.measure, counter.window);
            if let Some(cap) = self.limits.get(&limit) {
                let count = self.counted(counter);
                let room = cap - count.used - count.leased;
                if tightest.is_none_or(|(least, _)| room < least) {
                    tightest = Some((room, counter));
                }
            }
        }
        // Without any limit there is room for all.
        let leaf = Counter {
            node: key.leaf,
            measure: key.measure,
            window: Window::Always,
            starts_at: DateTime::UNIX_EPOCH,
        };
        tightest.unwrap_or((Amount::MAX, leaf))
    }

    /// Who else may hold idle what `full` counts.
    fn spare_under(
        &self,
        full: Counter,
        but: LeaseKey,
    ) -> impl Iterator<Item = (ReplicaId, NodeId)> + '_ {
        let counts = move |key: &LeaseKey, row: &LeaseRow| {
            key.measure == full.measure
                && row.path.contains(&full.node)
                && full.window.start(key.since) == full.starts_at
        };
        self.leases
            .iter()
            .filter(move |(key, row)| {
                **key != but && row.orphaned_at.is_none() && counts(key, row) && row.spare() > 0
            })
            .map(|(key, _)| (key.replica, key.leaf))
    }

    /// A leaf and all above it, up to the root.
    #[must_use]
    pub fn path(&self, leaf: NodeId) -> Vec<NodeId> {
        let up = |node: &NodeId| self.parents.get(node).copied();
        std::iter::successors(Some(leaf), up).collect()
    }

    /// What a counter stands at.
    #[must_use]
    pub fn counted(&self, counter: Counter) -> Count {
        self.counters.get(&counter).copied().unwrap_or_default()
    }

    /// Every counter that was ever used, with its limit where it has one.
    pub fn counters(&self) -> impl Iterator<Item = (Counter, Count, Option<Amount>)> + '_ {
        self.counters.iter().map(|(counter, count)| {
            let limit = (counter.node, counter.measure, counter.window);
            (*counter, *count, self.limits.get(&limit).copied())
        })
    }

    /// What requests used, by their own records.
    pub fn events(&self) -> impl Iterator<Item = (RequestId, Measure, Amount)> + '_ {
        self.events
            .iter()
            .map(|(&(request, lease), &used)| (request, lease.measure, used))
    }

    /// What was charged for requests that nobody knows by name.
    pub fn lost(&self) -> impl Iterator<Item = (LeaseKey, Amount)> + '_ {
        self.lost.iter().map(|(key, amount)| (*key, *amount))
    }

    /// Whether every lease is within what was granted, and each counter's leases add up to what it says.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let mut leased: BTreeMap<Counter, Amount> = BTreeMap::new();
        for (key, row) in &self.leases {
            if row.spare() < 0 || row.float > row.spare() {
                return false;
            }
            for counter in key.counters(&row.path) {
                *leased.entry(counter).or_default() += row.granted;
            }
        }
        self.counters
            .iter()
            .all(|(counter, count)| count.leased == leased.get(counter).copied().unwrap_or(0))
    }
}
