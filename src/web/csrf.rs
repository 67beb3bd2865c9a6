//! Requests that change something: a form or a body that was not checked cannot be had.

use std::{future::Future, pin::Pin};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{Method, header},
    web,
};
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq as _;

use super::{
    api_error::ApiError,
    page_error::PageError,
    session::{Session, read_session},
};
use crate::{
    config::Config,
    db::Db,
    error::{AppError, Say},
    policy::Actor,
};

type Extracting<T, E> = Pin<Box<dyn Future<Output = Result<T, E>>>>;

const LARGEST_FORM: usize = 256 * 1024;
const LARGEST_JSON: usize = 1024 * 1024;

/// A form from one of our own pages, sent by a signed-in person.
pub struct ProtectedForm<T>(pub T);

/// A JSON body from one of our own pages, sent by a signed-in person.
pub struct ProtectedJson<T> {
    /// Who sent it.
    pub actor: Actor,
    /// What was sent.
    pub body: T,
}

/// A signed-in person calling the JSON API; for methods that change something, from one of our own pages.
pub struct ApiActor(pub Actor);

impl<T: DeserializeOwned + 'static> FromRequest for ProtectedForm<T> {
    type Error = PageError;
    type Future = Extracting<Self, PageError>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let session = signed_in(&request).await?;
            same_origin(&request)?;
            let body = read(&request, &mut payload, LARGEST_FORM).await?;
            let fields: Vec<(String, String)> = serde_html_form::from_bytes(&body)
                .map_err(|_| AppError::invalid("form-unreadable"))?;
            let token = fields
                .iter()
                .find(|(name, _)| name == "csrf")
                .map(|(_, value)| value.as_str());
            token_matches(token, &session)?;
            // Browsers send every field that is there, also the empty ones; a field that is left out
            // or of the wrong kind did not come from our form.
            let form = serde_html_form::from_bytes(&body)
                .map_err(|_| AppError::invalid("form-unreadable"))?;
            Ok(Self(form))
        })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for ProtectedJson<T> {
    type Error = ApiError;
    type Future = Extracting<Self, ApiError>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let actor = api_actor(&request).await?;
            let body = read(&request, &mut payload, LARGEST_JSON).await?;
            let body = serde_json::from_slice(&body).map_err(|error| {
                AppError::Invalid(Say::new("json-unreadable").with("problem", error))
            })?;
            Ok(Self { actor, body })
        })
    }
}

/// A signed-in person who sends a form in several parts from one of our own pages. Who it is comes out only
/// for the token, which is one of the parts.
pub struct FormSender(Session);

impl FormSender {
    /// Who sent the form with this token.
    ///
    /// # Errors
    /// Where it is not the token of their session.
    pub fn check(self, token: &str) -> Result<Actor, AppError> {
        token_matches(Some(token), &self.0)?;
        Ok(self.0.actor)
    }
}

impl FromRequest for FormSender {
    type Error = PageError;
    type Future = Extracting<Self, PageError>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let session = signed_in(&request).await?;
            same_origin(&request)?;
            Ok(Self(session))
        })
    }
}

impl FromRequest for ApiActor {
    type Error = ApiError;
    type Future = Extracting<Self, ApiError>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(Self(api_actor(&request).await?)) })
    }
}

async fn api_actor(request: &HttpRequest) -> Result<Actor, AppError> {
    let session = signed_in(request).await?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        same_origin(request)?;
        let token = request
            .headers()
            .get("x-csrf-token")
            .and_then(|value| value.to_str().ok());
        token_matches(token, &session)?;
    }
    Ok(session.actor)
}

async fn signed_in(request: &HttpRequest) -> Result<Session, AppError> {
    let (db, config) = ports(request)?;
    read_session(&db, &config, request)
        .await?
        .ok_or(AppError::SignInFirst)
}

pub(super) fn ports(request: &HttpRequest) -> Result<(web::Data<Db>, web::Data<Config>), AppError> {
    let db = request.app_data::<web::Data<Db>>();
    let config = request.app_data::<web::Data<Config>>();
    db.cloned()
        .zip(config.cloned())
        .ok_or_else(|| AppError::Internal(anyhow::anyhow!("the app was built without its ports")))
}

/// Refuses what another site's page sent (Fetch Metadata, else Origin).
pub(super) fn same_origin(request: &HttpRequest) -> Result<(), AppError> {
    let (_, config) = ports(request)?;
    let header = |name: header::HeaderName| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let refused = || AppError::Forbidden(Say::new("csrf-refused"));
    match header(header::HeaderName::from_static("sec-fetch-site")) {
        Some("same-origin") => Ok(()),
        Some(_) => Err(refused()),
        None => match header(header::ORIGIN) {
            Some(origin) if origin == config.origin() => Ok(()),
            _ => Err(refused()),
        },
    }
}

fn token_matches(token: Option<&str>, session: &Session) -> Result<(), AppError> {
    let given = token.unwrap_or_default().as_bytes();
    if bool::from(given.ct_eq(session.csrf_token.as_bytes())) {
        Ok(())
    } else {
        Err(AppError::Forbidden(Say::new("csrf-refused")))
    }
}

pub(super) async fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
) -> Result<web::Bytes, AppError> {
    use futures_util::StreamExt as _;
    let too_large = || AppError::TooLarge(Say::new("form-too-large").with("limit", limit / 1024));
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut body = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| AppError::invalid("form-unreadable"))?;
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
