//! Why something was not done about a withdrawal.

use crate::{
    db::{CommitError, StoreError},
    error::AppError,
    ids::{DatasetId, ModelId, WithdrawalId},
    jobs::JobError,
    policy::Denied,
};

/// Why something was not done about a withdrawal.
#[derive(Debug, thiserror::Error)]
pub enum WithdrawError {
    #[error("there is no dataset {0}")]
    NotFound(DatasetId),
    #[error("there is no withdrawal {0}")]
    UnknownWithdrawal(WithdrawalId),
    #[error("no permission counts, so there is none to withdraw")]
    NothingToWithdraw,
    #[error("what it touches changed since it was shown")]
    Changed,
    #[error("model {0} waits for no decision here")]
    NothingToDecide(ModelId),
    #[error("model {0} was not made anew without what was withdrawn")]
    NotMadeAnew(ModelId),
    #[error("another withdrawal keeps model {0} from use")]
    HeldElsewhere(ModelId),
    #[error("this was done, or the portal does it by itself")]
    NothingToEnd,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Jobs(#[from] JobError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl WithdrawError {
    /// Whether two transactions waited for each other and this one was given up: again is likely to do.
    pub(super) fn is_deadlock(&self) -> bool {
        let (Self::Store(StoreError::Database(error))
        | Self::Jobs(JobError::Store(StoreError::Database(error)))
        | Self::Commit(CommitError::Database(error))) = self
        else {
            return false;
        };
        // Postgres: deadlock_detected, serialization_failure.
        error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .is_some_and(|code| matches!(code.as_ref(), "40P01" | "40001"))
    }
}

impl From<sqlx::Error> for WithdrawError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<WithdrawError> for AppError {
    fn from(error: WithdrawError) -> Self {
        match error {
            WithdrawError::NotFound(_) | WithdrawError::UnknownWithdrawal(_) => Self::NotFound,
            WithdrawError::NothingToWithdraw => Self::conflict("withdrawal-nothing"),
            WithdrawError::Changed => Self::conflict("withdrawal-changed"),
            WithdrawError::NothingToDecide(_) => Self::conflict("withdrawal-nothing-to-decide"),
            WithdrawError::NotMadeAnew(_) => Self::conflict("withdrawal-not-made-anew"),
            WithdrawError::HeldElsewhere(_) => Self::conflict("withdrawal-held-elsewhere"),
            WithdrawError::NothingToEnd => Self::conflict("withdrawal-nothing-to-end"),
            WithdrawError::Denied(why) => why.into(),
            WithdrawError::Jobs(why) => why.into(),
            WithdrawError::Store(why) => why.into(),
            WithdrawError::Commit(why) => why.into(),
        }
    }
}
