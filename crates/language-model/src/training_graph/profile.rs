//! Where the time of the graph goes: `FACULTY_TRAINING_PROFILE=1` sums it up by part.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// A part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Products with the weights, forward.
    Forward,
    /// The same for the gradients of their inputs.
    Backward,
    /// Gradients of whole weights.
    WeightGradients,
    Adapters,
    Attention,
    Norms,
    Gate,
    /// Between the order of tokens and that of heads, with the rotary turn.
    Heads,
    /// Softmax over the vocabulary.
    Loss,
}

const NAMES: [&str; 9] = [
    "weights forward",
    "weights backward",
    "weight gradients",
    "adapters",
    "attention",
    "norms",
    "gated unit",
    "heads and rotary",
    "softmax and loss",
];
static NANOSECONDS: [AtomicU64; NAMES.len()] = [const { AtomicU64::new(0) }; NAMES.len()];

fn is_wanted() -> bool {
    static WANTED: OnceLock<bool> = OnceLock::new();
    *WANTED.get_or_init(|| std::env::var_os("FACULTY_TRAINING_PROFILE").is_some_and(|on| on == "1"))
}

/// Does the work, and counts its time where that is wanted.
pub(super) fn timed<R>(part: Part, work: impl FnOnce() -> R) -> R {
    if !is_wanted() {
        return work();
    }
    let start = Instant::now();
    let result = work();
    let spent = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    NANOSECONDS[part as usize].fetch_add(spent, Ordering::Relaxed);
    result
}

/// Wall time by part since the last call, over all graphs of the process; none unless
/// `FACULTY_TRAINING_PROFILE=1`.
pub fn take_profile() -> Option<Vec<(&'static str, Duration)>> {
    let take = |(name, spent): (&&'static str, &AtomicU64)| {
        (
            *name,
            Duration::from_nanos(spent.swap(0, Ordering::Relaxed)),
        )
    };
    is_wanted().then(|| NAMES.iter().zip(&NANOSECONDS).map(take).collect())
}
