//! One request through the gateway: set aside, send on, pass back, settle. Runs as a task of its own, so that it
//! is settled also when the client has left.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use openai_api::{ApiError, Usage};
use reqwest::{Response, StatusCode, header::CONTENT_TYPE};
use tokio::sync::oneshot;

use super::{
    Gateway,
    answer::{Begun, error_event, refusal},
    ask::Asked,
    catalogue::Route,
    ended::Ended,
    failure::Failure,
    headers::{self, limit_headers},
    measure::{About, End, Times},
    need::Need,
    screen::Screen,
    upstream::{NotSent, Send, Sent},
    whole::collect,
};
use crate::{
    db::Db,
    ids::RequestId,
    keys::Known,
    quota::{Context, Held, Measure, NewRequest, Outcome, ReserveError, Spent, Standing, Window},
};

const MOST_ERROR_BYTES: usize = 64 * 1024;
/// What is left of a stream that has ended is thrown away where its client takes nothing of it for so long: the request is
/// settled, and no limit holds its memory any more.
const UNREAD: Duration = Duration::from_secs(60);

/// A request that was read and may be made.
pub(super) struct Relay {
    pub(super) db: Db,
    pub(super) gateway: Arc<Gateway>,
    pub(super) request: RequestId,
    pub(super) key: Arc<Known>,
    pub(super) route: Route,
    pub(super) asked: Asked,
    /// What is put around it.
    pub(super) screen: Screen,
    /// What `asked` may cost.
    pub(super) need: Need,
    /// What it is about, and when it was where.
    pub(super) about: About,
    pub(super) times: Times,
    /// Where it was sent to, once it was.
    pub(super) place: OnceLock<Arc<str>>,
}

/// Why a request was not answered.
pub(super) struct Unanswered {
    pub(super) error: ApiError,
    /// It reached an upstream that may have made something of it.
    pub(super) may_have_made: bool,
}

impl Relay {
    /// Makes the request; tells `begun` how the answer begins.
    pub(super) async fn run(self, mut begun: oneshot::Sender<Begun>) {
        let held = match self.unless_ended(self.reserve(), begun.closed()).await {
            Ok(Ok(held)) => held,
            Ok(Err(failure)) => {
                self.ended(None, End::Refused);
                // Nobody is there any more to be told.
                drop(begun.send(Begun::Refused(failure)));
                return;
            }
            Err(ended) => {
                self.ended(None, End::Cut);
                drop(begun.send(Begun::Refused(ended.error().into())));
                return;
            }
        };
        if let Some((refused, end)) = self.prompt_refused(&mut begun).await {
            self.ended(None, end);
            held.settle(Spent::nothing(Outcome::Failed)).await;
            drop(begun.send(Begun::Refused(refused)));
            return;
        }
        let standings = held.standings(self.db.now());
        let tokens = standings
            .iter()
            .filter(|one| one.counter.measure == Measure::Tokens);
        let left = tokens.map(|one| one.left).min();
        let each = self.need.each_answer(held.tokens(), left);
        let limits = limit_headers(&standings, self.db.now());
        if self.asked.generation().stream {
            if let Some(client) = self.stream(held, limits, each, begun).await {
                let cut = self.gateway.cut.clone();
                drop(self);
                let instead = error_event(&Ended::TooSlow.error());
                cut.run_until_cancelled(client.finish(UNREAD, instead))
                    .await;
            }
        } else {
            self.whole(held, limits, each, begun).await;
        }
    }

    /// Measures a request that ends now.
    pub(super) fn ended(&self, usage: Option<Usage>, end: End) {
        let (measures, now) = (&self.gateway.measures, self.db.now());
        measures.ended(&self.about, &self.times, usage, end, now);
    }

    async fn reserve(&self) -> Result<Held, Failure> {
        let (least, most) = self.need.first();
        let holder = &self.key.holder;
        let new = NewRequest {
            request: self.request,
            key: holder.key,
            least,
            most,
            context: Context {
                institution: holder.institution,
                model: self.route.model,
                upstream: self.route.places.join(" "),
                price: self.route.price,
                is_streamed: self.asked.generation().stream,
                started_at: self.db.now(),
            },
        };
        match self.gateway.ledger.reserve(&self.db, &new).await {
            Ok(held) => Ok(held),
            Err(ReserveError::Refused(standing)) => Err(self.refused(&standing)),
            Err(ReserveError::Away) => {
                let message = "The gateway cannot check keys and budgets at the moment.";
                Err(ApiError::overloaded(message, 5).into())
            }
        }
    }

