//! Who asks, under which id, and the body they sent.

use actix_web::{
    Error, FromRequest, HttpMessage as _, HttpRequest,
    body::MessageBody,
    dev::{self, ServiceRequest, ServiceResponse},
    http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
    middleware::Next,
    web,
};
use bytes::Bytes;
use openai_api::ApiError;
use std::{future::Future, pin::Pin, sync::Arc};

use super::{Gateway, failure::Failure};
use crate::{config::Config, db::Db, ids::RequestId, keys::Known, web::client_address};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MOST_BODY_BYTES: usize = 1024 * 1024;

/// Gives each request an id of ours, which its answer carries and under which the upstream counts it.
pub(super) async fn identify(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = RequestId::fresh();
    request.extensions_mut().insert(id);
    let mut response = next.call(request).await?;
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    Ok(response)
}

/// The id that [`identify`] gave.
#[must_use]
pub fn request_id(request: &HttpRequest) -> RequestId {
    let given = request.extensions().get::<RequestId>().copied();
    given.unwrap_or_else(RequestId::fresh)
}

/// The key that a request carries.
#[derive(Clone)]
pub struct Caller(pub Arc<Known>);

impl FromRequest for Caller {
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Failure>>>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let (Some(db), Some(gateway)) = (
                request.app_data::<web::Data<Db>>(),
                request.app_data::<web::Data<Gateway>>(),
            ) else {
                return Err(ApiError::internal(&request_id(&request).to_string()).into());
            };
            let key = key_of(&request).ok_or_else(ApiError::invalid_api_key)?;
            let known = gateway
                .keys
                .authenticate(db, key)
                .await?
                .ok_or_else(ApiError::invalid_api_key)?;
            let address = request
                .app_data::<web::Data<Config>>()
                .and_then(|config| client_address(&request, config));
            if !known.holder.may_come_from(address) {
                return Err(ApiError::address_not_allowed().into());
            }
            Ok(Self(known))
        })
    }
}

/// The key as `Authorization: Bearer` or `X-API-KEY`; cookies say nothing here.
fn key_of(request: &HttpRequest) -> Option<&str> {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let bearer = header(AUTHORIZATION.as_str()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    bearer.or_else(|| header("x-api-key").map(str::trim))
}

/// The whole JSON body.
///
/// # Errors
/// 413 for a body over the limit, 415 for one that is declared as something else, 400 where it breaks off.
pub async fn body(request: &HttpRequest, payload: web::Payload) -> Result<Bytes, Failure> {
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("application/json");
    if !kind.to_ascii_lowercase().starts_with("application/json") {
        let message = "The body must be sent as application/json.";
        return Err(ApiError::unsupported_media_type(message).into());
    }
    match payload.to_bytes_limited(MOST_BODY_BYTES).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(ApiError::invalid_body("The request body could not be read.").into()),
        Err(_) => Err(ApiError::too_large(MOST_BODY_BYTES).into()),
    }
}
