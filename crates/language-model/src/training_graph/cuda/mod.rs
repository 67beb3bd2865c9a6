//! Products with frozen weights on an NVIDIA GPU, by cuBLASLt.
//!
//! An offload, not a trainer on the GPU: the weights lie there, rows are copied in and products out, and everything
//! else stays with the processor. Driver and library are loaded when a GPU is asked for, so a build needs neither.

mod blas;
mod matrix;

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use cudarc::{
    cublaslt::{result::CublasError, sys as cublas},
    driver::{CudaContext, CudaSlice, CudaStream, DriverError, PinnedHostSlice, sys},
};

use self::blas::Blas;
pub use self::matrix::OnDevice;
use super::{device, device::DeviceError, frozen::Precision};

/// The driver must be for this version of CUDA at least: 12.0.
const OLDEST_DRIVER: u32 = 12_000;
/// The first with bfloat16 in its tensor cores.
const OLDEST_CAPABILITY: (i32, i32) = (8, 0);
/// Words of 32 bits that are copied at once, each way: 64 MB.
const STAGED_WORDS: usize = 1 << 24;
/// Memory of the GPU that products take beside the weights.
const WORK_BYTES: u64 = 2 * 4 * STAGED_WORDS as u64 + blas::WORKSPACE_BYTES as u64;

