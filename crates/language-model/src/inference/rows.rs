//! What a step does to all of its rows alike.

use rayon::prelude::*;

use super::{
    adapter::LayerAdapter,
    forward::Work,
    kernels::{Tier, multiply, vector::rms_norm},
    q8::{Q8Matrix, Q8Rows},
};

/// Rows from which on work that is not a product is shared among threads.
pub(super) const ROWS_TO_SHARE: usize = 8;
/// A row of the step: one token of one sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) work: usize,
    pub(super) position: usize,
}

/// RMSNorm of each row.
pub(super) fn norm_rows(x: &[f32], weight: &[f32], epsilon: f32, out: &mut Vec<f32>) {
    out.resize(x.len(), 0.0);
    for (x, out) in x
        .chunks_exact(weight.len())
        .zip(out.chunks_exact_mut(weight.len()))
    {
        rms_norm(x, weight, epsilon, out);
    }
}

/// `out = x · weightsᵀ`, with `x` quantised on the way.
pub(super) fn project(weights: &Q8Matrix, x: &[f32], quantised: &mut Q8Rows, out: &mut Vec<f32>) {
    out.resize(x.len() / weights.inner() * weights.outputs(), 0.0);
    quantised.quantise(x, weights.inner());
    multiply(Tier::best(), weights, quantised, out);
}

/// Calls `apply` for each row whose sequence has an adapter, with its input and its output.
pub(super) fn adapt(
    rows: &[Row],
    works: &[Work<'_>],
    layer: usize,
    x: &[f32],
    out: &mut [f32],
    apply: impl Fn(&LayerAdapter, &[f32], &mut [f32]) + Sync,
) {
    if rows.is_empty() || works.iter().all(|work| work.adapter.is_none()) {
        return;
    }
    let adapters: Vec<Option<&LayerAdapter>> = works
        .iter()
        .map(|work| work.adapter.and_then(|adapter| adapter.layers.get(layer)))
        .collect();
    let one = |((x, out), row): ((&[f32], &mut [f32]), &Row)| {
        if let Some(adapter) = adapters[row.work] {
            apply(adapter, x, out);
        }
    };
    let (inputs, outputs) = (x.len() / rows.len(), out.len() / rows.len());
    match rows.len() < ROWS_TO_SHARE {
        true => x
            .chunks_exact(inputs)
            .zip(out.chunks_exact_mut(outputs))
            .zip(rows)
            .for_each(one),
        false => x
            .par_chunks_exact(inputs)
            .zip(out.par_chunks_exact_mut(outputs))
            .zip(rows)
            .for_each(one),
    }
}

/// `out += x`.
pub(super) fn add(out: &mut [f32], x: &[f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += x;
    }
}
