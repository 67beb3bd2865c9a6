//! One lease as its replica knows it: what may be admitted without asking.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Amount,
    key::{Counter, RequestId},
    orders::{Ask, LeaseAnswer, LeaseOrders, Verdict},
};

/// What a replica says to a request at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserve {
    /// So much is set aside altogether; send it on.
    Go(Amount),
    /// The next exchange decides; its outcome comes with the answer.
    Later,
    /// The replica may admit nothing: its leases could not be renewed.
    Fenced,
}

/// Blocks of one leaf, one measure and one minute.
///
/// Promise to the book: what is handed out and not told stays within the float. So the book knows, whenever the
/// replica dies, that no more than the marked reservations and the float can have been used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Lease {
    /// May be handed out.
    idle: Amount,
    /// May be handed out before it is told, as last agreed.
    float: Amount,
    /// As the exchange under way may make it.
    next_float: Option<Amount>,
    /// Handed out since the last exchange was written.
    untold: Amount,
    /// Handed out before, and told in the exchange under way.
    telling: Amount,
    /// Change of `idle` since the last exchange was written.
    change: Amount,
    held: BTreeMap<RequestId, Amount>,
    unmarked: BTreeSet<RequestId>,
    /// Set aside here, but to be told before it is used: how much of what is held.
    until_told: BTreeMap<RequestId, Amount>,
    asks: BTreeMap<RequestId, Ask>,
    demand: Amount,
    /// Too little is left for blocks: each request asks by itself.
    is_scarce: bool,
    /// Others need what is idle here; until the next beat nothing is kept.
    is_recalled: bool,
    /// Taken back by the book: nothing is admitted from it any more.
    is_orphan: bool,
    /// The book was told what runs on it all the same.
    is_resolved: bool,
    /// Requests that ended while they asked, with what they had.
    left: BTreeMap<RequestId, Amount>,
}

impl Lease {
    /// Sets something aside for a request, or more for one that has something.
    pub(crate) fn reserve(&mut self, ask: Ask) -> Reserve {
        self.demand = self.demand.saturating_add(ask.most).min(Amount::MAX / 8);
        let is_free = self.asks.is_empty() && !self.is_scarce && !self.is_recalled;
        // A block is at most a quarter of what is left, so who fits into it may have all it can use.
        if !is_free || self.idle < ask.most {
            self.asks.insert(ask.request, ask);
            return Reserve::Later;
        }
        let amount = ask.most;
        self.idle -= amount;
        self.change -= amount;
        let held = self.held.entry(ask.request).or_default();
        *held += amount;
        let held = *held;
        self.unmarked.insert(ask.request);
        let is_within = self.telling + self.untold + amount <= self.float
            && self
                .next_float
                .is_none_or(|float| self.untold + amount <= float);
        if is_within {
            self.untold += amount;
            Reserve::Go(held)
        } else {
            *self.until_told.entry(ask.request).or_default() += amount;
            Reserve::Later
        }
    }

    /// Ends a reservation; what it did not use is idle again. Answers what was set aside.
    pub(crate) fn settle(&mut self, request: RequestId, used: Amount) -> Option<Amount> {
        let was_asking = self.asks.remove(&request).is_some();
        self.unmarked.remove(&request);
        self.until_told.remove(&request);
        let reserved = self.held.remove(&request);
        if was_asking {
            self.left.insert(request, reserved.unwrap_or(0));
        }
        let refund = (reserved? - used).max(0);
        if !self.is_orphan {
            self.idle += refund;
            self.change += refund;
        }
        reserved
    }

    /// Everything idle goes back with the next exchange.
    pub(crate) fn recall(&mut self) {
        self.is_recalled = true;
    }

    /// A while passed: what was needed once is not needed for ever.
    pub(crate) fn calm(&mut self) {
        self.demand /= 2;
        self.is_recalled = false;
    }

    /// Its blocks are another's now; what runs goes on and is settled. Answers who waited, and who may have been
    /// given something that nobody here heard of.
    pub(crate) fn orphan(&mut self) -> (Vec<RequestId>, Vec<RequestId>) {
        (self.idle, self.change, self.next_float) = (0, 0, None);
        self.is_orphan = true;
        let asks = std::mem::take(&mut self.asks);
        let left = std::mem::take(&mut self.left);
        let had_nothing = |(request, had): (RequestId, Amount)| (had == 0).then_some(request);
        let mut unknown: Vec<_> = left.into_iter().filter_map(had_nothing).collect();
        unknown.extend(
            asks.keys()
                .filter(|request| !self.held.contains_key(request)),
        );
        let mut waiting: Vec<_> = asks.into_keys().collect();
        for (request, amount) in std::mem::take(&mut self.until_told) {
            waiting.push(request);
            if let Some(held) = self.held.get_mut(&request) {
                *held -= amount;
                if *held == 0 {
                    self.held.remove(&request);
                    unknown.push(request);
                }
            }
        }
        (waiting, unknown)
    }

