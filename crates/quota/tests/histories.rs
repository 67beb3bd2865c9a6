//! Long random histories: three replicas, two measures, streams that grow, crashes, sleeps, changed limits.

#![expect(
    clippy::unwrap_used,
    reason = "a history that cannot go on should fail"
)]

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use quota::{
    Amount, Ask, Book, Counter, LeaseKey, Measure, NodeId, Outcome, PATIENCE, Replica, ReplicaId,
    RequestId, Reservation, Reserve, Window,
};

const INSTITUTION: NodeId = NodeId(1);
const PROJECT: NodeId = NodeId(2);
const KEYS: [NodeId; 3] = [NodeId(3), NodeId(4), NodeId(5)];

#[derive(Debug, Clone)]
enum Step {
    Begin {
        replica: usize,
        key: usize,
        least: Amount,
        more: Amount,
    },
    Extend {
        which: usize,
        step: Amount,
    },
    Finish {
        which: usize,
        part: f64,
    },
    Exchange {
        replica: usize,
        is_heard: bool,
    },
    Crash {
        replica: usize,
    },
    Pass {
        seconds: i64,
    },
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_usize, 0..3_usize, 1..20_i64, 0..40_i64)
            .prop_map(|(replica, key, least, more)| Step::Begin { replica, key, least, more }),
        3 => (any::<usize>(), 1..20_i64).prop_map(|(which, step)| Step::Extend { which, step }),
        5 => (any::<usize>(), 0.0..=1.0_f64).prop_map(|(which, part)| Step::Finish { which, part }),
        8 => (0..3_usize, prop::bool::weighted(0.9))
            .prop_map(|(replica, is_heard)| Step::Exchange { replica, is_heard }),
        1 => (0..3_usize).prop_map(|replica| Step::Crash { replica }),
        2 => (1..20_i64).prop_map(|seconds| Step::Pass { seconds }),
        2 => Just(Step::Expire),
    ]
}

struct Running {
    replica: usize,
    of: Reservation,
    held: Amount,
    /// An answer of the book is awaited.
    is_waiting: bool,
}

struct World {
    began: DateTime<Utc>,
    now: DateTime<Utc>,
    book: Book,
    replicas: Vec<Replica>,
    running: BTreeMap<RequestId, Running>,
    /// What the upstream made, by the day in which the request was admitted; of cut requests at most this.
    made: Vec<(Reservation, Amount)>,
    crashed: bool,
    ids: u128,
}

impl World {
    fn new(cap: Amount, is_strict: bool) -> Self {
        // The night in which summer time ends, shortly before its day does.
        let now: DateTime<Utc> = "2026-10-25T22:50:00Z".parse().unwrap();
        let mut book = Book::default();
        book.place(PROJECT, INSTITUTION);
        book.place(KEYS[0], PROJECT);
        book.place(KEYS[1], PROJECT);
        book.place(KEYS[2], INSTITUTION);
        book.limit(INSTITUTION, Measure::Tokens, Window::Day, Some(cap));
        book.limit(PROJECT, Measure::Tokens, Window::Minute, Some(cap / 2));
        book.limit(KEYS[0], Measure::Tokens, Window::Month, Some(cap / 2));
        let mut world = Self {
            began: now,
            now,
            book,
            replicas: Vec::new(),
            running: BTreeMap::new(),
            made: Vec::new(),
            crashed: false,
            ids: 0,
        };
        for _ in 0..3 {
            let replica = world.join(is_strict);
            world.replicas.push(replica);
        }
        world
    }

    fn join(&mut self, is_strict: bool) -> Replica {
        self.ids += 1;
        let id = ReplicaId(self.ids);
        self.book.join(self.now, id);
        Replica::new(id, self.now, is_strict)
    }

