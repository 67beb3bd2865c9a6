//! Who asks, and under which id.

use std::time::Instant;

use actix_web::{
    Error, HttpMessage, HttpRequest, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
    middleware::Next,
    web,
};
use bytes::Bytes;
use openai_api::ApiError;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{MOST_BODY_BYTES, Service, failure::Failure};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MOST_ID_BYTES: usize = 128;

/// The id under which a request is logged and counted.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) String);

impl RequestId {
    pub(super) fn of(request: &HttpRequest) -> Self {
        let known = request.extensions().get::<Self>().cloned();
        known.unwrap_or_else(|| Self(Uuid::now_v7().to_string()))
    }
}

/// Takes over the caller's request id or makes one, sends it back, and logs the request without its content.
pub(super) async fn identify(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let given = request
        .headers()
        .get(&REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let is_usable = |id: &&str| {
        (1..=MOST_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let id = given
        .filter(is_usable)
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    request.extensions_mut().insert(RequestId(id.clone()));
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let start = Instant::now();
    let mut response = next.call(request).await?;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    // For a stream this is the time to its first byte; the engine's counts come with its end.
    let milliseconds = start.elapsed().as_millis() as u64;
    tracing::info!(request_id = id, %method, path, status = response.status().as_u16(), milliseconds, "answered");
    Ok(response)
}

/// Lets requests through that carry the token, where there is one.
pub(super) async fn require_token(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let service = request.app_data::<web::Data<Service>>();
    if let Some(token) = service.and_then(|service| service.token.clone()) {
        let header = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let bearer = header.and_then(|header| header.strip_prefix("Bearer "));
        // Equal hashes of equal length: the time says nothing about where the tokens differ.
        let is_right =
            bearer.is_some_and(|bearer| Sha256::digest(bearer) == Sha256::digest(&*token));
        if !is_right {
            // An answer rather than an error, so that it too gets its id and its line in the log.
            let refusal = Failure(ApiError::invalid_api_key()).error_response();
            return Ok(request.into_response(refusal).map_into_right_body());
        }
    }
    Ok(next.call(request).await?.map_into_left_body())
}

/// The whole JSON body.
///
/// # Errors
/// 413 for a body over the limit, 415 for one that is not declared as JSON, 400 where it breaks off.
pub(super) async fn body(request: &HttpRequest, payload: web::Payload) -> Result<Bytes, Failure> {
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/json") {
        return Err(
            ApiError::unsupported_media_type("The body must be sent as application/json.").into(),
        );
    }
    match payload.to_bytes_limited(MOST_BODY_BYTES).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(ApiError::invalid_body("The request body could not be read.").into()),
        Err(_) => Err(ApiError::too_large(MOST_BODY_BYTES).into()),
    }
}
