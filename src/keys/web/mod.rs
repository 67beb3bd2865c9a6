//! The pages and API of keys.

mod api;
mod form;
mod list;
mod new;
mod show;

use actix_web::web;

use super::{DecideError, RequestError, RevealError, RevokeError};
use crate::error::{AppError, Say};

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(list::routes)
        // Before the page of one key: `new` is no id.
        .configure(new::routes)
        .configure(show::routes)
        .configure(api::routes)
        .configure(super::usage::web::routes);
}

impl From<RequestError> for AppError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::ModelNotUsable => Self::invalid("key-model-not-usable"),
            RequestError::NotCommercial => Self::invalid("key-model-not-commercial"),
            RequestError::Denied(why) => why.into(),
            RequestError::Store(why) => why.into(),
            RequestError::Commit(why) => why.into(),
        }
    }
}

impl From<DecideError> for AppError {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::NotFound(_) => Self::NotFound,
            DecideError::WrongStatus(_) => Self::conflict("key-not-waiting"),
            DecideError::BeyondManager(most) => {
                Self::Forbidden(Say::new("key-beyond-manager").with("most", most))
            }
            DecideError::Denied(why) => why.into(),
            DecideError::Store(why) => why.into(),
            DecideError::Commit(why) => why.into(),
        }
    }
}

impl From<RevealError> for AppError {
    fn from(error: RevealError) -> Self {
        match error {
            RevealError::NotFound(_) => Self::NotFound,
            RevealError::WrongStatus(super::Status::Active) => Self::conflict("key-shown-before"),
            RevealError::WrongStatus(_) => Self::conflict("key-not-approved"),
            RevealError::Expired => Self::conflict("key-expired-unseen"),
            RevealError::Denied(why) => why.into(),
            RevealError::Store(why) => why.into(),
            RevealError::Commit(why) => why.into(),
        }
    }
}

impl From<RevokeError> for AppError {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::NotFound(_) => Self::NotFound,
            RevokeError::WrongStatus(_) => Self::conflict("key-ended-before"),
            RevokeError::Denied(why) => why.into(),
            RevokeError::Store(why) => why.into(),
            RevokeError::Commit(why) => why.into(),
        }
    }
}
