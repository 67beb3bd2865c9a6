//! Requests that end before their answers do.

use openai_api::ApiError;

use super::{catalogue::OutOfUse, queue::NotTaken, screen::unjudged};

/// Why a request ended before its answer did.
pub(super) enum Ended {
    ClientLeft,
    KeyRevoked,
    ModelOutOfUse(OutOfUse),
    /// The upstream broke off, or made no sense.
    Broken,
    /// A service that has to judge the answer does not answer.
    Unjudged,
    /// More of it waits than is kept for a client that does not read.
    TooSlow,
    /// This process leaves, and waited as long as it may.
    Leaving,
}

impl From<NotTaken> for Ended {
    fn from(why: NotTaken) -> Self {
        match why {
            NotTaken::Full => Self::TooSlow,
            NotTaken::Closed => Self::ClientLeft,
        }
    }
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
            Self::TooSlow => ApiError::new(
                408,
                "invalid_request_error",
                Some("read_too_slowly"),
                "The answer ends here: it was made faster than it was read.",
            ),
            Self::Leaving => {
                ApiError::overloaded("The answer ends here: the gateway is stopping.", 1)
            }
            Self::ClientLeft | Self::Broken => {
                ApiError::bad_upstream("The model's server broke off.")
            }
        }
    }
}
