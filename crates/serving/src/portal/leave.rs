//! When a program that was told to end may: gateways have heard of it, and nothing runs any more.

use std::time::{Duration, Instant};

/// How often the portal is told meanwhile.
pub(super) const PERIOD: Duration = Duration::from_millis(250);
/// Gateways hear of it from the database at once, or look within half a second; what they sent just before arrives.
const HEARD: Duration = Duration::from_millis(1500);
/// A portal that does not answer for so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// A program on its way out.
pub(super) struct Leaving {
    since: Instant,
    told_at: Option<Instant>,
    within: Duration,
}

impl Leaving {
    pub(super) fn new(within: Duration) -> Self {
        Self {
            since: Instant::now(),
            told_at: None,
            within,
        }
    }

    /// The portal was told, or could not be.
    pub(super) fn note(&mut self, is_told: bool) {
        if is_told {
            self.told_at.get_or_insert_with(Instant::now);
        }
    }

    /// Whether it may end with so many sequences that run, and that wait.
    pub(super) fn may_end(&self, (running, waiting): (u64, u64)) -> bool {
        let is_heard = match self.told_at {
            Some(told_at) => told_at.elapsed() >= HEARD,
            None => self.since.elapsed() >= PATIENCE,
        };
        self.since.elapsed() >= self.within || (is_heard && running == 0 && waiting == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_once_gateways_heard_and_nothing_runs_or_when_its_time_is_up() {
        let mut leaving = Leaving::new(Duration::from_secs(60));
        assert!(!leaving.may_end((0, 0)), "nobody has heard");
        leaving.note(false);
        assert!(!leaving.may_end((0, 0)));
        leaving.told_at = Instant::now().checked_sub(HEARD);
        assert!(leaving.may_end((0, 0)));
        assert!(!leaving.may_end((1, 0)) && !leaving.may_end((0, 1)));
        leaving.within = Duration::ZERO;
        assert!(leaving.may_end((3, 3)));
    }
}
