//! What the store answers where it refuses.

use aws_sdk_s3::error::{DisplayErrorContext, SdkError};

/// The store refused, or is away.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct ObjectError {
    /// What was asked.
    pub operation: &'static str,
    /// The store's words.
    pub message: String,
    /// The store answered that there is no such thing.
    pub is_missing: bool,
    /// The store answered that what was sent is wrong: a checksum, a part.
    pub is_refused: bool,
}

impl ObjectError {
    pub(in super::super) fn new<E, R>(operation: &'static str, error: &SdkError<E, R>) -> Self
    where
        SdkError<E, R>: std::error::Error,
        E: aws_sdk_s3::error::ProvideErrorMetadata,
        R: StatusCode,
    {
        let status = match error {
            SdkError::ServiceError(inner) => inner.raw().status_code(),
            _ => 0,
        };
        Self {
            operation,
            message: DisplayErrorContext(error).to_string(),
            is_missing: status == 404,
            is_refused: (400..500).contains(&status) && status != 404 && status != 403,
        }
    }

    pub(super) fn broken_off(operation: &'static str, error: &dyn std::error::Error) -> Self {
        Self {
            operation,
            message: error.to_string(),
            is_missing: false,
            is_refused: false,
        }
    }

    pub(in super::super) fn bad_request(
        operation: &'static str,
        error: &dyn std::error::Error,
    ) -> Self {
        Self {
            operation,
            message: error.to_string(),
            is_missing: false,
            is_refused: true,
        }
    }
}

/// The HTTP status of a raw answer.
pub(in super::super) trait StatusCode {
    fn status_code(&self) -> u16;
}

impl StatusCode for aws_sdk_s3::config::http::HttpResponse {
    fn status_code(&self) -> u16 {
        self.status().as_u16()
    }
}
