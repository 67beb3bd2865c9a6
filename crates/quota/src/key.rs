//! What counters, leases and reservations are known by.

use chrono::{DateTime, Utc};

use crate::window::Window;

macro_rules! id {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);
    )+};
}

id!(
    /// An institution, a project or a key: whatever has limits.
    NodeId,
    /// One life of one process: a restarted or fenced replica takes a new one.
    ReplicaId,
    /// One request through the gateway.
    RequestId,
);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Prompt and answer together.
    Tokens,
    /// Requests sent on; each uses one.
    Requests,
    /// Requests under way; given back when they end, so that none is ever used up.
    Slots,
}

impl Measure {
    /// The windows in which it is counted, whether there is a limit or not.
    #[must_use]
    pub fn windows(self) -> &'static [Window] {
        match self {
            Self::Tokens | Self::Requests => &[Window::Minute, Window::Day, Window::Month],
            Self::Slots => &[Window::Always],
        }
    }

    /// The word in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Requests => "requests",
            Self::Slots => "slots",
        }
    }

    /// The measure of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Tokens, Self::Requests, Self::Slots]
            .into_iter()
            .find(|measure| measure.name() == name)
    }
}

/// One node's count in one period. The order is the order in which rows are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter {
    /// Whose.
    pub node: NodeId,
    /// Of what.
    pub measure: Measure,
    /// In which kind of window.
    pub window: Window,
    /// When that window began.
    pub starts_at: DateTime<Utc>,
}

/// What a lease is known by: there is at most one for a replica, a leaf, a measure and a minute.
///
/// A minute lies within one day and one month, so the minute says all the periods that a lease counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseKey {
    /// Who holds it.
    pub replica: ReplicaId,
    /// The key that requests come with.
    pub leaf: NodeId,
    /// Of what.
    pub measure: Measure,
    /// The minute in which it admits; the epoch for slots, which have no period.
    pub since: DateTime<Utc>,
}

impl LeaseKey {
    /// The lease from which `replica` admits at `now`.
    #[must_use]
    pub fn at(replica: ReplicaId, leaf: NodeId, measure: Measure, now: DateTime<Utc>) -> Self {
        let shortest = measure.windows().first().copied();
        Self {
            replica,
            leaf,
            measure,
            since: shortest.unwrap_or(Window::Always).start(now),
        }
    }

    /// Whether new requests are admitted from another lease at `now`.
    #[must_use]
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        *self != Self::at(self.replica, self.leaf, self.measure, now)
    }

    /// The counters that it counts in, for a leaf with this path up to the root.
    pub fn counters(self, path: &[NodeId]) -> impl Iterator<Item = Counter> + '_ {
        path.iter().flat_map(move |&node| {
            let windows = self.measure.windows().iter();
            windows.map(move |&window| Counter {
                node,
                measure: self.measure,
                window,
                starts_at: window.start(self.since),
            })
        })
    }
}
