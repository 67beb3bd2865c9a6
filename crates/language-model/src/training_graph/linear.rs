//! Projections: frozen ones, with low-rank adapters beside them or without, and ones that are trained whole.

use std::ops::Range;

use super::{
    adapted::Adapted,
    dense::{self, Dense},
    frozen::{Factor, Frozen, Precision},
    left::{Left, left_words},
    pool::Pool,
    product,
    profile::{Part, timed},
    right::{Packed, Right},
    stage::Place,
};
use crate::matrix::{Matrix, Write};

/// A matrix `[outputs, inputs]` as a pass reads it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Weight<'a> {
    Frozen(&'a Frozen),
    /// Changes with every step.
    Dense(Dense<'a>),
}

impl<'a> Weight<'a> {
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

    fn forward(self) -> Factor<'a> {
        match self {
            Self::Frozen(frozen) => frozen.forward(),
            Self::Dense(dense) => Factor::Here(dense.forward()),
        }
    }

    fn backward(self) -> Factor<'a> {
        match self {
            Self::Frozen(frozen) => frozen.backward(),
            Self::Dense(dense) => Factor::Here(dense.backward()),
        }
    }
}

/// What of a projection gets gradients.
#[derive(Debug, Clone)]
pub(super) enum Learns<'a> {
    Nothing,
    Adapter(Adapted<'a>),
    /// The matrix itself, whose gradient lies here.
    Matrix(Range<usize>),
}

/// A projection, and what of it is trained.
#[derive(Debug, Clone)]
pub(super) struct Linear<'a> {
    pub(super) weight: Weight<'a>,
    pub(super) learns: Learns<'a>,
    pub(super) precision: Precision,
}

impl Linear<'_> {
    pub(super) fn outputs(&self) -> usize {
        self.weight.outputs()
    }

    /// `out = x Wᵀ + scale (x Aᵀ) Bᵀ` (or added to `out`) for `x` `[tokens, inputs]`.
    ///
    /// Returns `scale x Aᵀ`, `[tokens, inner]`, which the backward pass needs.
    pub(super) fn forward(
        &self,
        x: &[f32],
        out: &mut [f32],
        write: Write,
        pool: &mut Pool,
    ) -> Vec<f32> {
        let inputs = self.weight.inputs();
        let seen = Matrix::new(x, x.len() / inputs, inputs);
        let mut words = pool.take(left_words(seen, self.precision));
        let packed = timed(Part::Forward, || {
            Left::pack(seen, self.precision, &mut words)
        });
        let place = Place {
            out,
            stride: self.weight.outputs(),
            write,
            scale: 1.0,
        };
        let narrow = match &self.learns {
            Learns::Adapter(adapted) if adapted.group.inner > 0 => {
                let (narrow, wide) = timed(Part::Adapters, || {
                    (
                        adapted.narrow(x, packed, pool),
                        adapted.wide(self.outputs(), self.precision, pool),
                    )
                });
                let inner = Matrix::new(&narrow, seen.rows(), adapted.group.inner);
                let mut words = pool.take(left_words(inner, self.precision));
                let left = Left::pack(inner, self.precision, &mut words);
                timed(Part::Forward, || {
                    let extra = Some((left, &wide));
                    multiply(place, (x, packed), self.weight.forward(), extra, pool);
                });
                pool.give([words, wide.into_buffer()]);
                narrow
            }
            Learns::Adapter(_) | Learns::Nothing | Learns::Matrix(_) => {
                timed(Part::Forward, || {
                    multiply(place, (x, packed), self.weight.forward(), None, pool);
                });
                Vec::new()
            }
        };
        pool.give([words]);
        narrow
    }

    /// Adds the gradients of what is trained to `gradients` and writes that of `x` where it is wanted.
    pub(super) fn backward(
        &self,
        dy: &[f32],
        (x, narrow): (&[f32], &[f32]),
        dx: Option<&mut [f32]>,
        gradients: &mut [f32],
        pool: &mut Pool,
    ) {
        let (inputs, outputs) = (self.weight.inputs(), self.weight.outputs());
        let matrix = Matrix::new(dy, dy.len() / outputs, outputs);
        if let Learns::Matrix(place) = &self.learns {
            let gradient = &mut gradients[place.clone()];
            timed(Part::WeightGradients, || {
                let factors = (dy, x);
                let shape = (outputs, inputs);
                dense::add_weight_gradient(gradient, shape, factors, self.precision, pool);
            });
        }
        let adapted = match &self.learns {
            Learns::Adapter(adapted) if adapted.group.inner > 0 => Some(adapted),
            Learns::Adapter(_) | Learns::Nothing | Learns::Matrix(_) => None,
        };
        let Some(adapted) = adapted else {
            if let Some(dx) = dx {
                timed(Part::Backward, || {
                    let mut place = place(dx, inputs);
                    let factor = self.weight.backward();
                    if let Some(right) = factor.or_on_device(dy, &mut place) {
                        product::multiply_in_stretches(place, matrix, right, self.precision, pool);
                    }
                });
            }
            return;
        };
        let mut words = pool.take(left_words(matrix, self.precision));
        let packed = timed(Part::Backward, || {
            Left::pack(matrix, self.precision, &mut words)
        });
        let d_narrow = timed(Part::Adapters, || {
            let d_narrow = adapted.d_narrow(packed, outputs, pool);
            adapted.add_gradients((dy, x), (narrow, &d_narrow), gradients, self, pool);
            d_narrow
        });
        if let Some(dx) = dx {
            self.input_gradient((dy, packed), adapted, &d_narrow, dx, pool);
        }
        pool.give([words, d_narrow]);
    }

    /// `dx = dy W`, and what comes through the adapters.
    fn input_gradient(
        &self,
        (dy, packed): (&[f32], Left<'_>),
        adapted: &Adapted<'_>,
        d_narrow: &[f32],
        dx: &mut [f32],
        pool: &mut Pool,
    ) {
        let (inputs, rows, precision) = (self.weight.inputs(), packed.rows, self.precision);
        let inner = Matrix::new(d_narrow, rows, adapted.group.inner);
        let mut words = pool.take(left_words(inner, precision));
        let left = Left::pack(inner, precision, &mut words);
        let a = adapted.a_packed(inputs, precision, pool);
        timed(Part::Backward, || {
            let extra = adapted.mask.is_none().then_some((left, &a));
            let factors = (dy, packed);
            multiply(
                place(dx, inputs),
                factors,
                self.weight.backward(),
                extra,
                pool,
            );
        });
        if let Some(mask) = adapted.mask {
            let mut through = pool.take(dx.len());
            let right = Right::Packed(&a);
            product::multiply(place(&mut through, inputs), left, right, None, pool);
            mask.apply(&through, inputs, dx, true);
            pool.give([through]);
        }
        pool.give([words, a.into_buffer()]);
    }
}

/// `x factor`, and the product of `extra` added to it; `packed` is `x`.
fn multiply(
    mut place: Place<'_>,
    (x, packed): (&[f32], Left<'_>),
    factor: Factor<'_>,
    extra: Option<(Left<'_>, &Packed)>,
    pool: &mut Pool,
) {
    match (factor.or_on_device(x, &mut place), extra) {
        (Some(right), extra) => product::multiply(place, packed, right, extra, pool),
        (None, Some((left, right))) => {
            place.write = Write::Add;
            product::multiply(place, left, Right::Packed(right), None, pool);
        }
        (None, None) => {}
    }
}

fn place(out: &mut [f32], stride: usize) -> Place<'_> {
    Place {
        out,
        stride,
        write: Write::Replace,
        scale: 1.0,
    }
}
