//! One part of a batch through the whole graph, and back.

use std::ops::Range;

use super::{
    batch::Batch,
    block::{self, Kept, Pass},
    cross_entropy::{Gradient, RowLoss, cross_entropy},
    norm,
    pool::Pool,
    rotary::Rotary,
    source::Source,
};
use crate::matrix::Write;

/// What the gradient of each target's loss is multiplied by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scales<'a> {
    Same(f32),
    /// One for each sequence of the whole batch.
    BySequence(&'a [f32]),
}

impl Scales<'_> {
    /// One for each target of a part whose first sequence is that of the whole batch's with this number.
    pub(super) fn rows(self, part: &Batch, first_sequence: usize) -> Vec<f32> {
        let scale = |place: usize| match self {
            Self::Same(scale) => scale,
            Self::BySequence(scales) => scales.get(first_sequence + place).copied().unwrap_or(0.0),
        };
        let each = part.sequences().enumerate().flat_map(|(place, sequence)| {
            let targets = part.targets()[sequence].iter().flatten().count();
            std::iter::repeat_n(scale(place), targets)
        });
        each.collect()
    }
}

/// The loss of each target; with scales, adds the gradients of what is trained.
pub(super) fn run(
    source: Source<'_>,
    (rotary, keeps_all): (&Rotary, bool),
    batch: &Batch,
    mut way_back: Option<(Vec<f32>, &mut [f32])>,
    pool: &mut Pool,
) -> Vec<RowLoss> {
    let sequences: Vec<Range<usize>> = batch.sequences().collect();
    let pass = Pass {
        source,
        rotary,
        sequences: &sequences,
    };
    let (config, d) = (source.config, source.config.hidden_size);
    let tokens = batch.tokens().len();

    let mut x = pool.take(tokens * d);
    source.embed(batch.tokens(), &mut x);
    let mut trail: Vec<(Vec<f32>, Option<Kept>)> = Vec::new();
    for layer in 0..config.layers {
        let (out, kept) = block::forward(pass, layer, &x, pool);
        let input = std::mem::replace(&mut x, out);
        if way_back.is_none() {
            pool.give([input]);
            kept.give_back(pool);
        } else if keeps_all {
            trail.push((input, Some(kept)));
        } else {
            kept.give_back(pool);
            trail.push((input, None));
        }
    }

    // Only rows with a target go through the norm and the head.
    let (rows, targets): (Vec<usize>, Vec<u32>) = batch
        .targets()
        .iter()
        .enumerate()
        .filter_map(|(row, target)| target.map(|target| (row, target)))
        .unzip();
    let mut last = pool.take(rows.len() * d);
    for (row, place) in rows.iter().zip(last.chunks_mut(d)) {
        place.copy_from_slice(&x[row * d..(row + 1) * d]);
    }
    pool.give([x]);
    let final_norm = source.final_norm();
    let mut normed = pool.take(last.len());
    let mut inverse = pool.take(rows.len());
    let epsilon = config.norm_epsilon;
    norm::forward(&last, final_norm.weight, epsilon, &mut normed, &mut inverse);
    let mut d_normed = pool.take(last.len());
    let gradient = way_back.as_mut().map(|(scales, gradients)| Gradient {
        d_hidden: &mut d_normed,
        scales,
        all: gradients,
    });
    let losses = cross_entropy(&normed, &source.head(), &targets, gradient, pool);
    if let Some((_, gradients)) = way_back {
        if let Some(place) = final_norm.gradient {
            norm::add_weight_gradient(&d_normed, &last, &inverse, &mut gradients[place]);
        }
        let mut d_last = pool.zeros(last.len());
        norm::backward(&d_normed, &last, final_norm.weight, &inverse, &mut d_last);
        let mut dx = pool.zeros(tokens * d);
        for (row, d_last) in rows.iter().zip(d_last.chunks(d)) {
            dx[row * d..(row + 1) * d].copy_from_slice(d_last);
        }
        pool.give([d_last]);
        for layer in (0..config.layers).rev() {
            let Some((input, kept)) = trail.pop() else {
                break;
            };
            let kept = kept.unwrap_or_else(|| {
                let (out, kept) = block::forward(pass, layer, &input, pool);
                pool.give([out]);
                kept
            });
            block::backward((pass, layer), (&input, &kept), &mut dx, gradients, pool);
            kept.give_back(pool);
            pool.give([input]);
        }
        source.embed_backward(batch.tokens(), &dx, gradients);
        pool.give([dx]);
    }
    pool.give([last, normed, inverse, d_normed]);
    losses
}

/// The logits of every row, `[tokens, vocab]`.
pub(super) fn logits(
    source: Source<'_>,
    rotary: &Rotary,
    batch: &Batch,
    pool: &mut Pool,
) -> Vec<f32> {
    let sequences: Vec<Range<usize>> = batch.sequences().collect();
    let pass = Pass {
        source,
        rotary,
        sequences: &sequences,
    };
    let config = source.config;
    let tokens = batch.tokens().len();
    let mut x = pool.take(tokens * config.hidden_size);
    source.embed(batch.tokens(), &mut x);
    for layer in 0..config.layers {
        let (out, kept) = block::forward(pass, layer, &x, pool);
        kept.give_back(pool);
        pool.give([std::mem::replace(&mut x, out)]);
    }
    let mut normed = pool.take(x.len());
    let mut inverse = pool.take(tokens);
    let norm = source.final_norm().weight;
    norm::forward(&x, norm, config.norm_epsilon, &mut normed, &mut inverse);
    let mut logits = vec![0.0; tokens * config.vocab_size];
    source
        .head()
        .forward(&normed, &mut logits, Write::Replace, pool);
    pool.give([x, normed, inverse]);
    logits
}
