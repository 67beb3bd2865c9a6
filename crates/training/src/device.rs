//! Whether a GPU helps, as the machine's settings ask for it.

use clap::ValueEnum;
use job_contract::{Recipe, Task};
use language_model::training_graph::{Device, DeviceError};

/// Where products with frozen weights are to be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeviceChoice {
    /// On an NVIDIA GPU where this build knows CUDA and one answers, else on the processor.
    Auto,
    /// On the processor.
    Cpu,
    /// On an NVIDIA GPU, or not at all.
    Cuda,
}

/// Why a GPU cannot help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceRefused {
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(
        "a GPU was asked for (--device cuda), but it multiplies by frozen weights only, and this task trains all of them: take --device cpu, or adapters (LoRA)"
    )]
    NothingFrozen,
}

/// The device for a task.
///
/// # Errors
/// [`DeviceRefused`] where a GPU is demanded and cannot help; with [`DeviceChoice::Auto`] the processor computes then.
pub fn find(choice: DeviceChoice, task: &Task, recipe: &Recipe) -> Result<Device, DeviceRefused> {
    // PyTorch's processes look for GPUs of their own, and need their memory.
    let is_own = matches!(recipe, Recipe::Own);
    let is_frozen = match task {
        Task::FineTuneLora { .. } | Task::Dpo { .. } | Task::Evaluate { .. } => true,
        Task::FineTuneFull { .. } | Task::Pretrain { .. } => false,
    };
    match choice {
        DeviceChoice::Cuda if is_own && is_frozen => Ok(Device::cuda()?),
        DeviceChoice::Cuda if is_own => Err(DeviceRefused::NothingFrozen),
        DeviceChoice::Auto if is_own && is_frozen => Ok(Device::cuda().unwrap_or_else(|why| {
            if why != DeviceError::NotBuilt {
                tracing::info!("computing on the processor: {why}");
            }
            Device::cpu()
        })),
        DeviceChoice::Auto | DeviceChoice::Cpu | DeviceChoice::Cuda => Ok(Device::cpu()),
    }
}
