//! What the portal is told at the end.

use std::io;

use job_contract::{FailureCode, JobResult, Outcome};
use language_model::{OpenError, export::ExportError, training_graph::DeviceError};

use super::{portal::CallError, staging::StagingError, upload::UploadError};
use crate::{
    data::DataError,
    device::DeviceRefused,
    evaluation::{EvaluateError, SubjectError},
    methods::FreshError,
    settings::BadSettings,
    stop::Stop,
    training_loop::TrainError,
    work::WorkError,
};

/// What went wrong inside an attempt.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Staging(#[from] StagingError),
    #[error("the base model is missing or altered: {0}; ask the operator to add it again")]
    Base(#[source] StagingError),
    #[error("the checkpoint of step {step} cannot be read: {source}")]
    Checkpoint {
        step: u32,
        #[source]
        source: StagingError,
    },
    #[error(
        "the base model must be one GGUF file, or config.json, tokenizer.json and safetensors with plain names"
    )]
    BaseFiles,
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error(transparent)]
    Work(#[from] WorkError),
    #[error(transparent)]
    Settings(#[from] BadSettings),
    #[error("the work folder cannot be used: {0}")]
    Disk(#[from] io::Error),
    #[error(
        "memory ran out; a smaller batch or sequence length, recompute, or a machine with more memory would help"
    )]
    OutOfMemory,
    #[error("a part of the program stopped: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// What the portal is told, or why it is told nothing.
pub(super) fn outcome_of(result: Result<JobResult, RunError>) -> Result<Outcome, Stop> {
    let error = match result {
        Ok(result) => return Ok(Outcome::Succeeded(Box::new(result))),
        Err(error) => error,
    };
    tracing::error!(%error, "the attempt did not succeed");
    let code = match stop_of(&error) {
        Some(Stop::Cancelled(reason)) => {
            return Ok(Outcome::Cancelled {
                reason: reason.clone(),
            });
        }
        Some(Stop::Refused(_)) => FailureCode::Refused,
        Some(stop @ (Stop::Ended | Stop::Unreachable(_) | Stop::Terminated)) => {
            return Err(stop.clone());
        }
        None => code_of(&error),
    };
    let mut message = error.to_string();
    if code == FailureCode::OutOfMemory && !matches!(error, RunError::OutOfMemory) {
        message = format!("{message}; {}", RunError::OutOfMemory);
    }
    if code == FailureCode::DiskFull {
        message.push_str("; the disk is full: free some space, or use a machine with more");
    }
    Ok(Outcome::Failed { code, message })
}

/// The stop behind an error, where there is one.
fn stop_of(error: &RunError) -> Option<&Stop> {
    match error {
        RunError::Call(CallError::Stop(stop))
        | RunError::Staging(StagingError::Call(CallError::Stop(stop)))
        | RunError::Base(StagingError::Call(CallError::Stop(stop)))
        | RunError::Upload(UploadError::Call(CallError::Stop(stop)))
        | RunError::Work(
            WorkError::Train(TrainError::Stopped(stop))
            | WorkError::Evaluation(EvaluateError::Stopped(stop)),
        ) => Some(stop),
        _ => None,
    }
}

fn code_of(error: &RunError) -> FailureCode {
    match error {
        RunError::Base(StagingError::Disk { source, .. })
        | RunError::Staging(StagingError::Disk { source, .. })
        | RunError::Upload(UploadError::Disk { source, .. })
        | RunError::Work(
            WorkError::Disk { source, .. } | WorkError::Export(ExportError::Disk { source, .. }),
        )
        | RunError::Work(WorkError::Train(TrainError::Checkpoint(source)))
        | RunError::Work(WorkError::Data(DataError::Io { source, .. }))
        | RunError::Disk(source) => by_disk(source),
        RunError::Work(WorkError::Model(OpenError::Io { source, .. }))
            if source.kind() == io::ErrorKind::OutOfMemory =>
        {
            FailureCode::OutOfMemory
        }
        RunError::Base(_) => FailureCode::BaseAltered,
        RunError::Checkpoint { .. } => FailureCode::CheckpointDamaged,
        RunError::Staging(StagingError::HashMismatch { .. } | StagingError::Altered { .. }) => {
            FailureCode::HashMismatch
        }
        RunError::OutOfMemory => FailureCode::OutOfMemory,
        RunError::Work(
            WorkError::Data(_)
            | WorkError::Fresh(FreshError::Data(_))
            | WorkError::Evaluation(EvaluateError::Data(_)),
        ) => FailureCode::BadData,
        RunError::Work(WorkError::DoesNotFit(_)) => FailureCode::DoesNotFit,
        RunError::Work(
            WorkError::Device(DeviceRefused::Device(error))
            | WorkError::Evaluation(EvaluateError::Subject(SubjectError::Device(error))),
        ) => by_device(error),
        RunError::Work(
            WorkError::Settings(_)
            | WorkError::Model(_)
            | WorkError::NoBase
            | WorkError::NeedlessBase
            | WorkError::Device(DeviceRefused::NothingFrozen)
            | WorkError::Fresh(_)
            | WorkError::Evaluation(_)
            | WorkError::Train(TrainError::Diverged(_)),
        )
        | RunError::Settings(_)
        | RunError::BaseFiles => FailureCode::BadSettings,
        RunError::Work(WorkError::Train(_) | WorkError::Export(_) | WorkError::Recipe(_))
        | RunError::Call(_)
        | RunError::Staging(_)
        | RunError::Upload(_)
        | RunError::Thread(_) => FailureCode::Internal,
    }
}

fn by_device(error: &DeviceError) -> FailureCode {
    match error {
        DeviceError::DoesNotFit { .. } => FailureCode::DoesNotFit,
        // What the machine has, not what the job asks for.
        DeviceError::NotBuilt
        | DeviceError::NoDriver
        | DeviceError::DriverTooOld { .. }
        | DeviceError::NoDevice
        | DeviceError::NoLibrary
        | DeviceError::LibraryTooNew { .. }
        | DeviceError::DeviceTooOld { .. }
        | DeviceError::TooWide { .. }
        | DeviceError::Failed { .. } => FailureCode::Internal,
    }
}

fn by_disk(source: &io::Error) -> FailureCode {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            FailureCode::DiskFull
        }
        io::ErrorKind::OutOfMemory => FailureCode::OutOfMemory,
        _ => FailureCode::Internal,
    }
}
