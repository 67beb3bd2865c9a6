//! One request through the gateway: set aside, send on, pass back, settle. Runs as a task of its own, so that it
//! is settled also when the client has left.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
};

use bytes::{Bytes, BytesMut};
use openai_api::{ApiError, Usage};
use reqwest::{Response, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::oneshot;

use super::{
    Gateway,
    answer::{Begun, refusal},
    ask::Asked,
    catalogue::Route,
    ended::Ended,
    failure::Failure,
    headers::{self, LimitHeaders, limit_headers},
    measure::{About, End, Times},
    need::Need,
    screen::Screen,
    upstream::{NotSent, Send, Sent},
};
use crate::{
    db::Db,
    ids::RequestId,
    keys::Known,
    quota::{
        Context, Held, Measure, NewRequest, Outcome, Price, ReserveError, Spent, Standing, Window,
    },
};

const MOST_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Vectors of a thousand numbers for each of the most inputs.
const MOST_EMBEDDINGS_BYTES: usize = 48 * 1024 * 1024;
const MOST_ERROR_BYTES: usize = 64 * 1024;

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
    /// It reached an upstream, which may have made something.
    pub(super) was_sent: bool,
}

/// What is read of a whole answer.
#[derive(Deserialize)]
struct WithUsage {
    usage: Option<Value>,
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
            self.stream(held, limits, each, begun).await;
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
                    was_sent: false,
                });
            }
            Err(NotSent::Broken) => {
                return Err(ApiError::bad_upstream("The model's server did not answer.").into());
            }
        };
        self.place.get_or_init(|| Arc::clone(sent.visit.address()));
        let status = sent.answer.status();
        if status.is_success() {
            return if self.asked.generation().stream && !is_stream(&sent.answer) {
                let message = "The model's server answered with something else than a stream.";
                Err(ApiError::bad_upstream(message).into())
            } else {
                Ok(sent)
            };
        }
        let status = status.as_u16();
        tracing::warn!(request = %self.request, status, "the upstream refused");
        if matches!(self.asked, Asked::Embeddings(_)) && matches!(status, 404 | 405) {
            // It serves the model, and knows of no such thing.
            return Err(ApiError::no_embeddings(&self.asked.generation().model).into());
        }
        let body = collect(sent.answer, MOST_ERROR_BYTES)
            .await
            .unwrap_or_default();
        Err(refusal(status, &body).into())
    }

    async fn whole(
        &self,
        held: Held,
        limits: LimitHeaders,
        each_answer: Option<i64>,
        mut begun: oneshot::Sender<Begun>,
    ) {
        let exchange = async {
            // It counts at its place until all of it is there.
            let Sent {
                answer,
                visit: _visit,
                ..
            } = self.send(each_answer).await?;
            let most = match self.asked {
                Asked::Embeddings(_) => MOST_EMBEDDINGS_BYTES,
                _ => MOST_ANSWER_BYTES,
            };
            match collect(answer, most).await {
                None => Ok::<_, Unanswered>(None),
                Some(body) => {
                    let usage = usage_of(&body)?;
                    Ok(Some((body, usage)))
                }
            }
        };
        let answer = match self.unless_ended(exchange, begun.closed()).await {
            Ok(Ok(None)) => {
                // It was made, or some of it.
                self.settle(held, None, Outcome::Cut).await;
                let error =
                    ApiError::bad_upstream("The model's server broke off, or said too much.");
                Begun::Refused(Failure::from(error).with(limits))
            }
            Ok(Ok(Some((body, usage)))) => {
                let mut limits = limits;
                let usage = usage.map(|told| self.possible(told));
                limits.extend(self.cost_header(usage));
                self.settle(held, usage, Outcome::Completed).await;
                // It is paid for, whatever may be seen of it.
                match self.screen.whole(body).await {
                    Ok(body) => Begun::Whole(limits, body),
                    Err(error) => Begun::Refused(Failure::from(error).with(limits)),
                }
            }
            Ok(Err(unanswered)) => {
                self.settle_unanswered(held, unanswered.was_sent).await;
                Begun::Refused(Failure::from(unanswered.error).with(limits))
            }
            Err(ended) => {
                self.settle(held, None, Outcome::Cut).await;
                Begun::Refused(ended.error().into())
            }
        };
        drop(begun.send(answer));
    }

    /// What a whole answer cost, in millionths of a unit; nothing where its model has no price.
    fn cost_header(&self, usage: Option<Usage>) -> Option<(&'static str, String)> {
        let usage = usage.filter(|_| self.route.price != Price::default())?;
        let spent = Spent::of(usage, Outcome::Completed);
        let cost = spent.cost_micros(self.route.price);
        Some(("x-request-cost-micros", cost.to_string()))
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
    /// Of a request that reached an upstream.
    fn from(error: ApiError) -> Self {
        Self {
            error,
            was_sent: true,
        }
    }
}

/// Whether an answer is one of events; one that does not say what it is may be.
fn is_stream(answer: &Response) -> bool {
    let kind = answer.headers().get(CONTENT_TYPE);
    kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// The counts of a whole answer, where it has any.
///
/// # Errors
/// 502 where it is no JSON object.
fn usage_of(body: &[u8]) -> Result<Option<Usage>, ApiError> {
    let nonsense = || ApiError::bad_upstream("The model's server answered with something else.");
    // A list would be read as a struct too.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(nonsense());
    }
    let answer: WithUsage = serde_json::from_slice(body).map_err(|_| nonsense())?;
    let usage = answer.usage;
    Ok(usage.and_then(|usage| serde_json::from_value(usage).ok()))
}

/// The whole body; none where it breaks off or is longer than `limit` bytes.
async fn collect(mut answer: Response, limit: usize) -> Option<Bytes> {
    let first = answer.chunk().await.ok()?.unwrap_or_default();
    let Some(second) = answer.chunk().await.ok()? else {
        return (first.len() <= limit).then_some(first);
    };
    let mut body = BytesMut::from(&first[..]);
    let mut next = Some(second);
    while let Some(chunk) = next {
        if body.len() + chunk.len() > limit {
            return None;
        }
        body.extend_from_slice(&chunk);
        next = answer.chunk().await.ok()?;
    }
    Some(body.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_json_object_with_or_without_counts() {
        let counted =
            br#" {"usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}"#;
        assert_eq!(usage_of(counted).unwrap(), Some(Usage::new(1, 2)));
        for uncounted in [&b"{}"[..], br#"{"usage": null}"#, br#"{"usage": "7"}"#] {
            assert_eq!(usage_of(uncounted).unwrap(), None);
        }
        for nonsense in [
            &b""[..],
            b"<html>",
            b"[null]",
            b"{\"a\":",
            b"null",
            b"{} {}",
        ] {
            assert_eq!(usage_of(nonsense).unwrap_err().status, 502);
        }
    }
}
