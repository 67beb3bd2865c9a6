//! The pages and what every answer carries.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{ACCEPT_LANGUAGE, CACHE_CONTROL},
    },
    web::Data,
};
use askama::Template;

use crate::{
    person::Person,
    provider::Shared,
    words::{self, Words},
};

const STYLE: &str = include_str!("../static/style.css");

/// The sign-in page.
#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage<'a> {
    pub(crate) words: &'static Words,
    pub(crate) people: &'a [Person],
    /// Finds the request that is being answered.
    pub(crate) request: &'a str,
    /// Proves that the form was read by who sends it.
    pub(crate) csrf: &'a str,
    /// What was typed before, after a wrong password.
    pub(crate) username: &'a str,
    pub(crate) is_wrong: bool,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    words: &'static Words,
    text: &'static str,
}

/// What can be wrong so that nobody is sent back to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    UnknownClient,
    ForeignRedirect,
    Malformed,
    TooLong,
    Expired,
    NotFound,
    Internal,
}

/// The words for the language that the browser asks for.
pub(crate) fn words(request: &HttpRequest) -> &'static Words {
    let header = request.headers().get(ACCEPT_LANGUAGE);
    words::choose(header.and_then(|value| value.to_str().ok()))
}

impl LoginPage<'_> {
    pub(crate) fn answer(&self) -> HttpResponse {
        let status = if self.is_wrong {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::OK
        };
        html(status, self.render())
    }
}

/// A page that explains what is wrong.
pub(crate) fn problem(request: &HttpRequest, problem: Problem) -> HttpResponse {
    let words = words(request);
    let (status, text) = match problem {
        Problem::UnknownClient => (StatusCode::BAD_REQUEST, words.unknown_client),
        Problem::ForeignRedirect => (StatusCode::BAD_REQUEST, words.foreign_redirect),
        Problem::Malformed => (StatusCode::BAD_REQUEST, words.malformed),
        Problem::TooLong => (StatusCode::URI_TOO_LONG, words.malformed),
        Problem::Expired => (StatusCode::BAD_REQUEST, words.expired),
        Problem::NotFound => (StatusCode::NOT_FOUND, words.not_found),
        Problem::Internal => (StatusCode::INTERNAL_SERVER_ERROR, words.internal),
    };
    html(status, ProblemPage { words, text }.render())
}

/// Any other path.
pub(crate) async fn not_found(request: HttpRequest) -> HttpResponse {
    problem(&request, Problem::NotFound)
}

/// `GET /style.css`.
pub(crate) async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .insert_header((CACHE_CONTROL, "public, max-age=3600"))
        .body(STYLE)
}

fn html(status: StatusCode, page: askama::Result<String>) -> HttpResponse {
    match page {
        Ok(page) => HttpResponse::build(status)
            .content_type("text/html; charset=utf-8")
            .body(page),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// The content security policy of all answers: no script at all, forms to us and, redirected, to the application.
pub(crate) fn content_security_policy(return_origins: &[String]) -> String {
    // Browsers check form-action also for where the answer to a form redirects to.
    let returns = return_origins.join(" ");
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {returns}; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

/// Only requests that name our own address: a foreign name that was made to point to us gets nothing.
pub(crate) fn is_for_us(shared: &Data<Shared>, host: Option<&str>) -> bool {
    host.is_some_and(|host| shared.issuer.strip_prefix("http://") == Some(host))
}
