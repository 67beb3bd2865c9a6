//! Which of several places that serve a model gets a request: the one that has seen its beginning before, unless that is
//! busier than others; none that failed again and again, until it is tried anew.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use tokio::time::Instant;

/// So many failures in a row shut a place off.
const FAILURES: u32 = 5;
/// For so long at first; twice as long each time that it fails again, up to a minute.
const SHUT: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// A place that has seen a beginning before is preferred as long as it has at most so many more requests than the
/// least busy: what it remembers saves reading the prompt again.
const SLACK: u32 = 4;
/// So many places are remembered before those that are out of use are forgotten.
const MOST_PLACES: usize = 1000;

/// All places that requests were sent to.
#[derive(Debug, Default)]
pub(super) struct Balance {
    places: RwLock<HashMap<Arc<str>, Arc<Place>>>,
}

#[derive(Debug)]
struct Place {
    address: Arc<str>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: u32,
    failures: u32,
    shut_until: Option<Instant>,
}

/// A request at a place; it counts there until this is dropped.
#[derive(Debug)]
pub(super) struct Visit {
    place: Arc<Place>,
}

impl Place {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Balance {
    /// A place for a request that begins like `prefix`, of those that are not in `tried`; none where all are shut off.
    pub(super) fn choose(
        &self,
        addresses: &[Arc<str>],
        prefix: u64,
        tried: &[Arc<str>],
        now: Instant,
    ) -> Option<Visit> {
        let open: Vec<_> = addresses
            .iter()
            .filter(|address| !tried.contains(address))
            .map(|address| self.place(address))
            .map(|place| {
                let state = place.state();
                let is_open = state.shut_until.is_none_or(|until| until <= now);
                let running = state.running;
                drop(state);
                (place, running, is_open)
            })
            .filter(|(_, _, is_open)| *is_open)
            .collect();
        let least = open.iter().map(|(_, running, _)| *running).min()?;
        let (place, ..) = open
            .into_iter()
            .filter(|(_, running, _)| *running <= least + SLACK)
            // Rendezvous: when a place comes or goes, only what was there moves.
            .max_by_key(|(place, ..)| weight(&place.address, prefix))?;
        let mut state = place.state();
        state.running += 1;
        if let Some(until) = &mut state.shut_until {
            // One request tries it; the others wait for what it finds.
            *until = now + SHUT;
        }
        drop(state);
        Some(Visit { place })
    }

    fn place(&self, address: &Arc<str>) -> Arc<Place> {
        let known = {
            let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
            places.get(address).cloned()
        };
        known.unwrap_or_else(|| {
            let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
            if places.len() >= MOST_PLACES {
                // Programs come back at other addresses; those without a request are forgotten.
                places.retain(|_, place| place.state().running > 0);
            }
            let place = places.entry(Arc::clone(address)).or_insert_with(|| {
                Arc::new(Place {
                    address: Arc::clone(address),
                    state: Mutex::default(),
                })
            });
            Arc::clone(place)
        })
    }
}

fn weight(address: &str, prefix: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (address, prefix).hash(&mut hasher);
    hasher.finish()
}

impl Visit {
    /// Where it is.
    pub(super) fn address(&self) -> &Arc<str> {
        &self.place.address
    }

    /// The place answered, if only that it would not.
    pub(super) fn succeeded(&self) {
        let mut state = self.place.state();
        (state.failures, state.shut_until) = (0, None);
    }

    /// The place did not answer, or could not.
    pub(super) fn failed(&self, now: Instant) {
        let mut state = self.place.state();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            let times = (state.failures - FAILURES).min(6);
            let shut = (SHUT * 2_u32.pow(times)).min(LONGEST);
            state.shut_until = Some(now + shut);
            tracing::warn!(address = %self.place.address, ?shut, "an upstream is shut off");
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut state = self.place.state();
        state.running = state.running.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Vec<Arc<str>> {
        ["http://a", "http://b", "http://c"].map(Arc::from).into()
    }

    #[test]
    fn the_same_beginning_goes_to_the_same_place_until_that_is_busy() {
        let (balance, places) = (Balance::default(), places());
        let first = balance.choose(&places, 7, &[], Instant::now()).unwrap();
        let mut others = 0;
        let mut running = vec![];
        for _ in 0..10 {
            let next = balance.choose(&places, 7, &[], Instant::now()).unwrap();
            others += usize::from(next.address() != first.address());
            running.push(next);
        }
        assert!((1..10).contains(&others), "{others}");
        let spread = (0..100).map(|prefix| {
            let visit = balance
                .choose(&places, prefix, &[], Instant::now())
                .unwrap();
            visit.address().to_string()
        });
        let spread: std::collections::BTreeSet<_> = spread.collect();
        assert_eq!(spread.len(), 3);
    }

    #[test]
    fn a_place_that_fails_is_shut_off_and_tried_by_one() {
        let balance = Balance::default();
        let only: Vec<Arc<str>> = vec!["http://a".into()];
        let now = Instant::now();
        for _ in 0..FAILURES {
            balance.choose(&only, 0, &[], now).unwrap().failed(now);
        }
        assert!(balance.choose(&only, 0, &[], now).is_none());
        let later = now + SHUT;
        let trial = balance.choose(&only, 0, &[], later).unwrap();
        assert!(
            balance.choose(&only, 0, &[], later).is_none(),
            "one tries it"
        );
        trial.succeeded();
        assert!(balance.choose(&only, 0, &[], later).is_some());
    }

    #[test]
    fn what_was_tried_is_not_tried_again() {
        let (balance, places) = (Balance::default(), places());
        let first = balance.choose(&places, 1, &[], Instant::now()).unwrap();
        let tried = vec![Arc::clone(first.address())];
        let second = balance.choose(&places, 1, &tried, Instant::now()).unwrap();
        assert_ne!(first.address(), second.address());
        assert!(
            balance
                .choose(&places, 1, &places, Instant::now())
                .is_none()
        );
    }
}
