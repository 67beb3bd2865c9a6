//! The low-rank adapters of projections that read the same input.

use std::ops::Range;

use super::{
    few_rows::FewRows,
    frozen::Precision,
    kernels::COLUMNS,
    left::{Left, left_words},
    linear::Linear,
    pool::Pool,
    product,
    right::{Packed, Right},
    stage::Place,
    trained::Mask,
};
use crate::{
    lora::{Group, LoraAdapter},
    matrix::{Matrix, Write},
};

/// The adapters of one group of projections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Adapted<'a> {
    pub(super) group: &'a Group,
    pub(super) adapter: &'a LoraAdapter,
    pub(super) mask: Option<Mask>,
}

impl Adapted<'_> {
    /// The `A` matrices one under the other, `[inner, inputs]`.
    fn a(&self, inputs: usize) -> Matrix<'_> {
        let a = &self.adapter.parameters()[self.group.a.clone()];
        Matrix::new(a, self.group.inner, inputs)
    }

    pub(super) fn a_packed(&self, inputs: usize, precision: Precision, pool: &mut Pool) -> Packed {
        Packed::in_buffer(self.a(inputs), precision, |count| pool.take(count))
    }

    /// The `B` matrices along the diagonal, `[outputs, inner]`, zero elsewhere.
    fn b(&self, outputs: usize, pool: &mut Pool) -> Vec<f32> {
        let (inner, rank) = (self.group.inner, self.adapter.rank());
        let mut diagonal = pool.zeros(outputs * inner);
        for part in &self.group.parts {
            let b = &self.adapter.parameters()[part.b.clone()];
            let rows = diagonal.chunks_mut(inner).skip(part.first_output);
            for (row, b) in rows.zip(b.chunks(rank)) {
                row[part.first_inner..part.first_inner + rank].copy_from_slice(b);
            }
        }
        diagonal
    }

    /// `Bᵀ`, from the right of what [`Adapted::narrow`] gives.
    pub(super) fn wide(&self, outputs: usize, precision: Precision, pool: &mut Pool) -> Packed {
        let diagonal = self.b(outputs, pool);
        let b = Matrix::new(&diagonal, outputs, self.group.inner).transposed();
        let packed = Packed::in_buffer(b, precision, |count| pool.take(count));
        pool.give([diagonal]);
        packed
    }

    /// What the adapters read of the projection's input, where it is not the input itself.
    fn masked(&self, x: &[f32], inputs: usize, pool: &mut Pool) -> Option<Vec<f32>> {
        let mask = self.mask?;
        let mut masked = pool.take(x.len());
        mask.apply(x, inputs, &mut masked, false);
        Some(masked)
    }

    /// `scale x Aᵀ`, `[tokens, inner]`; `packed` is `x`.
    pub(super) fn narrow(&self, x: &[f32], packed: Left<'_>, pool: &mut Pool) -> Vec<f32> {
        let (rows, inner) = (packed.rows, self.group.inner);
        let inputs = x.len() / rows.max(1);
        let mut narrow = pool.take(rows * inner);
        let place = Place {
            out: &mut narrow,
            stride: inner,
            write: Write::Replace,
            scale: self.adapter.scale(),
        };
        let right = Right::Matrix(self.a(inputs).transposed());
        match self.masked(x, inputs, pool) {
            None => product::multiply(place, packed, right, None, pool),
            Some(masked) => {
                let matrix = Matrix::new(&masked, rows, inputs);
                let mut words = pool.take(left_words(matrix, packed.precision));
                let left = Left::pack(matrix, packed.precision, &mut words);
                product::multiply(place, left, right, None, pool);
                pool.give([words, masked]);
            }
        }
        narrow
    }

    /// `scale dy B`, `[tokens, inner]`.
    pub(super) fn d_narrow(&self, dy: Left<'_>, outputs: usize, pool: &mut Pool) -> Vec<f32> {
        let inner = self.group.inner;
        let mut d_narrow = pool.take(dy.rows * inner);
        let place = Place {
            out: &mut d_narrow,
            stride: inner,
            write: Write::Replace,
            scale: self.adapter.scale(),
        };
        let b = self.b(outputs, pool);
        let right = Right::Matrix(Matrix::new(&b, outputs, inner));
        product::multiply(place, dy, right, None, pool);
        pool.give([b]);
        d_narrow
    }

    /// `dA += d_narrowᵀ x` and `dB += dyᵀ narrow`, both factors of each with `scale` in them once.
    pub(super) fn add_gradients(
        &self,
        (dy, x): (&[f32], &[f32]),
        (narrow, d_narrow): (&[f32], &[f32]),
        gradients: &mut [f32],
        linear: &Linear<'_>,
        pool: &mut Pool,
    ) {
        let (inner, rank) = (self.group.inner, self.adapter.rank());
        let (inputs, outputs) = (linear.weight.inputs(), linear.weight.outputs());
        let tokens = narrow.len() / inner;
        let masked = self.masked(x, inputs, pool);
        let left = Matrix::new(d_narrow, tokens, inner).transposed();
        let right = Matrix::new(masked.as_deref().unwrap_or(x), tokens, inputs);
        let product = FewRows::multiply(left, right, |_| 0..inner, linear.precision, pool);
        product.add_to(&mut gradients[self.group.a.clone()]);
        product.give_back(pool);
        pool.give(masked.map_or([Vec::new()], |masked| [masked]));

        // All products of the group at once, `[inner, outputs]`; of those off the diagonal few are made.
        let left = Matrix::new(narrow, tokens, inner).transposed();
        let right = Matrix::new(dy, tokens, outputs);
        let wanted = |panel| self.rows_at(panel, outputs);
        let product = FewRows::multiply(left, right, wanted, linear.precision, pool);
        for part in &self.group.parts {
            let gradient = &mut gradients[part.b.clone()];
            let columns = part.first_output..part.first_output + gradient.len() / rank;
            let rows = part.first_inner..part.first_inner + rank;
            product.add_turned(rows, columns, gradient);
        }
        product.give_back(pool);
    }

    /// Which of the group's inner rows meet the outputs of a panel.
    fn rows_at(&self, panel: usize, outputs: usize) -> Range<usize> {
        let columns = panel * COLUMNS..outputs.min((panel + 1) * COLUMNS);
        let rank = self.adapter.rank();
        let met = self.group.parts.iter().filter(|part| {
            let end = part.first_output + part.b.len() / rank;
            part.first_output < columns.end && end > columns.start
        });
        let ends = met.map(|part| part.first_inner..part.first_inner + rank);
        ends.reduce(|all, one| all.start.min(one.start)..all.end.max(one.end))
            .unwrap_or_default()
    }
}
