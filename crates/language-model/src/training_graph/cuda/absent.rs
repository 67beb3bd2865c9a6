//! What stands in for CUDA in a build without it: types that no value can have, so that nothing else asks.

use std::sync::Arc;

use super::{device::DeviceError, frozen::Precision};
use crate::matrix::Write;

/// A GPU, of which this build can have none.
#[derive(Debug)]
pub(super) enum Gpu {}

impl Gpu {
    pub(super) fn open() -> Result<Self, DeviceError> {
        Err(DeviceError::NotBuilt)
    }

    pub(super) fn name(&self) -> &str {
        match *self {}
    }

    pub(super) fn failure(&self) -> Option<DeviceError> {
        match *self {}
    }

    pub(super) fn check_room(&self, _needs: u64) -> Result<(), DeviceError> {
        match *self {}
    }
}

/// A matrix on a GPU, of which this build can have none.
#[derive(Debug)]
pub enum OnDevice {}

impl OnDevice {
    pub(super) fn new(
        gpu: &Arc<Gpu>,
        _weight: &[f32],
        _shape: (usize, usize),
        _precision: Precision,
    ) -> Result<Self, DeviceError> {
        match **gpu {}
    }

    pub(super) fn inputs(&self) -> usize {
        match *self {}
    }

    pub(super) fn outputs(&self) -> usize {
        match *self {}
    }

    pub(super) fn forward(
        &self,
        _x: &[f32],
        _out: &mut [f32],
        _write: Write,
    ) -> Result<(), DeviceError> {
        match *self {}
    }

    pub(super) fn backward(
        &self,
        _dy: &[f32],
        _out: &mut [f32],
        _write: Write,
    ) -> Result<(), DeviceError> {
        match *self {}
    }
}
