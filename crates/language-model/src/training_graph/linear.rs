//! Frozen projections with trained low-rank adapters beside them.

use super::{
    frozen::{Frozen, Precision},
    pool::Pool,
};
use crate::{
    lora::{Group, LoraAdapter},
    matrix::{Matrix, Threads, Write, multiply},
    weights::Tensor,
};

/// A frozen matrix and what is trained beside it. The matrix itself gets no gradient.
#[derive(Debug)]
pub(super) struct Linear {
    frozen: Frozen,
    inputs: usize,
    outputs: usize,
}

/// The adapters of one group of projections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Adapted<'a> {
    pub(super) group: &'a Group,
    pub(super) adapter: &'a LoraAdapter,
}

impl Adapted<'_> {
    fn a(&self, inputs: usize) -> Matrix<'_> {
        let a = &self.adapter.parameters()[self.group.a.clone()];
        Matrix::new(a, self.group.inner, inputs)
    }
}

impl Linear {
    pub(super) fn new(parts: &[&Tensor], precision: Precision) -> Self {
        let frozen = Frozen::new(parts, precision);
        Self {
            inputs: frozen.inputs(),
            outputs: frozen.outputs(),
            frozen,
        }
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// `out = x Wᵀ + scale (x Aᵀ) Bᵀ` (or added to `out`) for `x` `[tokens, inputs]`.
    ///
    /// Returns `x Aᵀ`, `[tokens, inner]`, which the backward pass needs.
    pub(super) fn forward(
        &self,
        x: &[f32],
        out: &mut [f32],
        write: Write,
        adapted: Option<Adapted<'_>>,
        pool: &mut Pool,
    ) -> Vec<f32> {
        let tokens = x.len() / self.inputs;
        self.frozen.forward(x, out, write);
        let x = Matrix::new(x, tokens, self.inputs);
        let Some(adapted) = adapted.filter(|adapted| adapted.group.inner > 0) else {
            return Vec::new();
        };
        let (inner, rank) = (adapted.group.inner, adapted.adapter.rank());
        let mut narrow = pool.take(tokens * inner);
        let a = adapted.a(self.inputs).transposed();
        multiply(
            (&mut narrow, inner),
            x,
            a,
            (Write::Replace, 1.0),
            Threads::All,
        );
        for part in &adapted.group.parts {
            let b = &adapted.adapter.parameters()[part.b.clone()];
            let b = Matrix::new(b, part.outputs, rank).transposed();
            let own = Matrix::strided(&narrow[part.first_inner..], tokens, rank, inner);
            let place = (&mut out[part.first_output..], self.outputs);
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

    /// Adds the gradients of `A` and `B` to `gradients` and writes that of `x` where it is wanted.
    ///
    /// With `v = scale dy B`: `dB += scale dyᵀ (x Aᵀ)`, `dA += vᵀ x`, `dx = dy W + v A`.
    pub(super) fn backward(
        &self,
        dy: &[f32],
        (x, narrow): (&[f32], &[f32]),
        dx: Option<&mut [f32]>,
        adapted: Adapted<'_>,
        gradients: &mut [f32],
        pool: &mut Pool,
    ) {
        let tokens = dy.len() / self.outputs;
        let (inner, rank) = (adapted.group.inner, adapted.adapter.rank());
        let scale = adapted.adapter.scale();
        let mut d_narrow = pool.take(tokens * inner);
        for part in &adapted.group.parts {
            let own_dy =
                Matrix::strided(&dy[part.first_output..], tokens, part.outputs, self.outputs);
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
        if inner > 0 {
            let x = Matrix::new(x, tokens, self.inputs);
            let place = (&mut gradients[adapted.group.a.clone()], self.inputs);
            multiply(place, v.transposed(), x, (Write::Add, 1.0), Threads::All);
        }
        if let Some(dx) = dx {
            self.frozen.backward(dy, dx);
            if inner > 0 {
                multiply(
                    (dx, self.inputs),
                    v,
                    adapted.a(self.inputs),
                    (Write::Add, 1.0),
                    Threads::All,
                );
            }
        }
        pool.give([d_narrow]);
    }
}
