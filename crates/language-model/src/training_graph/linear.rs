//! Projections: frozen ones, with low-rank adapters beside them or without, and ones that are trained whole.

use std::ops::Range;

use super::{
    frozen::{Frozen, Precision},
    pool::Pool,
    product::{self, Dense},
    profile::{Part, timed},
    trained::Mask,
};
use crate::{
    lora::{Group, LoraAdapter},
    matrix::{Matrix, Threads, Write, multiply},
};

/// A matrix `[outputs, inputs]` as a pass reads it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Weight<'a> {
    Frozen(&'a Frozen),
    /// Changes with every step.
    Dense(Dense<'a>),
}

impl Weight<'_> {
    pub(super) fn inputs(self) -> usize {
        match self {
            Self::Frozen(frozen) => frozen.inputs(),
            Self::Dense(dense) => dense.inputs,
        }
    }

    pub(super) fn outputs(self) -> usize {
        match self {
            Self::Frozen(frozen) => frozen.outputs(),
            Self::Dense(dense) => dense.outputs,
        }
    }

    /// `out = x Wᵀ` or `out += x Wᵀ` for `x` `[tokens, inputs]`.
    pub(super) fn forward(self, x: &[f32], out: &mut [f32], write: Write) {
        timed(Part::Forward, || match self {
            Self::Frozen(frozen) => frozen.forward(x, out, write),
            Self::Dense(dense) => dense.forward(x, out, write),
        });
    }

    /// `dx = dy W` for `dy` `[tokens, outputs]`.
    pub(super) fn backward(self, dy: &[f32], dx: &mut [f32]) {
        timed(Part::Backward, || match self {
            Self::Frozen(frozen) => frozen.backward(dy, dx),
            Self::Dense(dense) => dense.backward(dy, dx),
        });
    }
}

/// What of a projection gets gradients.
#[derive(Debug, Clone)]
pub(super) enum Learns<'a> {
    Nothing,
    Adapter(Adapted<'a>),
    /// The matrix itself, whose gradient lies here.
    Matrix(Range<usize>, Precision),
}

/// The adapters of one group of projections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Adapted<'a> {
    pub(super) group: &'a Group,
    pub(super) adapter: &'a LoraAdapter,
    pub(super) mask: Option<Mask>,
}

impl Adapted<'_> {
    fn a(&self, inputs: usize) -> Matrix<'_> {
        let a = &self.adapter.parameters()[self.group.a.clone()];
        Matrix::new(a, self.group.inner, inputs)
    }

    /// What the adapters read of the projection's input.
    fn masked(&self, x: &[f32], inputs: usize, pool: &mut Pool) -> Option<Vec<f32>> {
        let mask = self.mask?;
        let mut masked = pool.take(x.len());
        mask.apply(x, inputs, &mut masked, false);
        Some(masked)
    }
}

/// A projection, and what of it is trained.
#[derive(Debug, Clone)]
pub(super) struct Linear<'a> {
    pub(super) weight: Weight<'a>,
    pub(super) learns: Learns<'a>,
}

