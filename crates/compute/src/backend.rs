//! What every backend can do.

use std::{fmt, io};

use async_trait::async_trait;

use crate::Launch;

/// Where a program runs.
#[async_trait]
pub trait ComputeBackend: Send + Sync {
    /// A short name, as shown to people and kept in the database.
    fn name(&self) -> &'static str;

    /// Starts the program, or finds it where this attempt was started already.
    ///
    /// May be called any number of times for one attempt, also by several portals at once: the program starts once.
    ///
    /// # Errors
    /// [`ComputeError::Refused`] where it will never start, [`ComputeError::Unreachable`] where it may have been.
    async fn submit(&self, launch: &Launch) -> Result<Handle, ComputeError>;

    /// How the program stands; [`JobStatus::Unknown`] where the backend has no trace of it.
    ///
    /// # Errors
    /// [`ComputeError`] where the backend cannot tell.
    async fn status(&self, handle: &Handle) -> Result<JobStatus, ComputeError>;

    /// Stops the program and all it started; returns when they are gone. One that is gone already is no error.
    ///
    /// Asks first and forces after a time of grace, so this may take that time.
    ///
    /// # Errors
    /// [`ComputeError`] where it may still run.
    async fn cancel(&self, handle: &Handle) -> Result<(), ComputeError>;
}

/// What a backend calls a started program: the attempt id here, a job id on Slurm.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Handle(pub String);

impl fmt::Display for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// How a program stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStatus {
    /// Accepted, and waiting for room.
    Pending,
    /// Runs.
    Running,
    /// Ran and ended.
    Ended {
        /// What it returned; 128 + n where signal n ended it; 124 where it ran over its time limit.
        exit_code: i32,
    },
    /// There is no trace of it: it was never started.
    Unknown,
}

/// Why a backend could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    /// Trying again later may help.
    #[error("the compute backend could not be reached")]
    Unreachable(#[source] io::Error),
    /// Trying again will not help.
    #[error("the compute backend refused: {0}")]
    Refused(Refusal),
}

/// What is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The program is not there, not a file, not executable or not named by an absolute path.
    #[error("{0} is not a program that can be run")]
    Program(String),
    /// A name that a shell would not pass on, or a value with a NUL.
    #[error("the environment variable {0:?} cannot be passed on")]
    Environment(String),
    /// An argument with a NUL.
    #[error("an argument cannot be passed on")]
    Argument,
    /// A time limit of less than a second or more than a year.
    #[error("the time limit must be between a second and a year")]
    TimeLimit,
    /// Not a handle of this backend.
    #[error("{0:?} is not a handle of this backend")]
    Handle(String),
}

impl From<Refusal> for ComputeError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
