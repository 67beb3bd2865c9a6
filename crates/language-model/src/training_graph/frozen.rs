//! Matrices that never change, in the form in which they multiply fastest.

use super::{
    kernels::has_bf16,
    right::{Packed, Right},
};
use crate::{matrix::Matrix, weights::Tensor};

/// How exactly factors multiply. Sums, norms, losses and all numbers that are trained are f32 in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// f32 throughout.
    Full,
    /// Factors rounded to bfloat16, sums in f32 (Micikevicius et al. 2018, Kalamkar et al. 2019).
    Mixed,
}

impl Precision {
    /// Mixed where the processor has instructions for it, else full.
    pub fn fastest() -> Self {
        if has_bf16() { Self::Mixed } else { Self::Full }
    }
}

/// Projections that read the same input, as one matrix `[outputs, inputs]`.
#[derive(Debug)]
pub(super) struct Frozen {
    /// The transpose, `[inputs, outputs]`.
    packed: Packed,
}

impl Frozen {
    pub(super) fn new(parts: &[&Tensor], precision: Precision) -> Self {
        let inputs = parts.first().map_or(0, |part| part.columns());
        let outputs = parts.iter().map(|part| part.rows()).sum();
        let mut weight = Vec::with_capacity(inputs * outputs);
        for part in parts {
            weight.extend(part.to_f32());
            part.forget_pages();
        }
        let matrix = Matrix::new(&weight, outputs, inputs).transposed();
        Self {
            packed: Packed::new(matrix, precision),
        }
    }

    pub(super) fn inputs(&self) -> usize {
        self.packed.inner
    }

    pub(super) fn outputs(&self) -> usize {
        self.packed.columns
    }

    /// `Wᵀ`, from the right of `x`.
    pub(super) fn forward(&self) -> Right<'_> {
        Right::Packed(&self.packed)
    }

    /// `W`, from the right of `dy`.
    pub(super) fn backward(&self) -> Right<'_> {
        Right::Transposed(&self.packed)
    }
}
