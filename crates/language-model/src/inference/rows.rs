//! What a step does to all of its rows alike.

use super::{
    activations::{Q8Rows, TALL},
    adapter::LayerAdapter,
    forward::Work,
    kernels::{
        Tier, multiply,
        vector::{add, rms_norm},
    },
    packed::PackedMatrix,
    team::Team,
};

/// A row of the step: one token of one sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) work: usize,
    pub(super) position: usize,
}

/// RMSNorm of each row, as it is and quantised.
pub(super) fn norm_rows(
    team: &Team,
    x: &[f32],
    (weight, epsilon): (&[f32], f32),
    normed: &mut Vec<f32>,
    quantised: &mut Q8Rows,
) {
    let width = weight.len();
    normed.resize(x.len(), 0.0);
    let tiles = quantised.tiles(x.len() / width, width);
    let items = tiles
        .zip(x.chunks(TALL * width))
        .zip(normed.chunks_mut(TALL * width));
    team.each(items.collect(), |((mut tile, x), normed)| {
        for (x, normed) in x.chunks_exact(width).zip(normed.chunks_exact_mut(width)) {
            rms_norm(x, weight, epsilon, normed);
        }
        tile.fill(normed, width);
    });
}

/// Quantises each row.
pub(super) fn quantise_rows(team: &Team, x: &[f32], width: usize, quantised: &mut Q8Rows) {
    let tiles = quantised.tiles(x.len() / width, width);
    let items = tiles.zip(x.chunks(TALL * width));
    team.each(items.collect(), |(mut tile, x)| tile.fill(x, width));
}

/// `out = x · weightsᵀ`, where `x` is what has been quantised.
pub(super) fn project(team: &Team, weights: &PackedMatrix, x: &Q8Rows, out: &mut Vec<f32>) {
    out.resize(x.rows * weights.outputs(), 0.0);
    multiply(Tier::best(), team, weights, x, out);
}

/// The rows of a step, and what each sequence adds to a layer.
pub(super) struct Adapted<'a> {
    pub(super) rows: &'a [Row],
    /// By sequence.
    adapters: Vec<Option<&'a LayerAdapter>>,
}

impl<'a> Adapted<'a> {
    pub(super) fn new(rows: &'a [Row], works: &[Work<'a>], layer: usize) -> Self {
        let of_layer = |work: &Work<'a>| work.adapter.and_then(|adapter| adapter.layers.get(layer));
        Self {
            rows,
            adapters: works.iter().map(of_layer).collect(),
        }
    }

    /// Calls `apply` with each row, its adapter, its numbers in `x` and those in `out`.
    ///
    /// `least` rows at least are one piece of work for a thread; a row with an adapter is worth one by itself.
    pub(super) fn each(
        &self,
        team: &Team,
        x: &[f32],
        out: &mut [f32],
        least: usize,
        apply: impl Fn(&Row, Option<&LayerAdapter>, &[f32], &mut [f32]) + Sync,
    ) {
        if self.rows.is_empty() {
            return;
        }
        let (inputs, outputs) = (x.len() / self.rows.len(), out.len() / self.rows.len());
        let least = match self.adapters.iter().any(Option::is_some) {
            true => 1,
            false => least,
        };
        let piece = self.rows.len().div_ceil(team.threads() * 4).max(least);
        let items = self
            .rows
            .chunks(piece)
            .zip(x.chunks(piece * inputs))
            .zip(out.chunks_mut(piece * outputs));
        team.each(items.collect(), |((rows, x), out)| {
            let each = x.chunks_exact(inputs).zip(out.chunks_exact_mut(outputs));
            for (row, (x, out)) in rows.iter().zip(each) {
                let adapter = self.adapters.get(row.work).copied().flatten();
                apply(row, adapter, x, out);
            }
        });
    }

    /// `hidden += added`, after `apply` has added what adapters make of `x`.
    pub(super) fn add(
        &self,
        team: &Team,
        x: &[f32],
        added: &mut [f32],
        hidden: &mut [f32],
        apply: impl Fn(&LayerAdapter, &[f32], &mut [f32]) + Sync,
    ) {
        if self.adapters.iter().any(Option::is_some) {
            self.each(team, x, added, 1, |_, adapter, x, out| {
                if let Some(adapter) = adapter {
                    apply(adapter, x, out);
                }
            });
        }
        add(hidden, added);
    }
}
