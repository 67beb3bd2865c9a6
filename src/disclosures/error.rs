//! Why nothing was put on record, prepared or published.

use super::document::Missing;
use crate::{
    db::{CommitError, StoreError},
    error::{AppError, Say},
    policy::Denied,
};

/// Why a step with the documents of a model was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DisclosureError {
    #[error("there is no such model or document")]
    NotFound,
    #[error("{} facts are missing, the first is {}", .0.len(), .0.first().map_or("", |one| one.field.as_str()))]
    Incomplete(Vec<Missing>),
    #[error("it was decided on, or a newer version was prepared")]
    Decided,
    #[error("what the documents state has changed since they were prepared")]
    Changed,
    #[error("nothing has changed since the last version")]
    Unchanged,
    #[error("a modification below one third needs no decision")]
    NothingToDecide,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("a document cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for DisclosureError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<DisclosureError> for AppError {
    fn from(error: DisclosureError) -> Self {
        match error {
            DisclosureError::NotFound => Self::NotFound,
            DisclosureError::Incomplete(missing) => {
                let fields: Vec<_> = missing.iter().map(|one| one.field.as_str()).collect();
                Self::Conflict(
                    Say::new("disclosure-incomplete")
                        .with("count", missing.len())
                        .with("fields", fields.join(", ")),
                )
            }
            DisclosureError::Decided => Self::conflict("disclosure-decided"),
            DisclosureError::Changed => Self::conflict("disclosure-changed"),
            DisclosureError::Unchanged => Self::conflict("disclosure-unchanged"),
            DisclosureError::NothingToDecide => Self::conflict("disclosure-nothing-to-decide"),
            DisclosureError::Denied(why) => why.into(),
            DisclosureError::Json(why) => Self::Internal(why.into()),
            DisclosureError::Store(why) => why.into(),
            DisclosureError::Commit(why) => why.into(),
        }
    }
}