    fn take(&mut self, step: &Step, is_strict: bool) {
        match *step {
            Step::Begin {
                replica,
                key,
                least,
                more,
            } => {
                self.ids += 1;
                let request = RequestId(self.ids);
                let ask = Ask {
                    request,
                    least,
                    most: least + more,
                };
                let (of, reserve) =
                    self.replicas[replica].reserve(self.now, KEYS[key], Measure::Tokens, ask);
                let (held, is_waiting) = match reserve {
                    Reserve::Go(held) => (held, false),
                    Reserve::Later => (0, true),
                    Reserve::Fenced => return,
                };
                self.running.insert(
                    request,
                    Running {
                        replica,
                        of,
                        held,
                        is_waiting,
                    },
                );
            }
            Step::Extend { which, step } => {
                if let Some(running) = nth(&mut self.running, which)
                    && !running.is_waiting
                {
                    let replica = &mut self.replicas[running.replica];
                    match replica.extend(self.now, running.of, (1, step)) {
                        Reserve::Go(held) => running.held = held,
                        Reserve::Later => running.is_waiting = true,
                        Reserve::Fenced => {}
                    }
                }
            }
            Step::Finish { which, part } => {
                // Also while it waits: the client leaves.
                if let Some(running) = nth(&mut self.running, which) {
                    let used = (running.held as f64 * part) as Amount;
                    let (replica, of) = (running.replica, running.of);
                    self.running.remove(&of.request);
                    self.replicas[replica].settle(of, used);
                    self.made.push((of, used));
                }
            }
            Step::Exchange { replica, is_heard } => self.exchange(replica, is_heard),
            Step::Crash { replica } => {
                self.crashed = true;
                self.replicas[replica] = self.join(is_strict);
                let (cut, kept) = std::mem::take(&mut self.running)
                    .into_iter()
                    .partition(|(_, running)| running.replica == replica);
                self.running = kept;
                let cut: BTreeMap<_, Running> = cut;
                let cut = cut.into_values();
                self.made
                    .extend(cut.map(|running| (running.of, running.held)));
            }
            Step::Pass { seconds } => self.now += TimeDelta::seconds(seconds),
            Step::Expire => {
                self.book.expire(self.now);
                self.book.close(self.now);
            }
        }
    }

    fn exchange(&mut self, r: usize, is_heard: bool) {
        let id = self.replicas[r].id();
        let orders = self.replicas[r].orders(self.now).clone();
        let outcomes = match self.book.exchange(self.now, id, &orders) {
            Ok(answer) => {
                for (holder, leaf) in &answer.recall {
                    let others = self.replicas.iter_mut();
                    for other in others.filter(|other| other.id() == *holder) {
                        other.recall(*leaf);
                    }
                }
                if is_heard {
                    self.replicas[r].heard(&answer)
                } else {
                    Vec::new()
                }
            }
            Err(fenced) => {
                self.ids += 1;
                let life = ReplicaId(self.ids);
                self.book.join(self.now, life);
                self.replicas[r].rejoin(fenced, life, self.now)
            }
        };
        for (of, outcome) in outcomes {
            let running = self.running.get_mut(&of.request).unwrap();
            assert!(
                running.is_waiting,
                "told of what did not wait: {of:?} {outcome:?}"
            );
            running.is_waiting = false;
            match outcome {
                Outcome::Admitted(held) => running.held = held,
                Outcome::Refused(_) | Outcome::Fenced => {
                    // A new request ends here, an answer that wanted to grow with what it has.
                    let used = running.held;
                    self.running.remove(&of.request);
                    self.replicas[r].settle(of, used);
                    self.made.push((of, used));
                }
            }
        }
    }

    /// What was made, or may have been, within one counter.
    fn made_in(&self, counter: Counter) -> Amount {
        let path = |leaf: NodeId| match leaf {
            leaf if leaf == KEYS[2] => vec![leaf, INSTITUTION],
            leaf => vec![leaf, PROJECT, INSTITUTION],
        };
        let running = self
            .running
            .values()
            .map(|running| (running.of, running.held));
        let all = self.made.iter().copied().chain(running);
        let counts = |key: LeaseKey| {
            path(key.leaf).contains(&counter.node)
                && counter.window.start(key.since) == counter.starts_at
        };
        all.filter(|(of, _)| counts(of.lease))
            .map(|(_, amount)| amount)
            .sum()
    }