impl Linear<'_> {
    pub(super) fn outputs(&self) -> usize {
        self.weight.outputs()
    }

    /// `out = x Wᵀ + scale (x Aᵀ) Bᵀ` (or added to `out`) for `x` `[tokens, inputs]`.
    ///
    /// Returns `x Aᵀ`, `[tokens, inner]`, which the backward pass needs.
    pub(super) fn forward(
        &self,
        x: &[f32],
        out: &mut [f32],
        write: Write,
        pool: &mut Pool,
    ) -> Vec<f32> {
        self.weight.forward(x, out, write);
        match &self.learns {
            Learns::Adapter(adapted) if adapted.group.inner > 0 => timed(Part::Adapters, || {
                self.forward_adapter(adapted, x, out, pool)
            }),
            Learns::Adapter(_) | Learns::Nothing | Learns::Matrix(..) => Vec::new(),
        }
    }

    fn forward_adapter(
        &self,
        adapted: &Adapted<'_>,
        x: &[f32],
        out: &mut [f32],
        pool: &mut Pool,
    ) -> Vec<f32> {
        let (inputs, outputs) = (self.weight.inputs(), self.weight.outputs());
        let tokens = x.len() / inputs;
        let (inner, rank) = (adapted.group.inner, adapted.adapter.rank());
        let mut narrow = pool.take(tokens * inner);
        let masked = adapted.masked(x, inputs, pool);
        multiply(
            (&mut narrow, inner),
            Matrix::new(masked.as_deref().unwrap_or(x), tokens, inputs),
            adapted.a(inputs).transposed(),
            (Write::Replace, 1.0),
            Threads::All,
        );
        pool.give(masked.map_or([Vec::new()], |masked| [masked]));
        for part in &adapted.group.parts {
            let b = &adapted.adapter.parameters()[part.b.clone()];
            let b = Matrix::new(b, part.outputs, rank).transposed();
            let own = Matrix::strided(&narrow[part.first_inner..], tokens, rank, inner);
            let place = (&mut out[part.first_output..], outputs);
            multiply(
                place,
                own,
                b,
                (Write::Add, adapted.adapter.scale()),
                Threads::All,
            );
        }
        narrow
    }

    /// Adds the gradients of what is trained to `gradients` and writes that of `x` where it is wanted.
    pub(super) fn backward(
        &self,
        dy: &[f32],
        (x, narrow): (&[f32], &[f32]),
        mut dx: Option<&mut [f32]>,
        gradients: &mut [f32],
        pool: &mut Pool,
    ) {
        if let Some(dx) = &mut dx {
            self.weight.backward(dy, dx);
        }
        match &self.learns {
            Learns::Nothing => {}
            Learns::Adapter(adapted) => {
                timed(Part::Adapters, || {
                    self.backward_adapter(adapted, dy, (x, narrow), dx, gradients, pool);
                });
            }
            Learns::Matrix(place, precision) => {
                let shape = (self.weight.outputs(), self.weight.inputs());
                let gradient = &mut gradients[place.clone()];
                timed(Part::WeightGradients, || {
                    product::add_weight_gradient(gradient, shape, (dy, x), *precision);
                });
            }
        }
    }

    /// With `v = scale dy B`: `dB += scale dyᵀ (x Aᵀ)`, `dA += vᵀ x`, `dx += v A`.
    fn backward_adapter(
        &self,
        adapted: &Adapted<'_>,
        dy: &[f32],
        (x, narrow): (&[f32], &[f32]),
        dx: Option<&mut [f32]>,
        gradients: &mut [f32],
        pool: &mut Pool,
    ) {
        let (inputs, outputs) = (self.weight.inputs(), self.weight.outputs());
        let tokens = dy.len() / outputs;
        let (inner, rank) = (adapted.group.inner, adapted.adapter.rank());
        if inner == 0 {
            return;
        }
        let scale = adapted.adapter.scale();
        let mut d_narrow = pool.take(tokens * inner);
        for part in &adapted.group.parts {
            let own_dy = Matrix::strided(&dy[part.first_output..], tokens, part.outputs, outputs);
            let b = &adapted.adapter.parameters()[part.b.clone()];
            let b = Matrix::new(b, part.outputs, rank);
            let place = (&mut d_narrow[part.first_inner..], inner);
            multiply(place, own_dy, b, (Write::Replace, scale), Threads::All);
            let own = Matrix::strided(&narrow[part.first_inner..], tokens, rank, inner);
            let place = (&mut gradients[part.b.clone()], rank);
            multiply(
                place,
                own_dy.transposed(),
                own,
                (Write::Add, scale),
                Threads::All,
            );
        }
        let v = Matrix::new(&d_narrow, tokens, inner);
        let masked = adapted.masked(x, inputs, pool);
        let seen = Matrix::new(masked.as_deref().unwrap_or(x), tokens, inputs);
        let place = (&mut gradients[adapted.group.a.clone()], inputs);
        multiply(place, v.transposed(), seen, (Write::Add, 1.0), Threads::All);
        if let Some(dx) = dx {
            match (adapted.mask, masked) {
                (Some(mask), Some(mut through)) => {
                    let place = (&mut through[..], inputs);
                    let how = (Write::Replace, 1.0);
                    multiply(place, v, adapted.a(inputs), how, Threads::All);
                    mask.apply(&through, inputs, dx, true);
                    pool.give([through]);
                }
                _ => {
                    let how = (Write::Add, 1.0);
                    multiply((dx, inputs), v, adapted.a(inputs), how, Threads::All);
                }
            }
        } else if let Some(masked) = masked {
            pool.give([masked]);
        }
        pool.give([d_narrow]);
    }
}
