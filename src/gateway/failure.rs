//! A failure of the gateway as an answer in OpenAI's form.

use std::fmt;

use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use openai_api::ApiError;

use super::headers::LimitHeaders;
use crate::db::StoreError;

/// An error with where the key stands, where that is known.
#[derive(Debug)]
pub struct Failure {
    error: ApiError,
    limits: LimitHeaders,
}

impl Failure {
    pub(super) fn with(mut self, limits: LimitHeaders) -> Self {
        self.limits = limits;
        self
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self {
            error,
            limits: LimitHeaders::default(),
        }
    }
}

impl From<StoreError> for Failure {
    /// Without its counters the gateway lets nothing through.
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the gateway's database is away");
        let message = "The gateway cannot check keys and budgets at the moment.";
        ApiError::overloaded(message, 5).into()
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        for header in self.error.headers() {
            response.insert_header(header);
        }
        for header in self.limits.clone() {
            response.insert_header(header);
        }
        response
            .content_type("application/json")
            .body(self.error.to_json())
    }
}