    /// What runs on a lease that was lost, until the book has heard it.
    pub(crate) fn last_orders(&self) -> Option<LeaseOrders> {
        (!self.is_resolved).then(|| LeaseOrders {
            marks: self.held.clone(),
            ..LeaseOrders::default()
        })
    }

    /// What is to be told, if anything. With `is_over`, nothing new is admitted from it.
    pub(crate) fn orders(&mut self, is_over: bool, is_strict: bool) -> Option<LeaseOrders> {
        let is_direct = is_over || self.is_recalled;
        let wanted = if is_direct {
            0
        } else {
            self.demand.saturating_mul(2)
        };
        let is_kept = !is_direct && !self.is_scarce && wanted > 0 && self.asks.is_empty();
        let give_back = if is_kept { 0 } else { self.idle };
        let idle = self.idle - give_back;
        // Asked for again when half of it is gone, not after each request.
        let refill = if idle <= wanted / 2 { wanted - idle } else { 0 };
        let float = if is_direct || is_strict {
            0
        } else {
            self.demand.min(idle + refill)
        };
        let is_silent = self.unmarked.is_empty()
            && self.asks.is_empty()
            && (give_back, refill, self.untold, self.change) == (0, 0, 0, 0)
            && float == self.float;
        if is_silent {
            return None;
        }
        self.idle = idle;
        self.next_float = Some(float.min(idle));
        self.telling = std::mem::take(&mut self.untold);
        self.change = 0;
        Some(LeaseOrders {
            marks: std::mem::take(&mut self.unmarked)
                .into_iter()
                .filter_map(|request| Some((request, *self.held.get(&request)?)))
                .collect(),
            give_back,
            asks: self.asks.values().copied().collect(),
            refill,
            float,
        })
    }

    /// Takes in what the book said. Answers, for each request that waited, what it has now or why it has nothing;
    /// and those that were given something but did not wait any more.
    pub(crate) fn heard(&mut self, told: &LeaseOrders, answer: &LeaseAnswer) -> Heard {
        let mut heard = Heard::default();
        if self.is_orphan {
            self.is_resolved = true;
            return heard;
        }
        self.idle = answer.spare + self.change;
        self.float = answer.float;
        self.next_float = None;
        self.telling = 0;
        if !(told.refill == 0 && told.asks.is_empty()) {
            self.is_scarce = answer.is_scarce;
        }
        for (request, marked) in &told.marks {
            // Unless it grew after the exchange was written.
            if self.held.get(request) == Some(marked) && self.until_told.remove(request).is_some() {
                heard.admitted.push((*request, *marked));
            }
        }
        for (&request, verdict) in &answer.verdicts {
            if let (Some(had), Verdict::Admitted(held)) = (self.left.remove(&request), *verdict) {
                self.idle += held - had;
                if had == 0 {
                    heard.unclaimed.push((request, held));
                }
                continue;
            }
            let is_waiting = self.asks.contains_key(&request);
            match *verdict {
                Verdict::Admitted(held) => {
                    // On a repeated answer this may be what it had before it asked for more.
                    let had = self.held.get(&request).copied().unwrap_or(0);
                    if held > had && is_waiting {
                        self.asks.remove(&request);
                        self.held.insert(request, held);
                        heard.admitted.push((request, held));
                    }
                }
                Verdict::Wait => {}
                Verdict::Refused(counter) if is_waiting => {
                    self.asks.remove(&request);
                    heard.refused.push((request, counter));
                }
                Verdict::Refused(_) => {}
            }
        }
        self.left.clear();
        heard
    }

    /// Whether the next exchange has to come at once.
    pub(crate) fn is_urgent(&self) -> bool {
        !self.asks.is_empty()
            || !self.until_told.is_empty()
            || (self.is_recalled && (self.idle > 0 || !self.unmarked.is_empty()))
    }

    /// Whether it can be forgotten.
    pub(crate) fn is_done(&self) -> bool {
        let is_needed = if self.is_orphan {
            !self.is_resolved
        } else {
            self.demand > 0 || self.is_recalled || self.float > 0 || self.change != 0
        };
        let is_empty = self.idle == 0 && self.held.is_empty() && self.asks.is_empty();
        is_empty && self.next_float.is_none() && !is_needed
    }

    /// What may be handed out.
    #[must_use]
    pub fn idle(&self) -> Amount {
        self.idle
    }

    /// What is set aside for requests under way.
    #[must_use]
    pub fn held(&self) -> Amount {
        self.held.values().sum()
    }
}

/// What became of those that waited.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) admitted: Vec<(RequestId, Amount)>,
    pub(crate) refused: Vec<(RequestId, Counter)>,
    /// Given to requests that had ended before, with how much.
    pub(crate) unclaimed: Vec<(RequestId, Amount)>,
}
