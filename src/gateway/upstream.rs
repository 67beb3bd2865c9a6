//! Talking to the programs that serve models.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use openai_api::{RequestUsage, Usage};
use reqwest::{RequestBuilder, Response, StatusCode, redirect::Policy};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::balance::{Balance, Visit};
use crate::{config::Serving, ids::RequestId};

const CONNECT: Duration = Duration::from_secs(3);
/// Silence after which an upstream is taken for gone; the first token may wait for others' answers.
const SILENCE: Duration = Duration::from_secs(300);
const COUNTS: Duration = Duration::from_secs(5);

/// Reaches upstreams: our own serving programs, and others by the name of their model.
pub(super) struct Client {
    http: reqwest::Client,
    token: SecretString,
    others: BTreeMap<String, Places>,
    balance: Balance,
}

/// The addresses at which one model is served.
pub(super) type Places = Arc<[Arc<str>]>;

/// A request that is to be sent on.
pub(super) struct Send<'a> {
    pub(super) places: &'a Places,
    /// What it begins with, as a number.
    pub(super) prefix: u64,
    pub(super) path: &'static str,
    pub(super) request: RequestId,
    pub(super) body: Vec<u8>,
    /// The answer comes piece by piece; it has begun once the first is there.
    pub(super) is_streamed: bool,
}

/// An answer that has begun.
pub(super) struct Sent {
    pub(super) answer: Response,
    /// The first piece of a stream.
    pub(super) first: Option<Bytes>,
    /// The request counts at its place until this is dropped.
    pub(super) visit: Visit,
}

/// Why a request got no answer.
#[derive(Debug)]
pub(super) enum NotSent {
    /// Every place failed so often that it is left alone for a moment.
    ShutOff,
    /// No place could be reached.
    Unreachable,
    /// The place broke off before it answered; nobody knows what it made.
    Broken,
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

impl Counted {
    /// What two places know together: one that was asked to do it knows best.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Finished(a), Self::Finished(b)) if b.total_tokens > a.total_tokens => other,
            (Self::Finished(_), _) => self,
            (_, Self::Finished(_)) => other,
            (Self::Running(_), _) => self,
            (_, Self::Running(_)) => other,
            (Self::Away, _) | (_, Self::Away) => Self::Away,
            (Self::Unknown, Self::Unknown) => Self::Unknown,
        }
    }
}

impl Client {
    pub(super) fn new(serving: &Serving) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        let others = serving.upstreams.iter().map(|(name, addresses)| {
            let places = addresses.all().iter();
            let places = places.map(|url| Arc::from(url.as_str().trim_end_matches('/')));
            (name.clone(), places.collect())
        });
        Ok(Self {
            http,
            token: serving.token.clone(),
            others: others.collect(),
            balance: Balance::default(),
        })
    }

    /// Where the settings say that a model is served.
    pub(super) fn other(&self, model: &str) -> Option<&Places> {
        self.others.get(model)
    }

    /// Whether an address is one of our own serving programs, which know our token and keep counts.
    pub(super) fn is_ours(&self, address: &str) -> bool {
        let mut others = self.others.values().flat_map(|places| places.iter());
        !others.any(|other| **other == *address)
    }

    /// Sends a request on, elsewhere where a place fails before any answer came, and once more to the only one; never
    /// after that.
    pub(super) async fn send(&self, send: Send<'_>) -> Result<Sent, NotSent> {
        let body = Bytes::from(send.body);
        let (mut tried, mut is_second) = (Vec::new(), false);
        let mut last = NotSent::ShutOff;
        while let Some(visit) =
            self.balance
                .choose(send.places, send.prefix, &tried, Instant::now())
        {
            let address = Arc::clone(visit.address());
            let post = self
                .http
                .post(format!("{address}{}", send.path))
                .header("content-type", "application/json")
                .header("x-request-id", send.request.to_string())
                .body(body.clone());
            let is_alone = send.places.len() == 1;
            let begun = async {
                let mut answer = self.signed(&address, post).send().await?;
                let first = if send.is_streamed && answer.status().is_success() {
                    answer.chunk().await?
                } else {
                    None
                };
                Ok::<_, reqwest::Error>((answer, first))
            };
            match begun.await {
                Ok((answer, _))
                    if is_busy(answer.status()) && tried.len() + 1 < send.places.len() =>
                {
                    visit.failed(Instant::now());
                    tried.push(address);
                }
                // It was taken from there a moment ago; the place itself is well.
                Ok((answer, _))
                    if answer.status() == StatusCode::NOT_FOUND
                        && tried.len() + 1 < send.places.len() =>
                {
                    visit.succeeded();
                    tried.push(address);
                }
                Ok((answer, first)) => {
                    if answer.status().is_server_error() {
                        visit.failed(Instant::now());
                    } else {
                        visit.succeeded();
                    }
                    return Ok(Sent {
                        answer,
                        first,
                        visit,
                    });
                }
                Err(error) => {
                    visit.failed(Instant::now());
                    let error = error.without_url();
                    tracing::warn!(request = %send.request, %address, %error, "an upstream did not answer");
                    // Who did not answer in time may still do so, and would make it twice.
                    if error.is_timeout() {
                        return Err(NotSent::Broken);
                    }
                    last = if error.is_connect() {
                        NotSent::Unreachable
                    } else {
                        NotSent::Broken
                    };
                    if !is_alone || is_second {
                        tried.push(address);
                    }
                    is_second = true;
                }
            }
        }
        Err(last)
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

/// Whether another place may be able to.
fn is_busy(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE
    )
}
