//! What recent requests took, so that a gateway can settle a request whose answer it lost.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use openai_api::{RequestUsage, Usage};

const KEPT: Duration = Duration::from_secs(3600);
const MOST_ENTRIES: usize = 100_000;

/// The counts of one request, kept up to date by the engine after each token.
#[derive(Debug, Default)]
pub struct Counters {
    model: String,
    prompt_tokens: AtomicU64,
    completion_tokens: AtomicU64,
    running: AtomicU64,
}

/// Counters of the last hour by request id, the oldest dropped first, but none that runs.
#[derive(Debug, Default)]
pub struct UsageLog {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    counters: HashMap<String, Arc<Counters>>,
    order: VecDeque<(Instant, String)>,
}

/// One running choice of a request; the request has finished when all of them are dropped.
#[derive(Debug)]
pub struct Running(Arc<Counters>);

impl UsageLog {
    /// The counters of a request; a request that comes again under the same id adds to them.
    pub fn open(&self, request_id: &str, model: &str) -> Arc<Counters> {
        let now = Instant::now();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.forget(now);
        if let Some(counters) = inner.counters.get(request_id) {
            return Arc::clone(counters);
        }
        let counters = Arc::new(Counters {
            model: model.to_owned(),
            ..Counters::default()
        });
        inner.order.push_back((now, request_id.to_owned()));
        inner
            .counters
            .insert(request_id.to_owned(), Arc::clone(&counters));
        counters
    }

    /// What a request has taken so far; none where it is unknown or over an hour old.
    pub fn find(&self, request_id: &str) -> Option<RequestUsage> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = inner.counters.get(request_id)?;
        // `running` is read first: a request that has finished by then counts no more.
        let is_finished = !counters.is_running();
        Some(RequestUsage {
            request_id: request_id.to_owned(),
            model: counters.model.clone(),
            usage: counters.usage(),
            is_finished,
        })
    }
}

impl Inner {
    /// Makes room for one more; what runs is kept, however old it is.
    fn forget(&mut self, now: Instant) {
        let is_old = |at: Instant| now.duration_since(at) > KEPT;
        let mut running = Vec::new();
        while self.order.len() >= MOST_ENTRIES
            || self.order.front().is_some_and(|(at, _)| is_old(*at))
        {
            let Some((at, id)) = self.order.pop_front() else {
                break;
            };
            if self.counters.get(&id).is_some_and(|one| one.is_running()) {
                running.push((at, id));
            } else {
                self.counters.remove(&id);
            }
        }
        for kept in running.into_iter().rev() {
            self.order.push_front(kept);
        }
    }
}

impl Counters {
    fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire) > 0
    }

    /// Notes that a choice waits or runs.
    pub fn start(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::AcqRel);
        Running(Arc::clone(self))
    }

    /// The sums so far.
    pub fn usage(&self) -> Usage {
        Usage::new(
            self.prompt_tokens.load(Ordering::Acquire),
            self.completion_tokens.load(Ordering::Acquire),
        )
    }
}

impl Running {
    /// Counts a prompt, once for each prompt however many choices it has.
    pub fn count_prompt(&self, tokens: usize) {
        self.0
            .prompt_tokens
            .fetch_add(tokens as u64, Ordering::AcqRel);
    }

    /// Counts one token of an answer.
    pub fn count_token(&self) {
        self.0.completion_tokens.fetch_add(1, Ordering::AcqRel);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_over_choices_and_finish_with_the_last() {
        let log = UsageLog::default();
        let counters = log.open("r1", "m");
        let (first, second) = (counters.start(), counters.start());
        first.count_prompt(7);
        first.count_token();
        second.count_token();
        drop(first);
        let seen = log.find("r1").unwrap();
        assert_eq!((seen.usage, seen.is_finished), (Usage::new(7, 2), false));
        drop(second);
        assert!(log.find("r1").unwrap().is_finished);
        assert_eq!(log.find("r2"), None);
    }

    #[test]
    fn the_oldest_give_way() {
        let log = UsageLog::default();
        for number in 0..=MOST_ENTRIES {
            log.open(&number.to_string(), "m");
        }
        assert_eq!(log.find("0"), None);
        assert!(log.find("1").is_some());
    }

    #[test]
    fn what_runs_is_known_however_many_come_after_it() {
        let log = UsageLog::default();
        let running = log.open("long", "m").start();
        running.count_prompt(7);
        for number in 0..=MOST_ENTRIES {
            log.open(&number.to_string(), "m");
        }
        let seen = log.find("long").unwrap();
        assert_eq!((seen.usage, seen.is_finished), (Usage::new(7, 0), false));
        assert_eq!(log.find("0"), None, "what is done gives way");
        drop(running);
        for number in 0..2 {
            log.open(&format!("late {number}"), "m");
        }
        assert_eq!(log.find("long"), None);
    }
}
