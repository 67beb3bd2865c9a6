//! Every interleaving of two replicas, some requests, lost answers, a crash, expiry, recall and the turn of a minute.
//!
//! An explicit-state search over the code that runs, not over a model of it; bounded in how many exchanges each replica
//! makes before all is run to its end. States are known by 128 bits of hash.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a search that cannot go on should fail; how deep it goes is the caller's to say"
)]

use std::{
    collections::{BTreeMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use chrono::{DateTime, TimeDelta, Utc};
use quota::{
    Amount, Answer, Ask, Book, LeaseKey, Measure, NodeId, Outcome, Replica, ReplicaId, RequestId,
    Reservation, Reserve, Window,
};

const INSTITUTION: NodeId = NodeId(1);
const KEYS: [NodeId; 2] = [NodeId(2), NodeId(3)];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    Waiting,
    Running(Amount),
    Refused,
    Finished(Amount),
    /// Its replica died: nobody here knows what the upstream made, at most this.
    Cut(Amount),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    now: DateTime<Utc>,
    book: Book,
    replicas: [Option<Replica>; 2],
    /// Answered by the book, not yet heard.
    answers: [Option<Answer>; 2],
    requests: BTreeMap<usize, (Reservation, Stage)>,
    lives: u128,
    exchanges: [u8; 2],
    crashes: u8,
    steps_of_time: u8,
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    cap: Amount,
    is_strict: bool,
    /// For each request: which replica, which key, least and most.
    requests: &'static [(usize, usize, Amount, Amount)],
    /// How many exchanges each replica makes, repeated ones included.
    exchanges: u8,
    crashes: u8,
    steps_of_time: u8,
    /// How far the clock moves at once.
    leap: TimeDelta,
}

#[derive(Debug, Clone, Copy)]
enum Move {
    Begin(usize),
    Finish(usize, Amount),
    Exchange(usize),
    Hear(usize),
    Crash(usize),
    Time,
    Expire,
    Close,
}

impl World {
    fn new(plan: Plan) -> Self {
        // Half a minute before a minute turns.
        let now: DateTime<Utc> = "2026-10-25T00:59:45Z".parse().unwrap();
        let mut book = Book::default();
        for key in KEYS {
            book.place(key, INSTITUTION);
        }
        book.limit(INSTITUTION, Measure::Tokens, Window::Day, Some(plan.cap));
        let replicas = [0, 1].map(|r| {
            book.join(now, ReplicaId(r));
            Some(Replica::new(ReplicaId(r), now, plan.is_strict))
        });
        Self {
            now,
            book,
            replicas,
            answers: [None, None],
            requests: BTreeMap::new(),
            lives: 2,
            exchanges: [0, 0],
            crashes: 0,
            steps_of_time: 0,
        }
    }

    fn moves(&self, plan: Plan) -> Vec<Move> {
        let mut moves = Vec::new();
        for (i, &(r, ..)) in plan.requests.iter().enumerate() {
            match self.requests.get(&i) {
                None if self.replicas[r].is_some() => moves.push(Move::Begin(i)),
                Some((_, Stage::Running(held))) => {
                    moves.extend([Move::Finish(i, 1), Move::Finish(i, *held)]);
                }
                Some(_) | None => {}
            }
        }
        for r in 0..2 {
            if self.replicas[r].is_some() {
                if self.exchanges[r] < plan.exchanges {
                    moves.push(Move::Exchange(r));
                }
                if self.crashes < plan.crashes {
                    moves.push(Move::Crash(r));
                }
            }
            if self.answers[r].is_some() {
                moves.push(Move::Hear(r));
            }
        }
        if self.steps_of_time < plan.steps_of_time {
            moves.push(Move::Time);
        }
        if self.steps_of_time > 0 {
            moves.extend([Move::Expire, Move::Close]);
        }
        moves
    }

    fn take(&mut self, plan: Plan, step: Move) {
        match step {
            Move::Begin(i) => self.begin(plan, i),
            Move::Finish(i, used) => {
                let (of, stage) = self.requests.get_mut(&i).unwrap();
                *stage = Stage::Finished(used);
                let of = *of;
                self.replicas[plan.requests[i].0]
                    .as_mut()
                    .unwrap()
                    .settle(of, used);
            }
            Move::Exchange(r) => {
                self.exchanges[r] += 1;
                self.exchange(plan, r);
            }
            Move::Hear(r) => {
                let answer = self.answers[r].take().unwrap();
                let outcomes = self.replicas[r].as_mut().unwrap().heard(&answer);
                self.note(plan, r, outcomes);
            }
            Move::Crash(r) => {
                self.crashes += 1;
                (self.replicas[r], self.answers[r]) = (None, None);
                for (i, (_, stage)) in &mut self.requests {
                    if plan.requests[*i].0 == r {
                        match *stage {
                            Stage::Running(held) => *stage = Stage::Cut(held),
                            Stage::Waiting => *stage = Stage::Cut(0),
                            // Its settlement may be lost with the replica; the upstream made this much all the same.
                            Stage::Finished(_) | Stage::Refused | Stage::Cut(_) => {}
                        }
                    }
                }
            }
            Move::Time => {
                self.now += plan.leap;
                self.steps_of_time += 1;
            }
            Move::Expire => self.book.expire(self.now),
            Move::Close => self.book.close(self.now),
        }
    }

    fn begin(&mut self, plan: Plan, i: usize) {
        let (r, key, least, most) = plan.requests[i];
        let ask = Ask {
            request: RequestId(i as u128),
            least,
            most,
        };
        let replica = self.replicas[r].as_mut().unwrap();
        let (of, reserve) = replica.reserve(self.now, KEYS[key], Measure::Tokens, ask);
        let stage = match reserve {
            Reserve::Go(held) => Stage::Running(held),
            Reserve::Later => Stage::Waiting,
            Reserve::Fenced => Stage::Cut(0),
        };
        self.requests.insert(i, (of, stage));
    }

    /// The book does what the replica says; the answer may be on its way for ever, and the exchange be repeated.
    fn exchange(&mut self, plan: Plan, r: usize) {
        let replica = self.replicas[r].as_mut().unwrap();
        let (id, orders) = (replica.id(), replica.orders(self.now).clone());
        match self.book.exchange(self.now, id, &orders) {
            Ok(answer) => {
                for (holder, leaf) in answer.recall.clone() {
                    let others = self.replicas.iter_mut().flatten();
                    for other in others.filter(|other| other.id() == holder) {
                        other.recall(leaf);
                    }
                }
                for lease in answer.leases.values() {
                    for verdict in lease.verdicts.values() {
                        if matches!(verdict, quota::Verdict::Refused(_)) {
                            self.nothing_is_idle_but(r);
                        }
                    }
                }
                self.answers[r] = Some(answer);
            }
            Err(fenced) => {
                let life = ReplicaId(self.lives);
                self.lives += 1;
                self.book.join(self.now, life);
                self.answers[r] = None;
                let replica = self.replicas[r].as_mut().unwrap();
                let outcomes = replica.rejoin(fenced, life, self.now);
                self.note(plan, r, outcomes);
            }
        }
    }

    fn note(&mut self, plan: Plan, r: usize, outcomes: Vec<(Reservation, Outcome)>) {
        for (of, outcome) in outcomes {
            let i = usize::try_from(of.request.0).unwrap();
            let (_, stage) = self.requests.get_mut(&i).unwrap();
            assert_eq!(plan.requests[i].0, r);
            assert_eq!(*stage, Stage::Waiting, "told twice: {of:?} {outcome:?}");
            *stage = match outcome {
                Outcome::Admitted(held) => Stage::Running(held),
                Outcome::Refused(_) => Stage::Refused,
                Outcome::Fenced => Stage::Cut(0),
            };
            if outcome == Outcome::Fenced {
                self.replicas[r].as_mut().unwrap().settle(of, 0);
            }
        }
    }

    /// At a refusal, no live replica holds anything idle but refunds of requests whose end is not told yet.
    fn nothing_is_idle_but(&self, asker: usize) {
        for (r, replica) in self.replicas.iter().enumerate() {
            let Some(replica) = replica.as_ref() else {
                continue;
            };
            if r == asker || replica.is_fenced(self.now) {
                continue;
            }
            let own = |key: &LeaseKey| key.replica == replica.id();
            let idle: Amount = replica
                .leases()
                .filter(|(key, _)| own(key))
                .map(|(_, lease)| lease.idle())
                .sum();
            let refunds: Amount = replica
                .unsettled()
                .map(|settlement| settlement.reserved - settlement.used)
                .sum();
            assert!(idle <= refunds, "refused while {idle} were idle: {self:#?}");
        }
    }

    /// What requests really cost, or may have cost.
    fn made(&self, at_most: bool) -> Amount {
        let cost = |stage: &Stage| match *stage {
            Stage::Finished(used) => used,
            Stage::Running(held) | Stage::Cut(held) if at_most => held,
            Stage::Running(_) | Stage::Cut(_) | Stage::Waiting | Stage::Refused => 0,
        };
        self.requests.values().map(|(_, stage)| cost(stage)).sum()
    }

    fn holds(&self) {
        assert!(self.book.is_consistent(), "{self:#?}");
        for (counter, count, cap) in self.book.counters() {
            assert!(count.used >= 0 && count.leased >= 0, "{self:#?}");
            if let Some(cap) = cap {
                assert!(count.used + count.leased <= cap, "{counter:?} {self:#?}");
                assert!(
                    self.made(true) <= cap,
                    "more was admitted than the limit: {self:#?}"
                );
            }
        }
    }

    /// Lets everything run to its end, fairly: each waiting request is answered, and the books add up.
    fn come_to_rest(mut self, plan: Plan) {
        let is_plain = self.crashes == 0 && self.steps_of_time == 0;
        for _ in 0..8 {
            for r in 0..2 {
                if self.replicas[r].is_some() {
                    self.exchange(plan, r);
                }
                if self.answers[r].is_some() {
                    self.take(plan, Move::Hear(r));
                }
            }
        }
        for (i, (_, stage)) in self.requests.clone() {
            let is_alive = self.replicas[plan.requests[i].0].is_some();
            let may_wait = self.crashes > 0;
            assert!(
                !is_alive || may_wait || stage != Stage::Waiting,
                "request {i} waits for ever: {self:#?}"
            );
        }
        // Nothing is kept past its minute; what the dead held comes back with their leases.
        for _ in 0..6 {
            self.now += TimeDelta::seconds(14);
            for (i, (_, stage)) in self.requests.clone() {
                if let Stage::Running(held) = stage {
                    self.take(plan, Move::Finish(i, held));
                }
            }
            for r in 0..2 {
                if self.replicas[r].is_some() {
                    self.exchange(plan, r);
                }
                if self.answers[r].is_some() {
                    self.take(plan, Move::Hear(r));
                }
            }
            self.book.expire(self.now);
        }
        self.book.close(self.now + quota::PATIENCE);
        self.holds();
        let events: Amount = self.book.events().map(|(_, _, used)| used).sum();
        let lost: Amount = self.book.lost().map(|(_, amount)| amount).sum();
        for (counter, count, _) in self.book.counters() {
            if counter.node == INSTITUTION && counter.window == Window::Day {
                assert_eq!(
                    count.leased, 0,
                    "something is still out: {counter:?} {self:#?}"
                );
                assert_eq!(count.used, events + lost, "{self:#?}");
                assert!(
                    count.used >= self.made(false),
                    "use was forgotten: {self:#?}"
                );
            }
        }
        assert!(
            !plan.is_strict || lost == 0,
            "unknown use in strict mode: {self:#?}"
        );
        if is_plain {
            assert_eq!((events, lost), (self.made(false), 0), "{self:#?}");
        }
    }
}

/// All states that can be reached; answers how many there are.
fn explore(plan: Plan) -> usize {
    let (mut seen, mut open) = (HashSet::new(), vec![World::new(plan)]);
    while let Some(world) = open.pop() {
        world.clone().come_to_rest(plan);
        for step in world.moves(plan) {
            let mut next = world.clone();
            next.take(plan, step);
            next.holds();
            if seen.insert(fingerprint(&next)) {
                open.push(next);
            }
        }
    }
    seen.len()
}

fn fingerprint(world: &World) -> (u64, u64) {
    let hash = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        world.hash(&mut hasher);
        hasher.finish()
    };
    (hash(0), hash(1))
}

