//! Matrices that never change, in the form in which they multiply fastest.

use super::{
    cuda::OnDevice,
    device::{Device, DeviceError},
    kernels::has_bf16,
    right::{Packed, Right},
    stage::Place,
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
pub(super) enum Frozen {
    /// The transpose, `[inputs, outputs]`.
    Packed(Packed),
    OnDevice(OnDevice),
}

/// A right factor, and who multiplies by it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Factor<'a> {
    Here(Right<'a>),
    /// `Wᵀ`.
    Forward(&'a OnDevice),
    /// `W`.
    Backward(&'a OnDevice),
}

impl<'a> Factor<'a> {
    /// The factor, if the product with `x` is left to the processor; else a device has written it to its place, whose
    /// rows lie side by side, without a scale.
    pub(super) fn or_on_device(self, x: &[f32], place: &mut Place<'_>) -> Option<Right<'a>> {
        let (out, write) = (&mut *place.out, place.write);
        debug_assert!(place.scale == 1.0, "frozen weights multiply as they are");
        let done = match self {
            Self::Here(right) => return Some(right),
            Self::Forward(matrix) => matrix.forward(x, out, write),
            Self::Backward(matrix) => matrix.backward(x, out, write),
        };
        // The device keeps its first failure, and whoever ran the pass asks for it.
        drop(done);
        None
    }
}

impl Frozen {
    /// For the processor.
    pub(super) fn packed(parts: &[&Tensor], precision: Precision) -> Self {
        Self::pack(&joined(parts), shape(parts), precision)
    }

    /// Where `device` says.
    pub(super) fn on(
        device: &Device,
        parts: &[&Tensor],
        precision: Precision,
    ) -> Result<Self, DeviceError> {
        let (weight, shape) = (joined(parts), shape(parts));
        let held = device.hold(&weight, shape, precision)?;
        Ok(held.map_or_else(|| Self::pack(&weight, shape, precision), Self::OnDevice))
    }

    fn pack(weight: &[f32], (outputs, inputs): (usize, usize), precision: Precision) -> Self {
        let matrix = Matrix::new(weight, outputs, inputs).transposed();
        Self::Packed(Packed::new(matrix, precision))
    }

    pub(super) fn inputs(&self) -> usize {
        match self {
            Self::Packed(packed) => packed.inner,
            Self::OnDevice(matrix) => matrix.inputs(),
        }
    }

    pub(super) fn outputs(&self) -> usize {
        match self {
            Self::Packed(packed) => packed.columns,
            Self::OnDevice(matrix) => matrix.outputs(),
        }
    }

    /// `Wᵀ`, from the right of `x`.
    pub(super) fn forward(&self) -> Factor<'_> {
        match self {
            Self::Packed(packed) => Factor::Here(Right::Packed(packed)),
            Self::OnDevice(matrix) => Factor::Forward(matrix),
        }
    }

    /// `W`, from the right of `dy`.
    pub(super) fn backward(&self) -> Factor<'_> {
        match self {
            Self::Packed(packed) => Factor::Here(Right::Transposed(packed)),
            Self::OnDevice(matrix) => Factor::Backward(matrix),
        }
    }
}

/// `[outputs, inputs]` of projections one under the other.
pub(super) fn shape(parts: &[&Tensor]) -> (usize, usize) {
    let inputs = parts.first().map_or(0, |part| part.columns());
    (parts.iter().map(|part| part.rows()).sum(), inputs)
}

fn joined(parts: &[&Tensor]) -> Vec<f32> {
    let (outputs, inputs) = shape(parts);
    let mut weight = Vec::with_capacity(inputs * outputs);
    for part in parts {
        weight.extend(part.to_f32());
        part.forget_pages();
    }
    weight
}
