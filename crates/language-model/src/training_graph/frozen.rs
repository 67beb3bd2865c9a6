//! Matrices that never change, in the form in which they multiply fastest.

use super::bf16::{Packed, is_fast};
use crate::{
    matrix::{Matrix, Threads, Write, multiply},
    weights::Tensor,
};

/// How exactly the frozen weights multiply. Adapters, sums, norms and losses are f32 in any case.
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
        if is_fast() { Self::Mixed } else { Self::Full }
    }
}

/// Projections that read the same input, as one matrix `[outputs, inputs]`.
#[derive(Debug)]
pub(super) struct Frozen {
    form: Form,
    inputs: usize,
    outputs: usize,
}

#[derive(Debug)]
enum Form {
    Full(Vec<f32>),
    /// Both orientations, because each is packed for its own direction.
    Mixed {
        forward: Packed,
        backward: Packed,
    },
}

impl Frozen {
    pub(super) fn new(parts: &[&Tensor], precision: Precision) -> Self {
        let inputs = parts.first().map_or(0, |part| part.columns());
        let outputs = parts.iter().map(|part| part.rows()).sum();
        let mut weight = Vec::with_capacity(inputs * outputs);
        for part in parts {
            weight.extend(part.to_f32());
        }
        let form = match precision {
            Precision::Full => Form::Full(weight),
            Precision::Mixed => {
                let matrix = Matrix::new(&weight, outputs, inputs);
                Form::Mixed {
                    forward: Packed::new(matrix.transposed()),
                    backward: Packed::new(matrix),
                }
            }
        };
        Self {
            form,
            inputs,
            outputs,
        }
    }

    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// `out = x Wᵀ` or `out += x Wᵀ` for `x` `[tokens, inputs]`.
    pub(super) fn forward(&self, x: &[f32], out: &mut [f32], write: Write) {
        match &self.form {
            Form::Full(weight) => {
                let x = Matrix::new(x, x.len() / self.inputs, self.inputs);
                let weight = Matrix::new(weight, self.outputs, self.inputs).transposed();
                multiply((out, self.outputs), x, weight, (write, 1.0), Threads::All);
            }
            Form::Mixed { forward, .. } => forward.multiply(x, out, write),
        }
    }

    /// `dx = dy W` for `dy` `[tokens, outputs]`.
    pub(super) fn backward(&self, dy: &[f32], dx: &mut [f32]) {
        match &self.form {
            Form::Full(weight) => {
                let dy = Matrix::new(dy, dy.len() / self.outputs, self.outputs);
                let weight = Matrix::new(weight, self.outputs, self.inputs);
                multiply(
                    (dx, self.inputs),
                    dy,
                    weight,
                    (Write::Replace, 1.0),
                    Threads::All,
                );
            }
            Form::Mixed { backward, .. } => backward.multiply(dy, dx, Write::Replace),
        }
    }
}
