//! What this process heard of the limits over keys, and for how long it remembers that.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use quota::{Measure, NodeId};

use super::standing::Standing;

/// What was heard of a key that holds nothing is forgotten after so long: its leases ended with their minute, so its next
/// request hears of its limits again before it is answered.
const REMEMBERED: TimeDelta = TimeDelta::hours(1);

/// The limits over keys, as they were heard of last.
#[derive(Default)]
pub(super) struct KnownLimits(HashMap<(NodeId, Measure), HeardOf>);

struct HeardOf {
    at: DateTime<Utc>,
    standings: Vec<Standing>,
}

impl KnownLimits {
    pub(super) fn hear(
        &mut self,
        now: DateTime<Utc>,
        of: (NodeId, Measure),
        standings: Vec<Standing>,
    ) {
        self.0.insert(of, HeardOf { at: now, standings });
    }

    /// Forgets those over keys of which nothing is held, and nothing was heard for long.
    pub(super) fn forget(&mut self, now: DateTime<Utc>, is_held: impl Fn(NodeId) -> bool) {
        self.0
            .retain(|(leaf, _), heard| now < heard.at + REMEMBERED || is_held(*leaf));
    }

    /// Those over a key; none where nothing is known of it.
    pub(super) fn of(&self, leaf: NodeId, measure: Measure) -> &[Standing] {
        let heard = self.0.get(&(leaf, measure));
        heard
            .map(|heard| heard.standings.as_slice())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use quota::{Counter, Window};

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// A limit on the tokens of a day.
    fn standing(leaf: NodeId, now: DateTime<Utc>) -> Standing {
        let counter = Counter {
            node: leaf,
            measure: Measure::Tokens,
            window: Window::Day,
            starts_at: Window::Day.start(now),
        };
        Standing {
            counter,
            cap: 100,
            left: 100,
        }
    }

    fn hear(known: &mut KnownLimits, leaf: NodeId, now: DateTime<Utc>) {
        known.hear(now, (leaf, Measure::Tokens), vec![standing(leaf, now)]);
    }

    #[test]
    fn a_key_that_nobody_uses_is_forgotten_unless_something_is_held_of_it() {
        let now = at("2026-11-28T12:00:00Z");
        let mut known = KnownLimits::default();
        let (busy, idle) = (NodeId(1), NodeId(2));
        hear(&mut known, busy, now);
        hear(&mut known, idle, now);
        let is_held = |leaf: NodeId| leaf == busy;
        known.forget(now + TimeDelta::minutes(59), is_held);
        assert_eq!(known.of(idle, Measure::Tokens).len(), 1, "a moment ago");
        known.forget(now + TimeDelta::hours(1), is_held);
        assert!(known.of(idle, Measure::Tokens).is_empty());
        assert_eq!(known.of(busy, Measure::Tokens).len(), 1, "still answered");
        assert_eq!(known.0.len(), 1, "no place is kept for the other");
    }

    #[test]
    fn many_keys_in_turn_leave_nothing_behind() {
        let mut now = at("2026-11-28T12:00:00Z");
        let mut known = KnownLimits::default();
        for key in 0..10_000 {
            hear(&mut known, NodeId(key), now);
            now += TimeDelta::seconds(10);
            known.forget(now, |_| false);
            // An hour has so many times ten seconds.
            assert!(known.0.len() <= 360, "{}", known.0.len());
        }
    }
}
