//! The loss over the vocabulary, a few rows at a time, so that the logits of a whole batch are never in memory.

use super::{
    crew::share_out,
    exponential::exp,
    kernels::{
        lanes::{largest, replace_and_sum},
        vectorised,
    },
    linear::Linear,
    pool::Pool,
    profile::{Part, timed},
};
use crate::matrix::Write;

/// Rows whose logits are held at once: 50 MB for a vocabulary of 49,152.
const ROWS: usize = 256;

/// Where the gradient of the hidden rows goes, and what each row's is multiplied by.
pub(super) struct Gradient<'a> {
    /// `[rows, d]`.
    pub(super) d_hidden: &'a mut [f32],
    /// `[rows]`.
    pub(super) scales: &'a [f32],
    /// Of everything that is trained; the head's own is added where it is.
    pub(super) all: &'a mut [f32],
}

/// What the head says of one row.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RowLoss {
    /// `-log softmax(hidden headᵀ)[target]`, in nats.
    pub(super) loss: f64,
    /// True where no token was thought likelier than the target.
    pub(super) is_right: bool,
}

/// The loss of each row.
///
/// `hidden`: `[rows, d]`; `head`: `[vocab, d]`; every target is below the vocabulary's size.
pub(super) fn cross_entropy(
    hidden: &[f32],
    head: &Linear<'_>,
    targets: &[u32],
    mut gradient: Option<Gradient<'_>>,
    pool: &mut Pool,
) -> Vec<RowLoss> {
    let (d, vocab) = (head.weight.inputs(), head.weight.outputs());
    let mut losses = vec![RowLoss::default(); targets.len()];
    // Parts alike: each reads the whole head, however few its rows.
    let parts = targets.len().div_ceil(ROWS).max(1);
    let at_once = targets.len().div_ceil(parts).max(1);
    for (part, (targets, losses)) in targets
        .chunks(at_once)
        .zip(losses.chunks_mut(at_once))
        .enumerate()
    {
        let rows = targets.len();
        let first = part * at_once;
        let mut logits = pool.take(rows * vocab);
        let hidden = &hidden[first * d..(first + rows) * d];
        head.forward(hidden, &mut logits, Write::Replace, pool);
        let scales = gradient
            .as_ref()
            .map(|gradient| &gradient.scales[first..first + rows]);
        timed(Part::Loss, || {
            let rows = logits.chunks_mut(vocab).zip(targets).zip(losses);
            share_out(rows.enumerate(), |(place, ((logits, target), loss))| {
                let scale = scales.map(|scales| scales[place]);
                *loss = row(logits, *target as usize, scale);
            });
        });
        if let Some(gradient) = &mut gradient {
            let place = &mut gradient.d_hidden[first * d..(first + rows) * d];
            let inputs = (hidden, &[][..]);
            head.backward(&logits, inputs, Some(place), gradient.all, pool);
        }
        pool.give([logits]);
    }
    losses
}

/// The loss of one row; with a scale, the logits become their gradient, `scale (softmax - onehot)`.
fn row(logits: &mut [f32], target: usize, scale: Option<f32>) -> RowLoss {
    let most = most_of(logits);
    let target_logit = logits[target];
    // Sums of short stretches in f32, of stretches in f64: fast, and exact enough for 49,152 terms.
    let total = logits
        .chunks_mut(256)
        .map(|stretch| f64::from(exponentials(stretch, most)))
        .sum::<f64>();
    if let Some(scale) = scale {
        multiply_all(logits, (f64::from(scale) / total) as f32);
        logits[target] -= scale;
    }
    RowLoss {
        loss: f64::from(most) + total.ln() - f64::from(target_logit),
        is_right: target_logit >= most,
    }
}

vectorised! {
    fn most_of(logits: &[f32]) -> f32 {
        largest(logits)
    }
}

vectorised! {
    /// Every logit becomes `exp(logit - most)`; returns their sum.
    fn exponentials(logits: &mut [f32], most: f32) -> f32 {
        replace_and_sum(logits, |logit| exp(logit - most))
    }
}

vectorised! {
    fn multiply_all(numbers: &mut [f32], factor: f32) {
        numbers.iter_mut().for_each(|number| *number *= factor);
    }
}
