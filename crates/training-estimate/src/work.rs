//! Operations, time and energy.

use crate::{Method, Settings, Shape};

/// How much there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Tokens to learn from, over all epochs.
    pub tokens: u64,
    /// Tokens to measure on, over all measurements.
    pub measured_tokens: u64,
}

/// What it costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    pub seconds: f64,
    pub joules: f64,
}

/// Floating-point operations of a run.
///
/// For each weight and token two forward; backward two more where the weight is frozen, four where it is trained
/// (Kaplan et al. 2020, arXiv 2001.08361, section 2.1); attention's own products for half a sequence on average. A
/// pair of answers goes forward once more to be weighed.
#[must_use]
pub fn work(shape: &Shape, settings: &Settings, work: Work) -> f64 {
    let weights = shape.parameters() as f64;
    let trained = settings.trained(shape) as f64;
    let half = settings.sequence_length as f64 / 2.0;
    let attention = 4.0 * half * (shape.layers * shape.queries()) as f64;
    let forward = 2.0 * weights + attention;
    let learning = match settings.method {
        Method::Lora { .. } => 4.0 * weights + 6.0 * trained + 3.0 * attention,
        Method::Dpo { .. } => 4.0 * weights + 6.0 * trained + 3.0 * attention + forward,
        Method::Full => 6.0 * weights + 3.0 * attention,
    };
    learning * work.tokens as f64 + forward * work.measured_tokens as f64
}

/// Time and energy on a machine that does so many operations a second in training, and takes so many watts.
#[must_use]
pub fn usage(flop: f64, flop_per_second: f64, watts: f64) -> Usage {
    let seconds = if flop_per_second > 0.0 {
        flop / flop_per_second
    } else {
        0.0
    };
    Usage {
        seconds,
        joules: seconds * watts,
    }
}
