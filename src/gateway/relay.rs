//! One request through the gateway: set aside, send on, pass back, settle. Runs as a task of its own, so that it
//! is settled also when the client has left.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use openai_api::{ApiError, SseSplitter, StreamOptions, Usage};
use reqwest::Response;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use super::{
    Gateway,
    answer::{Begun, error_event, refusal},
    ask::Asked,
    catalogue::Route,
    failure::Failure,
    headers,
    lease::Lease,
    rewrite::{Passed, Rewriter},
    upstream::Counted,
};
use crate::{
    db::Db,
    ids::RequestId,
    keys::{
        Holder,
        quota::{self, NewReservation, Outcome, Renewal, ReserveError, Reserved, Settlement},
    },
};

/// Events on their way to a client that reads slowly; more wait in the upstream.
const EVENTS_AHEAD: usize = 16;
const MOST_EVENT_BYTES: usize = 1024 * 1024;
const MOST_ANSWER_BYTES: usize = 16 * 1024 * 1024;
const MOST_ERROR_BYTES: usize = 64 * 1024;
/// How often and how long an upstream is asked for the counts of a request that was cut.
const ASK_EVERY: Duration = Duration::from_millis(50);
const ASKS: usize = 60;

/// A request that was read and may be made.
pub(super) struct Relay {
    pub(super) db: Db,
    pub(super) gateway: Arc<Gateway>,
    pub(super) request: RequestId,
    pub(super) holder: Holder,
    pub(super) route: Route,
    pub(super) asked: Asked,
}

/// Why a request ended before its answer did.
enum Ended {
    ClientLeft,
    /// The key was revoked, another settled the request, or the model was taken out of use.
    LeaseLost(Renewal),
    /// The upstream broke off, or made no sense.
    Broken,
}

#[derive(Deserialize)]
struct WithUsage {
    usage: Option<Usage>,
}

impl Relay {
    /// Makes the request; tells `begun` how the answer begins.
    pub(super) async fn run(self, begun: oneshot::Sender<Begun>) {
        let reserved = match self.reserve().await {
            Ok(reserved) => reserved,
            Err(failure) => {
                // Nobody is there any more to be told.
                drop(begun.send(Begun::Refused(failure)));
                return;
            }
        };
        let lease = Lease::hold(&self.gateway.running, &self.db, self.request);
        let body = self.asked.forward(reserved.grant);
        if self.asked.generation().stream {
            self.stream(&reserved, &lease, body, begun).await;
        } else {
            self.whole(&reserved, &lease, body, begun).await;
        }
    }

    async fn reserve(&self) -> Result<Reserved, Failure> {
        let new = NewReservation {
            request: self.request,
            model: self.route.model,
            ask: self.asked.ask(),
            upstream: &self.route.address,
            is_streamed: self.asked.generation().stream,
        };
        quota::reserve(&self.db, &self.holder, new)
            .await
            .map_err(|error| match error {
                ReserveError::TooManyRequests(standing) => {
                    let wait = headers::seconds(standing.minute_ends_in);
                    let message = format!(
                        "This key may make {} requests a minute.",
                        standing.limits.requests_per_minute
                    );
                    Failure::from(ApiError::rate_limit_exceeded(message, wait)).with(standing)
                }
                ReserveError::QuotaUsedUp(standing) => {
                    let message = format!(
                        "This key has {} of its {} tokens left today, and the request may need more. The day ends \
                         at midnight in the Netherlands.",
                        standing.tokens_left, standing.limits.tokens_per_day
                    );
                    Failure::from(ApiError::insufficient_quota(message)).with(standing)
                }
                ReserveError::Store(error) => error.into(),
            })
    }

    /// Sends the request on; answers only successes.
    async fn send(&self, body: Vec<u8>) -> Result<Response, ApiError> {
        let client = &self.gateway.client;
        let address = &self.route.address;
        let answer = client
            .send(address, self.asked.path(), self.request, body)
            .await;
        match answer {
            Ok(answer) if answer.status().is_success() => Ok(answer),
            Ok(answer) => {
                let status = answer.status().as_u16();
                tracing::warn!(request = %self.request, status, "the upstream refused");
                let body = collect(answer, MOST_ERROR_BYTES).await.unwrap_or_default();
                Err(refusal(status, &body))
            }
            Err(error) => {
                let error = error.without_url();
                tracing::warn!(request = %self.request, %error, "the upstream is away");
                if error.is_connect() {
                    let message = "The model's server cannot be reached.";
                    return Err(ApiError::overloaded(message, 5));
                }
                Err(ApiError::bad_upstream("The model's server did not answer."))
            }
        }
    }

