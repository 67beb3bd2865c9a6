//! An [`AppError`] as people see it. The page itself is drawn by `headers::error_pages`, which knows
//! the request.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header::ContentType},
};

use crate::error::{AppError, Say};

/// A failure of a page.
#[derive(Debug)]
pub struct PageError(pub AppError);

/// What page handlers answer.
pub type PageResult = Result<HttpResponse, PageError>;

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Into<AppError>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// What is left in a response for the error page to show.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) say: Say,
    pub(super) must_sign_in: bool,
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        self.0.log();
        let say = self.0.say();
        let mut response = HttpResponse::build(self.status_code());
        if self.0.status() == 503 {
            response.insert_header(("retry-after", "5"));
        }
        let mut response = response
            .content_type(ContentType::plaintext())
            .body(say.key);
        response.extensions_mut().insert(Shown {
            say,
            must_sign_in: matches!(self.0, AppError::SignInFirst),
        });
        response
    }
}
