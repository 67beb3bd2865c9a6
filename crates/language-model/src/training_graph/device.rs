//! Where the products with frozen weights are computed.

use std::{fmt, sync::Arc};

use super::{
    cuda::{Gpu, OnDevice},
    frozen::Precision,
};

/// The processor, or an NVIDIA GPU that holds frozen weights and multiplies by them. Everything else is computed by
/// the processor in any case.
#[derive(Debug, Clone)]
pub struct Device(Option<Arc<Gpu>>);

impl Device {
    /// The processor.
    pub fn cpu() -> Self {
        Self(None)
    }

    /// The first GPU that the driver shows; `CUDA_VISIBLE_DEVICES` chooses among several.
    ///
    /// # Errors
    /// [`DeviceError`] where this build has no CUDA, or driver, library or GPU are missing or too old.
    pub fn cuda() -> Result<Self, DeviceError> {
        Ok(Self(Some(Arc::new(Gpu::open()?))))
    }

    /// True for a GPU.
    pub fn is_cuda(&self) -> bool {
        self.0.is_some()
    }

    /// Puts a matrix `[outputs, inputs]`, row-major, on the GPU; none where this is the processor.
    ///
    /// # Errors
    /// [`DeviceError`] where the GPU does not take it.
    pub fn hold(
        &self,
        weight: &[f32],
        shape: (usize, usize),
        precision: Precision,
    ) -> Result<Option<OnDevice>, DeviceError> {
        let gpu = self.0.as_ref();
        gpu.map(|gpu| OnDevice::new(gpu, weight, shape, precision))
            .transpose()
    }

    /// Whether matrices of these shapes fit beside what is there already.
    pub(super) fn check_room(
        &self,
        shapes: impl Iterator<Item = (usize, usize)>,
        precision: Precision,
    ) -> Result<(), DeviceError> {
        let Some(gpu) = &self.0 else {
            return Ok(());
        };
        gpu.check_room(shapes.map(|shape| bytes(shape, precision)).sum())
    }

    /// Why a product was not computed; what came out since is worth nothing.
    pub(super) fn failure(&self) -> Option<DeviceError> {
        self.0.as_ref()?.failure()
    }
}

/// Names the device and all that decides how it rounds.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("the processor"),
            Some(gpu) => f.write_str(gpu.name()),
        }
    }
}

/// What a dimension is filled up to with zeros: 16 bytes of bfloat16, so that no shape meets rules of alignment.
pub(super) fn padded(dimension: usize) -> usize {
    dimension.next_multiple_of(8)
}

/// Bytes of a matrix on a device.
fn bytes((outputs, inputs): (usize, usize), precision: Precision) -> u64 {
    let each = match precision {
        Precision::Full => 4,
        Precision::Mixed => 2,
    };
    padded(outputs) as u64 * padded(inputs) as u64 * each
}

/// Why a GPU cannot be used. Versions are CUDA's: 12040 is 12.4.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    #[error("this build has no CUDA; build with --features cuda")]
    NotBuilt,
    #[error(
        "there is no NVIDIA driver here: libcuda.so.1 cannot be loaded. Install one for CUDA 12.0 or later, or compute on the processor (--device cpu)"
    )]
    NoDriver,
    #[error(
        "the NVIDIA driver here is for CUDA {}, and 12.0 or later is needed. Install a newer one, or compute on the processor (--device cpu)",
        version(*has)
    )]
    DriverTooOld {
        /// What the driver says.
        has: u32,
    },
    #[error("the NVIDIA driver shows no GPU here (CUDA_VISIBLE_DEVICES may hide it)")]
    NoDevice,
    #[error(
        "cuBLASLt cannot be loaded: neither libcublasLt.so.13 nor .12 is found. Install CUDA's libraries, or name their folder in LD_LIBRARY_PATH"
    )]
    NoLibrary,
    #[error(
        "cuBLASLt here is of CUDA {}, and the driver is for CUDA {}. Install a newer driver, or name the folder of an older library in LD_LIBRARY_PATH",
        version(*library),
        version(*driver)
    )]
    LibraryTooNew {
        /// What cuBLASLt says.
        library: u32,
        /// What the driver says.
        driver: u32,
    },
    #[error(
        "{name} has compute capability {major}.{minor}, and 8.0 or later is needed for bfloat16. Compute on the processor (--device cpu)"
    )]
    DeviceTooOld {
        /// The GPU's name.
        name: String,
        /// Of its compute capability.
        major: i32,
        /// Of its compute capability.
        minor: i32,
    },
    #[error(
        "{:.2} GB more are needed on the GPU, for frozen weights or for rows on their way, and {:.2} GB are free there: end what else runs on it, take sixteen bits (--precision mixed) or a smaller model, compute on the processor (--device cpu), or share the model out over several GPUs with the torchrun recipe (--torchrun N --fsdp)",
        *needs as f64 / 1e9,
        *free as f64 / 1e9
    )]
    DoesNotFit {
        /// In bytes.
        needs: u64,
        /// In bytes.
        free: u64,
    },
    #[error("a matrix of {outputs} by {inputs} is wider than what is copied to the GPU at once")]
    TooWide {
        /// Rows.
        outputs: usize,
        /// Columns.
        inputs: usize,
    },
    #[error("the GPU failed while {doing}: {problem}")]
    Failed {
        /// What it was asked for.
        doing: &'static str,
        /// What it said.
        problem: String,
    },
}

pub(super) fn version(number: u32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_what_is_there_and_what_to_do() {
        let old = DeviceError::DriverTooOld { has: 11040 }.to_string();
        assert!(old.contains("for CUDA 11.4, and 12.0 or later"), "{old}");
        let new = DeviceError::LibraryTooNew {
            library: 13000,
            driver: 12080,
        };
        let new = new.to_string();
        assert!(
            new.contains("of CUDA 13.0, and the driver is for CUDA 12.8"),
            "{new}"
        );
        let large = DeviceError::DoesNotFit {
            needs: 14_500_000_000,
            free: 8_000_000_000,
        };
        let large = large.to_string();
        assert!(
            large.contains("14.50 GB more are needed on the GPU")
                && large.contains("and 8.00 GB are free there"),
            "{large}"
        );
        assert!(large.contains("--device cpu"), "{large}");
    }

    #[test]
    fn weights_are_counted_as_they_lie_on_the_gpu() {
        assert_eq!(bytes((960, 576), Precision::Mixed), 960 * 576 * 2);
        assert_eq!(bytes((271, 30), Precision::Full), 272 * 32 * 4);
    }
}
