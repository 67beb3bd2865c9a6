//! Why something was not done with a case.

use super::case::WrongStatus;
use crate::{
    datasets::CommitOrStore,
    db::{CommitError, CorruptRow, StoreError},
    error::AppError,
    objects::ObjectError,
    policy::Denied,
};

/// Why something was not done with a case.
#[derive(Debug, thiserror::Error)]
pub enum ComplaintError {
    /// There is none, or the actor does not need to know of it.
    #[error("there is no such case")]
    NotFound,
    #[error("the form was sent before")]
    SentBefore,
    #[error("no institution runs the platform")]
    NoPlatform,
    #[error("it has more time already, or the time is over")]
    NoMoreTime,
    #[error("it is not clear who asks")]
    IdentityFirst,
    #[error("the documents changed meanwhile")]
    Changed,
    #[error("the personal details were deleted")]
    Forgotten,
    #[error(transparent)]
    WrongStatus(#[from] WrongStatus),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for ComplaintError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<CorruptRow> for ComplaintError {
    fn from(error: CorruptRow) -> Self {
        Self::Store(error.into())
    }
}

impl From<serde_json::Error> for ComplaintError {
    fn from(error: serde_json::Error) -> Self {
        Self::Commit(error.into())
    }
}

impl From<CommitOrStore> for ComplaintError {
    fn from(error: CommitOrStore) -> Self {
        match error {
            CommitOrStore::Store(why) => Self::Store(why),
            CommitOrStore::Commit(why) => Self::Commit(why),
        }
    }
}

impl From<ComplaintError> for AppError {
    fn from(error: ComplaintError) -> Self {
        match error {
            // Whoever does not handle a case is not told that there is one.
            ComplaintError::NotFound
            | ComplaintError::Denied(Denied::Role | Denied::OtherInstitution) => Self::NotFound,
            ComplaintError::Denied(why) => why.into(),
            ComplaintError::SentBefore => Self::conflict("complaint-sent-before"),
            ComplaintError::NoPlatform => {
                Self::Internal(anyhow::anyhow!("no institution runs the platform"))
            }
            ComplaintError::NoMoreTime => Self::conflict("complaint-no-more-time"),
            ComplaintError::IdentityFirst => Self::conflict("complaint-identity-first"),
            ComplaintError::Changed => Self::conflict("complaint-changed"),
            ComplaintError::Forgotten => Self::conflict("complaint-forgotten"),
            ComplaintError::WrongStatus(_) => Self::conflict("complaint-wrong-status"),
            ComplaintError::Objects(why) => why.into(),
            ComplaintError::Store(why) => why.into(),
            ComplaintError::Commit(why) => why.into(),
        }
    }
}
