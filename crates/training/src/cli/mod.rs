//! The commands, their arguments, and how they end.

mod estimate;
mod evaluate;
mod finetune;
mod merge;
mod pretrain;
mod run;
mod settings;

use std::{path::PathBuf, process::ExitCode};

use job_contract::ExitCode as JobExit;
use language_model::training_graph::Precision;
use training::{device::DeviceChoice, stop::Stop};

pub(crate) use self::{
    estimate::EstimateArguments, evaluate::EvaluateArguments, finetune::FinetuneArguments,
    merge::MergeArguments, pretrain::PretrainArguments, run::RunArguments,
};

/// What the machine is to be used for.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// How exactly to multiply where the settings leave it open.
    pub(crate) precision: Precision,
    pub(crate) device: DeviceChoice,
    /// Bytes of memory that may be used; none: as many as are free.
    pub(crate) memory: Option<u64>,
    /// A Python with PyTorch, for several processes.
    pub(crate) python: PathBuf,
}

/// Exit code of a process that ended because of SIGTERM, as shells count.
pub(crate) const TERMINATED: u8 = 128 + 15;

pub(crate) fn job_exit(code: JobExit) -> ExitCode {
    ExitCode::from(code as u8)
}

pub(crate) fn stop_exit(stop: &Stop) -> ExitCode {
    match stop {
        Stop::Cancelled(_) | Stop::Ended => job_exit(JobExit::Cancelled),
        Stop::Refused(_) => job_exit(JobExit::Failed),
        Stop::Unreachable(_) => job_exit(JobExit::Unreachable),
        Stop::Terminated => ExitCode::from(TERMINATED),
    }
}
