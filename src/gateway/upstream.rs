//! Talking to the programs that serve models.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use openai_api::{RequestUsage, Usage};
use reqwest::{RequestBuilder, Response, StatusCode, redirect::Policy};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::{
    ask::Asked,
    balance::{Balance, Visit},
};
use crate::{
    config::{Serving, Upstream},
    ids::RequestId,
};

const CONNECT: Duration = Duration::from_secs(3);
const COUNTS: Duration = Duration::from_secs(5);

/// Reaches upstreams: our own serving programs, and others by the name of their model.
pub(super) struct Client {
    http: reqwest::Client,
    token: SecretString,
    others: BTreeMap<String, Other>,
    balance: Balance,
}

/// A model that others serve: where, and in the same order how each is asked.
struct Other {
    places: Places,
    upstreams: Vec<Upstream>,
}

/// The addresses at which one model is served.
pub(super) type Places = Arc<[Arc<str>]>;

/// A request that is to be sent on.
pub(super) struct Send<'a> {
    pub(super) places: &'a Places,
    pub(super) request: RequestId,
    pub(super) asked: &'a Asked,
    /// The most tokens of each answer, where that is less than it says itself.
    pub(super) each_answer: Option<i64>,
}

/// An answer that has begun.
pub(super) struct Sent {
    pub(super) answer: Response,
    /// The first piece of a stream.
    pub(super) first: Option<Bytes>,
    /// The request counts at its place until this is dropped.
    pub(super) visit: Visit,
    /// Another place was sent it before and broke off: nobody knows what that made.
    pub(super) was_sent_before: bool,
}

/// Why a request got no answer.
#[derive(Debug)]
pub(super) enum NotSent {
    /// Every place failed so often that it is left alone for a moment.
    ShutOff,
    /// No place could be reached: nobody knows of it.
    Unreachable,
    /// A place broke off before it answered, and no other could; nobody knows what it made.
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
            .read_timeout(Duration::from_secs(serving.silence_seconds))
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        let others = serving.upstreams.iter().map(|(name, addresses)| {
            let upstreams = addresses.all().to_vec();
            let address =
                |of: &Upstream| -> Arc<str> { Arc::from(of.url.as_str().trim_end_matches('/')) };
            let places = upstreams.iter().map(address).collect();
            (name.clone(), Other { places, upstreams })
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
        self.others.get(model).map(|other| &other.places)
    }

    /// How `address` is asked for `model`; none where it is one of our own.
    fn upstream(&self, model: &str, address: &str) -> Option<&Upstream> {
        let other = self.others.get(model)?;
        let mut all = other.places.iter().zip(&other.upstreams);
        let (_, found) = all.find(|(place, _)| &***place == address)?;
        Some(found)
    }

    /// Whether an address is one of our own serving programs, which know our token and keep counts.
    pub(super) fn is_ours(&self, address: &str) -> bool {
        let mut others = self.others.values().flat_map(|other| other.places.iter());
        !others.any(|other| **other == *address)
    }

    /// Sends a request on, elsewhere where a place fails before any answer came, and once more to the only one; never
    /// after that.
    pub(super) async fn send(&self, send: Send<'_>) -> Result<Sent, NotSent> {
        let (mut tried, mut is_second) = (Vec::new(), false);
        let (mut is_unreachable, mut was_sent) = (false, false);
        let prefix = send.asked.prefix();
        while let Some(visit) = self
            .balance
            .choose(send.places, prefix, &tried, Instant::now())
        {
            let address = Arc::clone(visit.address());
            match self.ask(&send, &address).await {
                Ok((answer, first)) => {
                    let status = answer.status();
                    if has_failed(status) {
                        visit.failed(Instant::now());
                    } else {
                        visit.succeeded();
                    }
                    if !is_elsewhere(status) || tried.len() + 1 >= send.places.len() {
                        return Ok(Sent {
                            answer,
                            first,
                            visit,
                            was_sent_before: was_sent,
                        });
                    }
                    // Whoever stood before the place may have passed it on.
                    was_sent |= status == StatusCode::BAD_GATEWAY;
                    tried.push(address);
                }
                Err(error) => {
                    visit.failed(Instant::now());
                    let error = error.without_url();
                    tracing::warn!(request = %send.request, %address, %error, "an upstream did not answer");
                    // A place that cannot be connected to within its time has not heard of it.
                    if error.is_connect() {
                        is_unreachable = true;
                    } else if error.is_timeout() {
                        // Who did not answer in time may still do so, and would make it twice.
                        return Err(NotSent::Broken);
                    } else {
                        was_sent = true;
                    }
                    if send.places.len() > 1 || is_second {
                        tried.push(address);
                    }
                    is_second = true;
                }
            }
        }
        Err(match (was_sent, is_unreachable) {
            (true, _) => NotSent::Broken,
            (false, true) => NotSent::Unreachable,
            (false, false) => NotSent::ShutOff,
        })
    }

    /// Asks one place; a stream has begun once its first piece is there.
    async fn ask(
        &self,
        send: &Send<'_>,
        address: &str,
    ) -> Result<(Response, Option<Bytes>), reqwest::Error> {
        let generation = send.asked.generation();
        let upstream = self.upstream(&generation.model, address);
        let model = upstream.and_then(|upstream| upstream.model.as_deref());
        let counts_along = upstream.is_none_or(|upstream| upstream.counts);
        let body = send.asked.forward(send.each_answer, model, counts_along);
        let post = self
            .http
            .post(format!("{address}{}", send.asked.path()))
            .header("content-type", "application/json")
            .header("x-request-id", send.request.to_string())
            .body(body);
        let post = match upstream {
            Some(upstream) => signed(post, &upstream.key),
            None => self.signed_as_ours(address, post),
        };
        let mut answer = post.send().await?;
        let first = if generation.stream && answer.status().is_success() {
            answer.chunk().await?
        } else {
            None
        };
        Ok((answer, first))
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
        let Ok(answer) = self.signed_as_ours(address, get).send().await else {
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

    /// With our token, which nobody else is shown.
    fn signed_as_ours(&self, address: &str, request: RequestBuilder) -> RequestBuilder {
        if self.is_ours(address) {
            signed(request, &self.token)
        } else {
            request
        }
    }
}

fn signed(request: RequestBuilder, key: &SecretString) -> RequestBuilder {
    match key.expose_secret() {
        "" => request,
        key => request.bearer_auth(key),
    }
}

/// Whether another place may be able to.
fn is_elsewhere(status: StatusCode) -> bool {
    matches!(
        status,
        // It was taken from there a moment ago; the place itself is well.
        StatusCode::NOT_FOUND
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
    )
}

/// Whether an answer speaks against its place. One that has enough to do is well.
fn has_failed(status: StatusCode) -> bool {
    status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE
}
