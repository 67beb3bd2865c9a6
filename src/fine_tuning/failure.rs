//! What went wrong elsewhere in the portal, as OpenAI's errors say it.

use openai_api::ApiError;

use crate::{error::AppError, web::Lang};

/// A failure of the portal as one of the API. A clash with a state is a 400: the SDKs send a 409 again and again.
pub(super) fn refusal(error: AppError) -> ApiError {
    error.log();
    let say = error.say();
    let text = Lang::En.say(&say);
    match error {
        AppError::NotFound => ApiError::not_found(text),
        AppError::SignInFirst => ApiError::invalid_api_key(),
        AppError::Forbidden(_) => ApiError::permission_denied(say.key, text),
        AppError::Invalid(_) | AppError::Conflict(_) => {
            ApiError::new(400, "invalid_request_error", Some(say.key), text)
        }
        AppError::TooLarge(_) => ApiError::new(413, "invalid_request_error", Some(say.key), text),
        AppError::TooMany(_) => ApiError::rate_limit_exceeded(text, 60),
        AppError::Unavailable { .. } => ApiError::overloaded(text, 5),
        AppError::Internal(_) => ApiError::new(500, "server_error", Some("internal_error"), text),
    }
}

/// As [`refusal`], of anything that becomes a failure of the portal.
pub(super) fn refused(error: impl Into<AppError>) -> ApiError {
    refusal(error.into())
}