/// A GPU that has answered.
pub(super) struct Gpu {
    name: String,
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    /// What no product is using.
    idle: Mutex<Vec<Work>>,
    /// The first failure. After it nothing is computed any more.
    failure: OnceLock<DeviceError>,
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gpu")
            .field("name", &self.name)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

/// What one product needs at a time. The memory on this side is locked in place, or the GPU could not read and write
/// it at full speed.
struct Work {
    blas: Blas,
    /// Rows on their way in: singles, or pairs of bfloat16.
    sent: PinnedHostSlice<u32>,
    received: PinnedHostSlice<f32>,
    input: CudaSlice<u32>,
    output: CudaSlice<f32>,
}

impl Gpu {
    /// Loads driver and library, and takes the first GPU.
    pub(super) fn open() -> Result<Self, DeviceError> {
        let driver = load_driver()?;
        let library = load_library(driver)?;
        let context = CudaContext::new(0).map_err(failed("opening it"))?;
        let asking = failed("asking what it is");
        let name = context.name().map_err(&asking)?;
        let (major, minor) = context.compute_capability().map_err(&asking)?;
        if (major, minor) < OLDEST_CAPABILITY {
            return Err(DeviceError::DeviceTooOld { name, major, minor });
        }
        let gpu = Self {
            name: format!(
                "{name} (compute capability {major}.{minor}, driver for CUDA {}, cuBLASLt {library})",
                device::version(driver)
            ),
            stream: context.default_stream(),
            context,
            idle: Mutex::default(),
            failure: OnceLock::new(),
        };
        let free = gpu.free()?;
        if free < WORK_BYTES {
            return Err(DeviceError::DoesNotFit {
                needs: WORK_BYTES,
                free,
            });
        }
        let work = gpu.new_work()?;
        gpu.put_back(work);
        Ok(gpu)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn failure(&self) -> Option<DeviceError> {
        self.failure.get().cloned()
    }

    /// Whether so many bytes are free.
    pub(super) fn check_room(&self, needs: u64) -> Result<(), DeviceError> {
        let free = self.free()?;
        if needs <= free {
            return Ok(());
        }
        Err(DeviceError::DoesNotFit { needs, free })
    }

    fn free(&self) -> Result<u64, DeviceError> {
        let (free, _) = self
            .context
            .mem_get_info()
            .map_err(failed("asking for its free memory"))?;
        Ok(free as u64)
    }

    /// Copies numbers that stay.
    fn keep(&self, words: &[u32]) -> Result<CudaSlice<u32>, DeviceError> {
        let copying = failed("taking frozen weights");
        let kept = self.stream.clone_htod(words).map_err(&copying)?;
        // Until then the driver may still be reading them.
        self.stream.synchronize().map_err(&copying)?;
        Ok(kept)
    }

    /// Lends what a product needs. Not by a lock that is held meanwhile: a thread of the pool that waits for others
    /// may take up work that wants the same lock.
    fn with_work(
        &self,
        product: impl FnOnce(&mut Work) -> Result<(), DeviceError>,
    ) -> Result<(), DeviceError> {
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        let idle = self.idle().pop();
        let done = idle
            .map_or_else(|| self.new_work(), Ok)
            .and_then(|mut work| {
                product(&mut work)?;
                self.put_back(work);
                Ok(())
            });
        if let Err(failure) = &done {
            // Another thread's failure may have come first; one is enough.
            let _ = self.failure.set(failure.clone());
        }
        done
    }

    fn put_back(&self, work: Work) {
        self.idle().push(work);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Work>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_work(&self) -> Result<Work, DeviceError> {
        let setting_up = failed("setting memory aside");
        let stream = &self.stream;
        #[expect(unsafe_code, reason = "memory comes as it was left")]
        // SAFETY: any bits are numbers of these types, and what is read was written before: by this program, or by the
        // product that `output` is for. `received` and `output` are filled first, all the same.
        let (sent, received) = unsafe {
            (
                self.context.alloc_pinned_with_flags(STAGED_WORDS, 0),
                self.context.alloc_pinned_with_flags(STAGED_WORDS, 0),
            )
        };
        let mut sent: PinnedHostSlice<u32> = sent.map_err(&setting_up)?;
        let mut received: PinnedHostSlice<f32> = received.map_err(&setting_up)?;
        sent.as_mut_slice().map_err(&setting_up)?.fill(0);
        received.as_mut_slice().map_err(&setting_up)?.fill(0.0);
        Ok(Work {
            blas: Blas::new(stream)?,
            sent,
            received,
            input: stream.alloc_zeros(STAGED_WORDS).map_err(&setting_up)?,
            output: stream.alloc_zeros(STAGED_WORDS).map_err(&setting_up)?,
        })
    }
}

/// Loads the driver; returns the version of CUDA that it is for.
fn load_driver() -> Result<u32, DeviceError> {
    #[expect(unsafe_code, reason = "loading a library runs its initialisers")]
    // SAFETY: the NVIDIA driver's library may be loaded by any program.
    let is_there = unsafe { sys::is_culib_present() };
    if !is_there {
        return Err(DeviceError::NoDriver);
    }
    let mut version = 0;
    #[expect(unsafe_code, reason = "a call into the driver")]
    // SAFETY: the call writes one number, to a place for one, and may come before `cuInit`.
    let asked = unsafe { sys::cuDriverGetVersion(&raw mut version) };
    asked.result().map_err(failed("asking for its version"))?;
    let version = u32::try_from(version).unwrap_or(0);
    if version < OLDEST_DRIVER {
        return Err(DeviceError::DriverTooOld { has: version });
    }
    let none = DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE);
    match CudaContext::device_count() {
        Err(error) if error == none => Err(DeviceError::NoDevice),
        Err(error) => Err(failed("starting")(error)),
        Ok(0) => Err(DeviceError::NoDevice),
        Ok(_) => Ok(version),
    }
}

/// Loads cuBLASLt; returns its version in words.
fn load_library(driver: u32) -> Result<String, DeviceError> {
    #[expect(unsafe_code, reason = "loading a library runs its initialisers")]
    // SAFETY: cuBLASLt may be loaded by any program.
    let is_there = unsafe { cublas::is_culib_present() };
    if !is_there {
        return Err(DeviceError::NoLibrary);
    }
    #[expect(unsafe_code, reason = "calls into cuBLASLt")]
    // SAFETY: the calls take nothing and return a number each.
    let (cuda, own) = unsafe {
        (
            cublas::cublasLtGetCudartVersion(),
            cublas::cublasLtGetVersion(),
        )
    };
    let library = u32::try_from(cuda).unwrap_or(0);
    // Within a major version libraries go with older drivers.
    if library / 1000 > driver / 1000 {
        return Err(DeviceError::LibraryTooNew { library, driver });
    }
    Ok(own.to_string())
}

fn failed(doing: &'static str) -> impl Fn(DriverError) -> DeviceError {
    move |error| DeviceError::Failed {
        doing,
        problem: match error.error_string() {
            Ok(words) => words.to_string_lossy().into_owned(),
            Err(_) => format!("{:?}", error.0),
        },
    }
}

fn failed_product(error: CublasError) -> DeviceError {
    DeviceError::Failed {
        doing: "multiplying",
        problem: error.to_string(),
    }
}
