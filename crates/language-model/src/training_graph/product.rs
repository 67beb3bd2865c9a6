//! Products with matrices that change at every step, and their gradients.

use super::{bf16::Packed, frozen::Precision};
use crate::matrix::{Matrix, Threads, Write, multiply};

/// A matrix `[outputs, inputs]` in f32.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dense<'a> {
    pub(super) weight: &'a [f32],
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) precision: Precision,
}

impl Dense<'_> {
    /// `out = x Wᵀ` or `out += x Wᵀ` for `x` `[tokens, inputs]`.
    pub(super) fn forward(self, x: &[f32], out: &mut [f32], write: Write) {
        let weight = Matrix::new(self.weight, self.outputs, self.inputs).transposed();
        self.product(x, weight, out, write);
    }

    /// `dx = dy W` for `dy` `[tokens, outputs]`.
    pub(super) fn backward(self, dy: &[f32], dx: &mut [f32]) {
        let weight = Matrix::new(self.weight, self.outputs, self.inputs);
        self.product(dy, weight, dx, Write::Replace);
    }

    fn product(self, a: &[f32], b: Matrix<'_>, out: &mut [f32], write: Write) {
        if a.is_empty() {
            return;
        }
        match self.precision {
            Precision::Full => {
                let a = Matrix::new(a, a.len() / b.rows(), b.rows());
                multiply((out, b.columns()), a, b, (write, 1.0), Threads::All);
            }
            Precision::Mixed => Packed::new(b).multiply(a, out, write),
        }
    }
}

/// `gradient += dyᵀ x` for `dy` `[tokens, outputs]` and `x` `[tokens, inputs]`; `gradient` is `[outputs, inputs]`.
pub(super) fn add_weight_gradient(
    gradient: &mut [f32],
    (outputs, inputs): (usize, usize),
    (dy, x): (&[f32], &[f32]),
    precision: Precision,
) {
    let tokens = x.len() / inputs;
    if tokens == 0 {
        return;
    }
    let dy = Matrix::new(dy, tokens, outputs);
    let x = Matrix::new(x, tokens, inputs);
    match precision {
        Precision::Full => multiply(
            (gradient, inputs),
            dy.transposed(),
            x,
            (Write::Add, 1.0),
            Threads::All,
        ),
        Precision::Mixed => Packed::new(x).multiply_matrix(dy.transposed(), gradient, Write::Add),
    }
}
