//! Products with matrices that change at every step.

use super::{
    frozen::Precision,
    left::{Left, left_words},
    pool::Pool,
    product::multiply,
    right::Right,
    stage::Place,
};
use crate::matrix::{Matrix, Write};

/// A matrix `[outputs, inputs]` in f32 that changes at every step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dense<'a> {
    pub(super) weight: &'a [f32],
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl<'a> Dense<'a> {
    fn matrix(self) -> Matrix<'a> {
        Matrix::new(self.weight, self.outputs, self.inputs)
    }

    /// `Wᵀ`, from the right of `x`.
    pub(super) fn forward(self) -> Right<'a> {
        Right::Matrix(self.matrix().transposed())
    }

    /// `W`, from the right of `dy`.
    pub(super) fn backward(self) -> Right<'a> {
        Right::Matrix(self.matrix())
    }
}

/// `gradient += dyᵀ x` for `dy` `[tokens, outputs]` and `x` `[tokens, inputs]`; `gradient` is `[outputs, inputs]`.
pub(super) fn add_weight_gradient(
    gradient: &mut [f32],
    (outputs, inputs): (usize, usize),
    (dy, x): (&[f32], &[f32]),
    precision: Precision,
    pool: &mut Pool,
) {
    let tokens = x.len() / inputs;
    let dy = Matrix::new(dy, tokens, outputs).transposed();
    let x = Matrix::new(x, tokens, inputs);
    let mut words = pool.take(left_words(dy, precision));
    let left = Left::pack(dy, precision, &mut words);
    let place = Place {
        out: gradient,
        stride: inputs,
        write: Write::Add,
        scale: 1.0,
    };
    multiply(place, left, Right::Matrix(x), None, pool);
    pool.give([words]);
}