    fn check(&self) {
        assert!(self.book.is_consistent());
        for (counter, count, cap) in self.book.counters() {
            assert!(
                count.used >= 0 && count.leased >= 0,
                "{counter:?} {count:?}"
            );
            let Some(cap) = cap else { continue };
            assert!(count.used + count.leased <= cap, "{counter:?} {count:?}");
            assert!(
                self.made_in(counter) <= cap,
                "{counter:?} {}",
                self.made_in(counter)
            );
        }
    }

    fn rest(&mut self, is_strict: bool) {
        for _ in 0..8 {
            self.now += TimeDelta::seconds(13);
            for r in 0..3 {
                self.exchange(r, true);
            }
            while !self.running.is_empty() {
                self.take(
                    &Step::Finish {
                        which: 0,
                        part: 1.0,
                    },
                    is_strict,
                );
            }
            self.book.expire(self.now);
        }
        let is_exact = !self.crashed && self.now < self.began + PATIENCE;
        self.book.close(self.now + PATIENCE);
        self.check();
        let events: Amount = self.book.events().map(|(_, _, used)| used).sum();
        let lost: Amount = self.book.lost().map(|(_, amount)| amount).sum();
        let mut in_days = 0;
        for (counter, count, _) in self.book.counters() {
            assert_eq!(count.leased, 0, "{counter:?}");
            if counter.node == INSTITUTION && counter.window == Window::Day {
                in_days += count.used;
            }
        }
        assert_eq!(in_days, events + lost);
        if is_exact {
            let made: Amount = self.made.iter().map(|(_, amount)| amount).sum();
            assert_eq!(
                (events, lost),
                (made, 0),
                "without a crash every token is known"
            );
        }
    }
}

fn nth(running: &mut BTreeMap<RequestId, Running>, which: usize) -> Option<&mut Running> {
    let place = which.checked_rem(running.len())?;
    running.values_mut().nth(place)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn never_past_a_limit_and_at_rest_all_is_accounted_for(
        cap in 20..2_000_i64,
        is_strict in any::<bool>(),
        steps in prop::collection::vec(step(), 1..300),
    ) {
        let mut world = World::new(cap, is_strict);
        for step in &steps {
            world.take(step, is_strict);
            world.check();
        }
        world.rest(is_strict);
    }
}

#[test]
fn a_budget_for_ten_admits_ten_on_two_replicas_without_a_stated_length() {
    for is_strict in [false, true] {
        let mut world = World::new(300, is_strict);
        world
            .book
            .limit(PROJECT, Measure::Tokens, Window::Minute, None);
        world
            .book
            .limit(KEYS[0], Measure::Tokens, Window::Month, None);
        for n in 0..200 {
            // Thirty tokens at least; it would take a whole context window.
            let begin = Step::Begin {
                replica: n % 2,
                key: 0,
                least: 30,
                more: 32_000,
            };
            world.take(&begin, is_strict);
        }
        for _ in 0..20 {
            world.exchange(0, true);
            world.exchange(1, true);
        }
        let admitted = world
            .running
            .values()
            .filter(|running| !running.is_waiting)
            .count();
        let waiting = world.running.len() - admitted;
        assert_eq!(admitted, 10);
        assert_eq!(waiting, 0, "all were answered");
        world.check();
    }
}

#[test]
fn a_lowered_limit_binds_the_next_grant() {
    let mut world = World::new(1_000, false);
    let begin = Step::Begin {
        replica: 0,
        key: 2,
        least: 10,
        more: 0,
    };
    world.take(&begin, false);
    world.exchange(0, true);
    assert!(world.running.values().all(|running| !running.is_waiting));
    world
        .book
        .limit(INSTITUTION, Measure::Tokens, Window::Day, Some(5));
    world.replicas[0].recall(KEYS[2]);
    world.exchange(0, true);
    world.take(&begin, false);
    world.exchange(0, true);
    world.exchange(0, true);
    assert_eq!(world.running.len(), 1, "the second was refused");
}
