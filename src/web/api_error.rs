//! An [`AppError`] as programs see it: problem details (RFC 9457).

use std::fmt;

use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use serde_json::json;

use super::lang::Lang;
use crate::error::AppError;

/// A failure of the JSON API.
#[derive(Debug)]
pub struct ApiError(pub AppError);

/// What handlers of the JSON API answer.
pub type ApiResult = Result<HttpResponse, ApiError>;

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Into<AppError>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        self.0.log();
        let say = self.0.say();
        let status = self.status_code();
        HttpResponse::build(status)
            .content_type("application/problem+json")
            .json(json!({
                "type": "about:blank",
                "title": status.canonical_reason(),
                "status": status.as_u16(),
                "code": say.key,
                "detail": Lang::En.say(&say),
            }))
    }
}
