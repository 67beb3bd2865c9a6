//! The pages and API of keys.

mod api;
mod call;
mod facts;
mod form;
mod leaked;
mod list;
mod new;
mod playground;
mod secret;
mod show;
mod terms;

use actix_web::web;

use super::{
    DecideError, LeakedError, RequestError, RevealError, RevokeError, RotateError, TermsError,
};
use crate::error::{AppError, Say};

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(list::routes)
        // Before the page of one key: `new`, `leaked`, `playground` and `terms` are no ids.
        .configure(new::routes)
        .configure(leaked::routes)
        .configure(playground::routes)
        .configure(terms::routes)
        .configure(secret::routes)
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
            DecideError::TermsNotAccepted => Self::conflict("key-terms-first"),
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

impl From<RotateError> for AppError {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::NotFound(_) => Self::NotFound,
            RotateError::WrongStatus(_) | RotateError::Expired => Self::conflict("key-not-in-use"),
            RotateError::Denied(why) => why.into(),
            RotateError::Store(why) => why.into(),
            RotateError::Commit(why) => why.into(),
        }
    }
}

impl From<LeakedError> for AppError {
    fn from(error: LeakedError) -> Self {
        match error {
            LeakedError::Denied(why) => why.into(),
            LeakedError::Store(why) => why.into(),
            LeakedError::Commit(why) => why.into(),
        }
    }
}

impl From<TermsError> for AppError {
    fn from(error: TermsError) -> Self {
        match error {
            TermsError::Denied(why) => why.into(),
            TermsError::Store(why) => why.into(),
            TermsError::Commit(why) => why.into(),
        }
    }
}
