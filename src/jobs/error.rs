//! Why something was not done with a job.

use crate::{
    datasets::Decision,
    db::{CommitError, CorruptRow, StoreError},
    error::AppError,
    ids::{DatasetVersionId, JobId, ModelId},
    objects::ObjectError,
    policy::Denied,
};

use super::{memory::DoesNotFit, status::WrongStatus};

/// Why something was not done with a job.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("there is no job {0}")]
    NotFound(JobId),
    #[error("there is no dataset version {0}")]
    UnknownVersion(DatasetVersionId),
    /// Documents had to go; the next version is without them.
    #[error("dataset version {0} has a successor without documents that had to go")]
    Superseded(DatasetVersionId),
    #[error("the base model is not known or not released")]
    UnknownBase,
    #[error("there is no compute place of that name")]
    UnknownPlace,
    /// What the rules say to each dataset version; at least one of them no.
    #[error("a dataset may not be used for this")]
    NotPermitted(Vec<(DatasetVersionId, Decision)>),
    /// No place has the memory for it.
    #[error(transparent)]
    DoesNotFit(#[from] DoesNotFit),
    #[error("there is no model {0}")]
    UnknownModel(ModelId),
    /// The model is being measured.
    #[error("an evaluation of this model is under way")]
    UnderWay,
    #[error(transparent)]
    WrongStatus(#[from] WrongStatus),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error(transparent)]
    Register(#[from] crate::models::RegisterError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for JobError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<CorruptRow> for JobError {
    fn from(error: CorruptRow) -> Self {
        Self::Store(error.into())
    }
}

impl From<JobError> for AppError {
    fn from(error: JobError) -> Self {
        match error {
            JobError::NotFound(_) | JobError::UnknownVersion(_) | JobError::UnknownModel(_) => {
                Self::NotFound
            }
            JobError::Superseded(_) => Self::conflict("jobs-version-superseded"),
            JobError::UnknownBase => Self::invalid("jobs-unknown-base"),
            JobError::UnknownPlace => Self::invalid("jobs-unknown-place"),
            JobError::NotPermitted(_) => Self::invalid("jobs-not-permitted"),
            JobError::DoesNotFit(why) => Self::Invalid(why.say()),
            JobError::UnderWay => Self::conflict("evaluation-under-way"),
            JobError::WrongStatus(_) => Self::conflict("jobs-wrong-status"),
            JobError::Denied(why) => why.into(),
            JobError::Objects(why) => why.into(),
            JobError::Store(why) => why.into(),
            JobError::Commit(why) => why.into(),
            JobError::Register(why) => Self::Internal(why.into()),
        }
    }
}