    /// Has the prompt judged, where it is to be.
    async fn prompt_refused(&self, begun: &mut oneshot::Sender<Begun>) -> Option<(Failure, End)> {
        let judged = self.screen.judge_prompt();
        match self.unless_ended(judged, begun.closed()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) if error.status == 400 => Some((error.into(), End::Flagged)),
            Ok(Err(error)) => Some((error.into(), End::Failed)),
            Err(ended) => Some((ended.error().into(), End::Cut)),
        }
    }

    /// Which limit is in the way, in words.
    fn refused(&self, standing: &Standing) -> Failure {
        let now = self.db.now();
        let counter = standing.counter;
        let holder = &self.key.holder;
        let whose = match counter.node.0 {
            node if node == holder.key.0.as_u128() => "This key",
            node if node == holder.institution.0.as_u128() => "Your institution",
            _ => "This project",
        };
        let cap = standing.cap;
        let (per, ends) = match counter.window {
            Window::Minute => ("a minute", ""),
            Window::Day => ("a day", " The day ends at midnight in the Netherlands."),
            Window::Month => ("a month", " The month ends at midnight in the Netherlands."),
            Window::Always => ("at a time", ""),
        };
        let wait = standing.ends_in(now).map_or(1, headers::seconds);
        let error = match (counter.measure, counter.window) {
            (Measure::Requests, _) => {
                let message = format!("{whose} may make {cap} requests {per}.{ends}");
                ApiError::rate_limit_exceeded(message, wait)
            }
            (Measure::Slots, _) => {
                let message = format!("{whose} may have {cap} requests under way {per}.");
                ApiError::rate_limit_exceeded(message, wait)
            }
            (Measure::Tokens, Window::Minute) => {
                let message = format!("{whose} may use {cap} tokens {per}.");
                ApiError::rate_limit_exceeded(message, wait)
            }
            (Measure::Tokens, Window::Day | Window::Month | Window::Always) => {
                let message = format!(
                    "{whose} has {} of its {cap} tokens {per} left, and the request may need more.{ends}",
                    standing.left.max(0),
                );
                ApiError::insufficient_quota(message)
            }
        };
        let standings = self.gateway.ledger.standings(now, holder.key);
        Failure::from(error).with(limit_headers(&standings, now))
    }

    /// Sends the request on, with at most `each_answer` tokens for each answer where that is less than it says; answers
    /// only successes.
    pub(super) async fn send(&self, each_answer: Option<i64>) -> Result<Sent, Unanswered> {
        let send = Send {
            places: &self.route.places,
            request: self.request,
            asked: &self.asked,
            each_answer,
        };
        self.times.sent();
        let sent = match self.gateway.client.send(send).await {
            Ok(sent) => sent,
            Err(NotSent::ShutOff | NotSent::Unreachable) => {
                return Err(Unanswered {
                    error: ApiError::overloaded("The model's server cannot be reached.", 5),
                    may_have_made: false,
                });
            }
            Err(NotSent::Broken) => {
                return Err(ApiError::bad_upstream("The model's server did not answer.").into());
            }
        };
        let (status, was_sent_before) = (sent.answer.status(), sent.was_sent_before);
        if status.is_success() || !was_sent_before {
            self.place.get_or_init(|| Arc::clone(sent.visit.address()));
        }
        if status.is_success() {
            return if self.asked.generation().stream && !is_stream(&sent.answer) {
                let message = "The model's server answered with something else than a stream.";
                Err(ApiError::bad_upstream(message).into())
            } else {
                Ok(sent)
            };
        }
        let may_have_made = was_sent_before || is_failure(status);
        let status = status.as_u16();
        tracing::warn!(request = %self.request, status, "the upstream refused");
        let error = if matches!(self.asked, Asked::Embeddings(_)) && matches!(status, 404 | 405) {
            // It serves the model, and knows of no such thing.
            ApiError::no_embeddings(&self.asked.generation().model)
        } else {
            let body = collect(sent.answer, MOST_ERROR_BYTES).await;
            refusal(status, &body.unwrap_or_default())
        };
        Err(Unanswered {
            error,
            may_have_made,
        })
    }

    /// Waits for `work`, unless the client leaves, the key is revoked or the model is taken out of use first; `work`
    /// is dropped then.
    pub(super) async fn unless_ended<T>(
        &self,
        work: impl Future<Output = T>,
        client_left: impl Future<Output = ()>,
    ) -> Result<T, Ended> {
        tokio::select! {
            done = work => Ok(done),
            () = client_left => Err(Ended::ClientLeft),
            () = self.key.ended.cancelled() => Err(Ended::KeyRevoked),
            why = self.route.end.reached() => Err(Ended::ModelOutOfUse(why)),
            () = self.gateway.cut.cancelled() => Err(Ended::Leaving),
        }
    }
}

impl From<ApiError> for Unanswered {
    /// Of a request that reached an upstream which then did not answer as it should.
    fn from(error: ApiError) -> Self {
        Self {
            error,
            may_have_made: true,
        }
    }
}

/// Whether an upstream that answers so took the request and failed at it. Others did not take it.
fn is_failure(status: StatusCode) -> bool {
    status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE
}

/// Whether an answer is one of events; one that does not say what it is may be.
fn is_stream(answer: &Response) -> bool {
    let kind = answer.headers().get(CONTENT_TYPE);
    kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}
