//! What stands before the S3 operations: connections, time-outs, CORS, and what a signature must cover.

mod body;
pub(crate) mod connection;
pub(crate) mod cors;
#[cfg(test)]
mod patience;
mod signed;

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use s3s::{Body, S3Error, s3_error, service::S3Service};
use tokio::sync::Semaphore;
use uuid::Uuid;

pub(crate) use self::body::TOO_SLOW;
use self::{
    body::PatientBody,
    cors::{Cors, Verdict},
};
use crate::store::Store;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
/// Forms are held in memory by the protocol crate, before they are authenticated: few at a time.
const FORMS_AT_ONCE: usize = 4;

/// How long clients may take, and how many there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    /// For the head of a request, and for an idle connection.
    pub(crate) head: Duration,
    /// Between two pieces of a request's body.
    pub(crate) pause: Duration,
    /// Without a byte either way.
    pub(crate) silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            head: Duration::from_secs(30),
            pause: Duration::from_secs(30),
            silence: Duration::from_secs(60),
        }
    }
}

/// Answers one HTTP request after another.
pub(crate) struct Front {
    service: S3Service,
    cors: Cors,
    region: String,
    limits: Limits,
    forms: Semaphore,
}

impl Front {
    pub(crate) fn new(
        service: S3Service,
        store: Store,
        region: String,
        default_origins: Vec<String>,
        limits: Limits,
    ) -> Self {
        Self {
            service,
            cors: Cors::new(store, default_origins),
            region,
            limits,
            forms: Semaphore::new(FORMS_AT_ONCE),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Answers a request; an error closes the connection.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, s3s::HttpError> {
        let verdict = self.cors.judge(&request).await;
        let mut response = if request.method() == Method::OPTIONS {
            preflight(&verdict)
        } else {
            self.serve(request).await?
        };
        verdict.mark(response.headers_mut());
        if let Ok(id) = HeaderValue::from_str(&Uuid::now_v7().simple().to_string()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        Ok(response)
    }

    async fn serve(&self, request: Request<Incoming>) -> Result<Response<Body>, s3s::HttpError> {
        let (mut parts, body) = request.into_parts();
        let is_waiting = parts.headers.contains_key(header::EXPECT);
        let (body, rest) = PatientBody::new(body, self.limits.pause);
        let response = match signed::check(&mut parts, &self.region) {
            Err(refusal) => refused(refusal),
            Ok(()) => {
                let _form = if is_form(&parts.headers) {
                    self.forms.acquire().await.ok()
                } else {
                    None
                };
                let request = Request::from_parts(parts, Body::http_body_unsync(body));
                self.service.call(request).await?
            }
        };
        // A client that is still sending reads no answer: it would see a broken connection in place of the reason.
        // One that waits for a "100 Continue" has not begun to send.
        if response.status().as_u16() >= 400 && !is_waiting {
            rest.drain().await;
        }
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(response.map(|_| Body::empty()));
        }
        Ok(response)
    }
}

fn is_form(headers: &http::HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("multipart/"))
}

fn preflight(verdict: &Verdict) -> Response<Body> {
    if verdict.is_allowed() {
        return Response::new(Body::empty());
    }
    let mut refusal = s3_error!(AccessDenied, "CORS: no rule of the bucket allows this");
    refusal.set_status_code(StatusCode::FORBIDDEN);
    refused(refusal)
}

fn refused(refusal: S3Error) -> Response<Body> {
    refusal.to_http_response().unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}
