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
    DecideError, LeakedError, NotForProfit, RequestError, RevealError, RevokeError, RotateError,
    TermsError,
};
use crate::{
    error::{AppError, Say},
    quota::BeyondShares,
};

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

/// Which model, and why not.
fn not_for_profit(refused: &NotForProfit) -> Say {
    match refused {
        NotForProfit::ByLineage(model) => {
            Say::new("key-model-not-for-profit-data").with("model", model)
        }
        NotForProfit::AsReleased(model) => {
            Say::new("key-model-not-for-profit-release").with("model", model)
        }
    }
}

/// The field of the form that a refusal is about; none where it is about none of them.
fn field_of(refused: &RequestError) -> Option<&'static str> {
    match refused {
        RequestError::ModelNotUsable => Some("models"),
        RequestError::NotForProfit(_) => Some("commercial"),
        RequestError::NoSuchProject => Some("project"),
        RequestError::Denied(_) | RequestError::Store(_) | RequestError::Commit(_) => None,
    }
}

impl From<RequestError> for AppError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::ModelNotUsable => Self::invalid("key-model-not-usable"),
            RequestError::NotForProfit(refused) => Self::Invalid(not_for_profit(&refused)),
            RequestError::NoSuchProject => Self::invalid("key-project-wrong"),
            RequestError::Denied(why) => why.into(),
            RequestError::Store(why) => why.into(),
            RequestError::Commit(why) => why.into(),
        }
    }
}

/// Why a manager cannot approve, and who can.
fn beyond_institution(BeyondShares { cap, given }: BeyondShares) -> Say {
    Say::new("key-beyond-institution")
        .with("cap", cap)
        .with("given", given)
}

impl From<DecideError> for AppError {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::NotFound(_) => Self::NotFound,
            DecideError::WrongStatus(_) => Self::conflict("key-not-waiting"),
            DecideError::BeyondManager(most) => {
                Self::Forbidden(Say::new("key-beyond-manager").with("most", most))
            }
            DecideError::BeyondInstitution(beyond) => Self::Forbidden(beyond_institution(beyond)),
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
