//! The loss over the vocabulary, a few rows at a time, so that the logits of a whole batch are never in memory.

use rayon::prelude::*;

use super::{exponential::exp, frozen::Frozen, pool::Pool};
use crate::matrix::Write;

/// Rows whose logits are held at once: 50 MB for a vocabulary of 49,152.
const ROWS: usize = 256;

/// Where the gradient of the hidden rows goes, and what it is multiplied by.
pub(super) struct Gradient<'a> {
    /// `[rows, d]`.
    pub(super) d_hidden: &'a mut [f32],
    pub(super) scale: f32,
}

/// The sum of `-log softmax(hidden headᵀ)[target]` over all rows, in nats.
///
/// `hidden`: `[rows, d]`; `head`: `[vocab, d]`; every target is below the vocabulary's size.
pub(super) fn cross_entropy(
    hidden: &[f32],
    head: &Frozen,
    targets: &[u32],
    mut gradient: Option<Gradient<'_>>,
    pool: &mut Pool,
) -> f64 {
    let (d, vocab) = (head.inputs(), head.outputs());
    let mut sum = 0.0;
    for (part, targets) in targets.chunks(ROWS).enumerate() {
        let rows = targets.len();
        let first = part * ROWS;
        let mut logits = pool.take(rows * vocab);
        let mut losses = vec![0.0f64; rows];
        head.forward(
            &hidden[first * d..(first + rows) * d],
            &mut logits,
            Write::Replace,
        );
        let scale = gradient.as_ref().map(|gradient| gradient.scale);
        logits
            .par_chunks_mut(vocab)
            .zip(targets)
            .zip(&mut losses)
            .for_each(|((logits, target), loss)| *loss = row(logits, *target as usize, scale));
        sum += losses.iter().sum::<f64>();
        if let Some(gradient) = &mut gradient {
            let place = &mut gradient.d_hidden[first * d..(first + rows) * d];
            head.backward(&logits, place);
        }
        pool.give([logits]);
    }
    sum
}

/// The loss of one row; with a scale, the logits become their gradient, `scale (softmax - onehot)`.
fn row(logits: &mut [f32], target: usize, scale: Option<f32>) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let target_logit = logits[target];
    let mut total = 0.0f64;
    // Sums of short stretches in f32, of stretches in f64: fast, and exact enough for 49,152 terms.
    for stretch in logits.chunks_mut(256) {
        let mut sum = 0.0f32;
        for logit in stretch.iter_mut() {
            *logit = exp(*logit - largest);
            sum += *logit;
        }
        total += f64::from(sum);
    }
    if let Some(scale) = scale {
        let factor = (f64::from(scale) / total) as f32;
        logits.iter_mut().for_each(|logit| *logit *= factor);
        logits[target] -= scale;
    }
    f64::from(largest) + total.ln() - f64::from(target_logit)
}
