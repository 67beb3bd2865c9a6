//! Talking to the programs that serve models.

use std::{collections::BTreeMap, time::Duration};

use openai_api::{RequestUsage, Usage};
use reqwest::{RequestBuilder, Response, StatusCode, redirect::Policy};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{config::Serving, ids::RequestId};

const CONNECT: Duration = Duration::from_secs(3);
/// Silence after which an upstream is taken for gone; the first token may wait for others' answers.
const SILENCE: Duration = Duration::from_secs(300);
const COUNTS: Duration = Duration::from_secs(5);

/// Reaches upstreams: our own serving programs, and others by the name of their model.
pub(super) struct Client {
    http: reqwest::Client,
    token: SecretString,
    others: BTreeMap<String, String>,
}

/// What an upstream knows of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// It made this much, and makes no more.
    Finished(Usage),
    /// It still makes more.
    Running(Usage),
    /// It never heard of it, or does not keep counts.
    Unknown,
    /// It does not answer.
    Away,
}

impl Client {
    pub(super) fn new(serving: &Serving) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        let others = serving
            .upstreams
            .iter()
            .map(|(name, url)| (name.clone(), url.as_str().trim_end_matches('/').to_owned()))
            .collect();
        Ok(Self {
            http,
            token: serving.token.clone(),
            others,
        })
    }

    /// Where the settings say that a model is served.
    pub(super) fn other(&self, model: &str) -> Option<&str> {
        self.others.get(model).map(String::as_str)
    }

    /// Whether an address is one of our own serving programs, which know our token and keep counts.
    pub(super) fn is_ours(&self, address: &str) -> bool {
        !self.others.values().any(|other| other == address)
    }

    /// Sends a request on. It is sent once more where it failed before any answer came; never after that.
    pub(super) async fn send(
        &self,
        address: &str,
        path: &str,
        request: RequestId,
        body: Vec<u8>,
    ) -> Result<Response, reqwest::Error> {
        let body = bytes::Bytes::from(body);
        let post = || {
            let request = self
                .http
                .post(format!("{address}{path}"))
                .header("content-type", "application/json")
                .header("x-request-id", request.to_string())
                .body(body.clone());
            self.signed(address, request).send()
        };
        match post().await {
            Err(error) if error.is_connect() || (error.is_request() && !error.is_timeout()) => {
                tracing::warn!(address, "an upstream did not answer; once more");
                post().await
            }
            answer => answer,
        }
    }

    /// Asks what a request took.
    pub(super) async fn counted(&self, address: &str, request: RequestId) -> Counted {
        if !self.is_ours(address) {
            return Counted::Unknown;
        }
        let get = self
            .http
            .get(format!("{address}/v1/requests/{request}/usage"))
            .timeout(COUNTS);
        let Ok(answer) = self.signed(address, get).send().await else {
            return Counted::Away;
        };
        match answer.status() {
            StatusCode::OK => match answer.json::<RequestUsage>().await {
                Ok(known) if known.is_finished => Counted::Finished(known.usage),
                Ok(known) => Counted::Running(known.usage),
                Err(_) => Counted::Away,
            },
            StatusCode::NOT_FOUND => Counted::Unknown,
            _ => Counted::Away,
        }
    }

    fn signed(&self, address: &str, request: RequestBuilder) -> RequestBuilder {
        let token = self.token.expose_secret();
        if token.is_empty() || !self.is_ours(address) {
            request
        } else {
            request.bearer_auth(token)
        }
    }
}