const PLAN: Plan = Plan {
    cap: 3,
    is_strict: false,
    requests: &[(0, 0, 1, 2), (1, 0, 1, 2)],
    exchanges: 3,
    crashes: 0,
    steps_of_time: 0,
    leap: TimeDelta::seconds(16),
};

#[test]
fn nothing_is_spent_twice_and_nobody_is_refused_beside_idle_blocks() {
    let states = explore(Plan {
        cap: 9,
        requests: &[(0, 0, 1, 1), (0, 1, 1, 1), (1, 1, 6, 6)],
        exchanges: 2 + deeper(),
        ..PLAN
    });
    assert!(states > 100);
}

#[test]
fn what_is_left_last_is_served_to_the_last_token() {
    explore(Plan {
        requests: &[(0, 0, 1, 1), (1, 0, 1, 1), (1, 1, 1, 2), (0, 1, 1, 1)],
        exchanges: 1 + deeper(),
        ..PLAN
    });
}

#[test]
fn a_crash_forgets_nothing() {
    for is_strict in [false, true] {
        explore(Plan {
            cap: 16,
            is_strict,
            requests: &[(0, 0, 1, 1), (0, 0, 1, 2)],
            exchanges: 2 + deeper(),
            crashes: 1,
            steps_of_time: 1,
            ..PLAN
        });
    }
}

#[test]
fn a_replica_that_slept_past_its_lease_settles_late_and_admits_nothing() {
    explore(Plan {
        cap: 16,
        requests: &[(0, 0, 1, 1), (1, 0, 1, 2)],
        exchanges: 2 + deeper(),
        steps_of_time: 2,
        ..PLAN
    });
}

/// One exchange more each, where there is time.
fn deeper() -> u8 {
    u8::from(std::env::var("FACULTY_TEST_DEEP").is_ok())
}
