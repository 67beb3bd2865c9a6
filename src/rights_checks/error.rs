//! What the verbs of rights checks fail with.

use chrono::{DateTime, Utc};

use super::address::Refused;
use crate::{
    db::{CommitError, StoreError},
    error::{AppError, Say},
    ids::DatasetId,
    objects::ObjectError,
    policy::Denied,
};

/// Why nothing was written down.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    #[error("there is no dataset {0}")]
    NotFound(DatasetId),
    #[error("there is no such change, or it is not theirs")]
    NoSuchChange,
    #[error("this side noted it already")]
    Noted,
    #[error("only the platform says that a finding counts")]
    NotTheirs,
    #[error("the dataset has no source that is looked at")]
    NoSchedule,
    #[error("the source was looked at just now; again from {0}")]
    TooSoon(DateTime<Utc>),
    #[error("this is the licence that is registered already")]
    SameLicence,
    #[error("it was looked at after today")]
    InTheFuture,
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for RightsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<RightsError> for AppError {
    fn from(error: RightsError) -> Self {
        match error {
            RightsError::NotFound(_) | RightsError::NoSuchChange => Self::NotFound,
            RightsError::Noted => Self::conflict("rights-noted-already"),
            RightsError::NotTheirs => Self::invalid("rights-accept-not-yours"),
            RightsError::NoSchedule => Self::conflict("rights-no-schedule"),
            RightsError::TooSoon(again) => {
                let again = again.with_timezone(&chrono_tz::Europe::Amsterdam);
                Self::TooMany(
                    Say::new("rights-too-soon").with("time", again.format("%H:%M").to_string()),
                )
            }
            RightsError::SameLicence => Self::invalid("rights-same-licence"),
            RightsError::InTheFuture => Self::invalid("rights-in-the-future"),
            RightsError::Refused(why) => Self::Invalid(say(why)),
            RightsError::Denied(why) => why.into(),
            RightsError::Objects(why) => why.into(),
            RightsError::Store(why) => why.into(),
            RightsError::Commit(why) => why.into(),
        }
    }
}

/// Why an address is not taken, for people.
#[must_use]
pub(super) fn say(why: Refused) -> Say {
    Say::new(match why {
        Refused::NotAnAddress => "rights-problem-not-an-address",
        Refused::Scheme => "rights-problem-scheme",
        Refused::Credentials => "rights-problem-credentials",
        Refused::Port => "rights-problem-port",
        Refused::Inside => "rights-problem-inside",
        Refused::OddNumber => "rights-problem-odd-number",
    })
}