    async fn whole(
        &self,
        reserved: &Reserved,
        lease: &Lease,
        body: Vec<u8>,
        mut begun: oneshot::Sender<Begun>,
    ) {
        let exchange = async {
            let answer = self.send(body).await?;
            collect(answer, MOST_ANSWER_BYTES)
                .await
                .ok_or_else(|| ApiError::bad_upstream("The model's server broke off."))
        };
        let answer = match unless_ended(exchange, lease, begun.closed()).await {
            Ok(Ok(body)) => {
                let usage = serde_json::from_slice::<WithUsage>(&body)
                    .ok()
                    .and_then(|answer| answer.usage);
                self.settle(reserved, usage, Outcome::Completed).await;
                Begun::Whole(reserved.standing, body)
            }
            Ok(Err(error)) => {
                self.settle_refused(reserved, &error).await;
                Begun::Refused(Failure::from(error).with(reserved.standing))
            }
            Err(ended) => {
                self.settle(reserved, None, Outcome::Cut).await;
                Begun::Refused(ended.error().into())
            }
        };
        drop(begun.send(answer));
    }

    async fn stream(
        &self,
        reserved: &Reserved,
        lease: &Lease,
        body: Vec<u8>,
        mut begun: oneshot::Sender<Begun>,
    ) {
        let answer = match unless_ended(self.send(body), lease, begun.closed()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                self.settle_refused(reserved, &error).await;
                let failure = Failure::from(error).with(reserved.standing);
                drop(begun.send(Begun::Refused(failure)));
                return;
            }
            Err(ended) => {
                self.settle(reserved, None, Outcome::Cut).await;
                drop(begun.send(Begun::Refused(ended.error().into())));
                return;
            }
        };
        let (client, events) = mpsc::channel(EVENTS_AHEAD);
        // A client that left meanwhile is noticed at the first event.
        drop(begun.send(Begun::Stream(reserved.standing, events)));
        let mut rewriter = Rewriter::new(self.options());
        let ended = pass_events(answer, &mut rewriter, lease, &client).await;
        let last = match ended {
            Ok(done) if !rewriter.has_failed() => {
                self.settle(reserved, rewriter.usage(), Outcome::Completed)
                    .await;
                Some(done)
            }
            Ok(done) => {
                self.settle_cut(reserved, &rewriter).await;
                Some(done)
            }
            Err(Ended::ClientLeft) => {
                self.settle_cut(reserved, &rewriter).await;
                None
            }
            Err(ended) => {
                let ended = self.why(ended).await;
                self.settle_cut(reserved, &rewriter).await;
                Some(error_event(&ended.error()))
            }
        };
        // The last bytes leave once the request is booked: who has the whole answer can see what it cost.
        if let Some(last) = last {
            drop(client.send(last).await);
        }
    }

    /// Where the upstream broke off because its model was taken out of use, that is what the client is told.
    async fn why(&self, ended: Ended) -> Ended {
        match ended {
            Ended::Broken => match quota::renew(&self.db, self.request).await {
                Ok(why @ (Renewal::ModelWithdrawn | Renewal::ModelRetired)) => {
                    Ended::LeaseLost(why)
                }
                Ok(Renewal::Held | Renewal::Lost) | Err(_) => Ended::Broken,
            },
            Ended::ClientLeft | Ended::LeaseLost(_) => ended,
        }
    }

    fn options(&self) -> StreamOptions {
        self.asked.generation().stream_options
    }

    /// Books a stream that was cut: by the upstream's own counts, else by the last it told us.
    async fn settle_cut(&self, reserved: &Reserved, rewriter: &Rewriter) {
        let exact = self.counts_of_cut().await;
        let usage = exact.or(rewriter.usage());
        self.settle(reserved, usage, Outcome::Cut).await;
    }

    /// Books a request that was not answered. Where it is not certain that nothing was produced, the upstream is
    /// asked.
    async fn settle_refused(&self, reserved: &Reserved, error: &ApiError) {
        let produced = match error.status {
            502 => self.counts_of_cut().await,
            _ => None,
        };
        match produced {
            Some(usage) if usage.total_tokens > 0 => {
                self.settle(reserved, Some(usage), Outcome::Cut).await;
            }
            _ => self.book(Settlement::failed()).await,
        }
    }

    /// Books what a request took; where nobody counted, what was set aside.
    async fn settle(&self, reserved: &Reserved, usage: Option<Usage>, outcome: Outcome) {
        let usage = match usage {
            Some(usage) => Some(usage),
            None => self.counts_of_cut().await,
        };
        let tokens = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let settlement = match usage {
            Some(usage) => Settlement {
                prompt_tokens: tokens(usage.prompt_tokens),
                completion_tokens: tokens(usage.completion_tokens),
                outcome,
            },
            None => Settlement {
                prompt_tokens: reserved.grant.tokens,
                completion_tokens: 0,
                outcome,
            },
        };
        self.book(settlement).await;
    }

    async fn book(&self, settlement: Settlement) {
        match quota::settle(&self.db, self.request, settlement).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(request = %self.request, "was settled by another"),
            // The reservation runs out and is settled by the sweep, from the upstream's counts.
            Err(error) => tracing::error!(request = %self.request, %error, "was not settled"),
        }
    }

    /// What the upstream counted for a request that it should be done with, where it keeps counts.
    async fn counts_of_cut(&self) -> Option<Usage> {
        let client = &self.gateway.client;
        let mut last = None;
        for _ in 0..ASKS {
            match client.counted(&self.route.address, self.request).await {
                Counted::Finished(usage) => return Some(usage),
                Counted::Running(usage) => last = Some(usage),
                Counted::Unknown if client.is_ours(&self.route.address) => {
                    // It never reached the engine.
                    return Some(Usage::new(0, 0));
                }
                Counted::Unknown | Counted::Away => return last,
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        last
    }
}

impl Ended {
    fn error(&self) -> ApiError {
        match self {
            Self::LeaseLost(Renewal::ModelWithdrawn) => ApiError::new(
                403,
                "permission_error",
                Some("model_withdrawn"),
                "The answer ends here: permission for data that the model was trained on was withdrawn.",
            )
            .with_param("model"),
            Self::LeaseLost(Renewal::ModelRetired) => ApiError::new(
                404,
                "invalid_request_error",
                Some("model_retired"),
                "The answer ends here: the model was taken out of use.",
            )
            .with_param("model"),
            Self::LeaseLost(Renewal::Lost | Renewal::Held) => ApiError::invalid_api_key(),
            Self::ClientLeft | Self::Broken => {
                ApiError::bad_upstream("The model's server broke off.")
            }
        }
    }
}

/// Waits for `work`, unless the client leaves or the lease is lost first; `work` is dropped then.
async fn unless_ended<T>(
    work: impl Future<Output = T>,
    lease: &Lease,
    client_left: impl Future<Output = ()>,
) -> Result<T, Ended> {
    tokio::select! {
        done = work => Ok(done),
        () = client_left => Err(Ended::ClientLeft),
        why = lease.lost() => Err(Ended::LeaseLost(why)),
    }
}

/// Passes events to the client until the upstream says it is done; answers the bytes that say so.
async fn pass_events(
    mut answer: Response,
    rewriter: &mut Rewriter,
    lease: &Lease,
    client: &mpsc::Sender<Bytes>,
) -> Result<Bytes, Ended> {
    let mut splitter = SseSplitter::new(MOST_EVENT_BYTES);
    loop {
        let bytes = unless_ended(answer.chunk(), lease, client.closed())
            .await?
            .map_err(|_| Ended::Broken)?
            .ok_or(Ended::Broken)?;
        for event in splitter.push(&bytes).map_err(|_| Ended::Broken)? {
            match rewriter.pass(event) {
                Passed::On(bytes) => {
                    let sent = unless_ended(client.send(bytes), lease, std::future::pending());
                    sent.await?.map_err(|_| Ended::ClientLeft)?;
                }
                Passed::Held => {}
                Passed::Done(bytes) => return Ok(bytes),
            }
        }
    }
}

/// The whole body; none where it breaks off or is longer than `limit` bytes.
async fn collect(mut answer: Response, limit: usize) -> Option<Bytes> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.ok()? {
        if body.len() + chunk.len() > limit {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body.freeze())
}
