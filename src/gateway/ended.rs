//! Requests that end before their answers do.

use openai_api::ApiError;

use super::{catalogue::OutOfUse, screen::unjudged};

/// Why a request ended before its answer did.
pub(super) enum Ended {
    ClientLeft,
    KeyRevoked,
    ModelOutOfUse(OutOfUse),
    /// The upstream broke off, or made no sense.
    Broken,
    /// A service that has to judge the answer does not answer.
    Unjudged,
}

impl Ended {
    pub(super) fn error(&self) -> ApiError {
        match self {
            Self::ModelOutOfUse(OutOfUse::Withdrawn) => ApiError::new(
                403,
                "permission_error",
                Some("model_withdrawn"),
                "The answer ends here: permission for data that the model was trained on was withdrawn.",
            )
            .with_param("model"),
            Self::ModelOutOfUse(OutOfUse::Retired) => ApiError::new(
                404,
                "invalid_request_error",
                Some("model_retired"),
                "The answer ends here: the model was taken out of use.",
            )
            .with_param("model"),
            Self::KeyRevoked => ApiError::invalid_api_key(),
            Self::Unjudged => unjudged(),
            Self::ClientLeft | Self::Broken => {
                ApiError::bad_upstream("The model's server broke off.")
            }
        }
    }
}
