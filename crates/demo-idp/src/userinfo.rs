//! What is known of a person, for the holder of an access token.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE},
    },
    web::{Bytes, Data},
};
use serde_json::json;

use crate::{parameters::Parameters, provider::Shared, token::header};

/// `GET` or `POST /oidc/userinfo`; the token in the header, or in a form (RFC 6750, 2.1 and 2.2).
pub(crate) async fn userinfo(
    request: HttpRequest,
    body: Bytes,
    shared: Data<Shared>,
) -> HttpResponse {
    let token = bearer(&request).or_else(|| posted(&request, &body));
    let access = token.and_then(|token| shared.access().get_mut(&token, shared.now()).cloned());
    let person = access.and_then(|access| shared.person(&access.login));
    match person {
        Some(person) => HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(person.claims(shared.started_at.timestamp())),
        None => HttpResponse::Unauthorized()
            .insert_header((WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""))
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(json!({ "error": "invalid_token", "error_description": "the access token is not valid" })),
    }
}

fn bearer(request: &HttpRequest) -> Option<String> {
    let (scheme, token) = header(request, AUTHORIZATION)?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}

fn posted(request: &HttpRequest, body: &[u8]) -> Option<String> {
    if request.method() != Method::POST {
        return None;
    }
    let form = Parameters::parse(body).ok()?;
    form.get("access_token").map(str::to_owned)
}
