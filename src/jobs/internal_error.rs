//! Why a program's call was not answered.

use super::error::JobError;
use crate::{
    db::{CommitError, StoreError},
    objects::ObjectError,
    policy::Denied,
};

/// Why a program's call was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The attempt is over, or never was: stop.
    #[error("the attempt has ended")]
    Ended,
    /// A rule says no: stop.
    #[error("the rules do not allow this")]
    Refused(Vec<String>),
    /// What was sent cannot be used.
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Job(#[from] JobError),
}

macro_rules! through_job_error {
    ($($from:ty),+ $(,)?) => {$(
        impl From<$from> for CallError {
            fn from(error: $from) -> Self {
                Self::Job(error.into())
            }
        }
    )+};
}

through_job_error!(sqlx::Error, StoreError, CommitError, ObjectError, Denied);
