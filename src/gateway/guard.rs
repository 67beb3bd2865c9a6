//! Who asks, under which id, and the body they sent.

use actix_web::{
    Error, FromRequest, HttpMessage as _, HttpRequest,
    body::MessageBody,
    dev::{self, ServiceRequest, ServiceResponse},
    http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
    middleware::Next,
    web,
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use openai_api::ApiError;
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

use super::{Gateway, failure::Failure};
use crate::{config::Config, db::Db, ids::RequestId, keys::Known, web::client_address};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const MOST_BODY_BYTES: usize = 1024 * 1024;
/// So much of a body that is too long is read all the same: whoever still sends does not hear why it is refused.
const MOST_READ_BYTES: usize = 32 * 1024 * 1024;
/// A body gets a second more for so many bytes of it that have come.
const BYTES_PER_SECOND: u64 = 8 * 1024;

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

impl Caller {
    /// For what takes nothing of the key's limits, and so has a bound of its own.
    ///
    /// # Errors
    /// 429 where the key asks for too much of that.
    pub(super) fn look(&self) -> Result<(), ApiError> {
        self.0.look().map_err(|wait| {
            let message = "This key asks for models and usage too often.";
            ApiError::rate_limit_exceeded(message, wait.as_secs() + 1)
        })
    }
}

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

/// The key as `Authorization: Bearer` or `X-API-KEY`; cookies say nothing here. Where it is sent more than once all must
/// be the same: which of them is meant would be a guess.
fn key_of(request: &HttpRequest) -> Option<&str> {
    let sent = |name: HeaderName| {
        let values = request.headers().get_all(name);
        values.filter_map(|value| value.to_str().ok())
    };
    let bearers = sent(AUTHORIZATION).filter_map(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    // Some programs send a header of which they were given nothing.
    let mut keys = bearers
        .chain(sent(API_KEY).map(str::trim))
        .filter(|key| !key.is_empty());
    let first = keys.next()?;
    keys.all(|key| key == first).then_some(first)
}

/// The whole JSON body. It has `gateway.body_seconds` to come, and a second more for each 8 KiB that have come.
///
/// # Errors
/// 413 for a body over the limit, 415 for one that is declared as something else, 400 where it breaks off, 408 where it
/// takes too long.
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
    let config = request.app_data::<web::Data<Config>>();
    let seconds = config.map_or(30, |config| config.gateway.body_seconds);
    Ok(read(payload, seconds).await?)
}

async fn read(mut payload: web::Payload, seconds: u64) -> Result<Bytes, ApiError> {
    let began = Instant::now();
    let (mut body, mut length) = (BytesMut::new(), 0_usize);
    loop {
        // What is too long gets no more time than the longest that is not.
        let counted = u64::try_from(length.min(MOST_BODY_BYTES)).unwrap_or_default();
        let within = Duration::from_secs(seconds.saturating_add(counted / BYTES_PER_SECOND));
        let piece = match timeout_at(began + within, payload.next()).await {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            // Nothing that still comes makes it shorter.
            Err(_) if length > MOST_BODY_BYTES => break,
            Err(_) => return Err(too_slow()),
        };
        let unreadable = || ApiError::invalid_body("The request body could not be read.");
        let piece = piece.map_err(|_| unreadable())?;
        length = length.saturating_add(piece.len());
        if length > MOST_READ_BYTES {
            break;
        }
        if length <= MOST_BODY_BYTES {
            body.extend_from_slice(&piece);
        }
    }
    if length > MOST_BODY_BYTES {
        return Err(ApiError::too_large(MOST_BODY_BYTES));
    }
    Ok(body.freeze())
}

fn too_slow() -> ApiError {
    let kind = "invalid_request_error";
    let message = "The request body came too slowly.";
    ApiError::new(408, kind, Some("request_timeout"), message)
}
