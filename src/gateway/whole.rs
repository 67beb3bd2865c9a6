//! An answer that comes at once: read to its end, counted, and passed on.

use std::{future::Future, pin::pin, time::Duration};

use bytes::{Bytes, BytesMut};
use openai_api::{ApiError, Usage};
use reqwest::Response;
use serde::Deserialize;
use serde_json::Value;
use tokio::{sync::oneshot, time::timeout};

use super::{
    answer::Begun,
    ask::Asked,
    ended::Ended,
    failure::Failure,
    headers::LimitHeaders,
    relay::{Relay, Unanswered},
    upstream::Sent,
};
use crate::quota::{Held, Outcome, Price, Spent};

const MOST_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Vectors of a thousand numbers for each of the most inputs.
const MOST_EMBEDDINGS_BYTES: usize = 48 * 1024 * 1024;
/// For so long an answer is read on that nobody waits for any more, where only its end tells what it took.
const READ_ON: Duration = Duration::from_secs(600);

/// An answer with its counts, where it has any; nothing where it broke off or was too long.
type Answer = Option<(Bytes, Option<Usage>)>;

/// What is read of it.
#[derive(Deserialize)]
struct WithUsage {
    usage: Option<Value>,
}

impl Relay {
    pub(super) async fn whole(
        &self,
        held: Held,
        limits: LimitHeaders,
        each_answer: Option<i64>,
        mut begun: oneshot::Sender<Begun>,
    ) {
        // The connection to the upstream is gone behind this block: what is cut is to end there before it is asked for its
        // counts.
        let answer = {
            let mut exchange = pin!(self.exchange(each_answer));
            let answer = self.unless_ended(exchange.as_mut(), begun.closed()).await;
            match answer {
                Err(ended @ (Ended::ClientLeft | Ended::KeyRevoked)) if !self.keeps_counts() => {
                    drop(begun.send(Begun::Refused(ended.error().into())));
                    let answer = self.read_on(exchange.as_mut()).await;
                    self.settle_unheard(held, answer).await;
                    return;
                }
                answer => answer,
            }
        };
        let answer = match answer {
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
                self.settle_unanswered(held, unanswered.may_have_made).await;
                Begun::Refused(Failure::from(unanswered.error).with(limits))
            }
            Err(ended) => {
                self.settle(held, None, Outcome::Cut).await;
                Begun::Refused(ended.error().into())
            }
        };
        drop(begun.send(answer));
    }

    /// Sends the request on and reads the answer to its end.
    async fn exchange(&self, each_answer: Option<i64>) -> Result<Answer, Unanswered> {
        // It counts at its place until all of it is there.
        let Sent {
            answer,
            visit: _visit,
            ..
        } = self.send(each_answer).await?;
        let most = match self.asked {
            Asked::Embeddings(_) => MOST_EMBEDDINGS_BYTES,
            Asked::Chat(_) | Asked::Text(_) => MOST_ANSWER_BYTES,
        };
        let Some(body) = collect(answer, most).await else {
            return Ok(None);
        };
        let usage = usage_of(&body)?;
        Ok(Some((body, usage)))
    }

    /// What came of an answer that nobody waits for any more; none where it may not, or not so long, be waited for.
    async fn read_on(
        &self,
        exchange: impl Future<Output = Result<Answer, Unanswered>>,
    ) -> Option<Result<Answer, Unanswered>> {
        tokio::select! {
            done = timeout(READ_ON, exchange) => done.ok(),
            _ = self.route.end.reached() => None,
            () = self.gateway.cut.cancelled() => None,
        }
    }

    /// Books an answer that nobody waited for as if somebody had: its server keeps no counts, and makes all of it. Where its
    /// end did not come, what was set aside.
    async fn settle_unheard(&self, held: Held, answer: Option<Result<Answer, Unanswered>>) {
        match answer {
            Some(Ok(Some((_, usage)))) => self.book(held, usage, Outcome::Cut).await,
            Some(Ok(None)) => self.settle(held, None, Outcome::Cut).await,
            Some(Err(unanswered)) => {
                self.settle_unanswered(held, unanswered.may_have_made).await;
            }
            None => self.book(held, None, Outcome::Cut).await,
        }
    }

    /// What a whole answer cost, in millionths of a unit; nothing where its model has no price.
    fn cost_header(&self, usage: Option<Usage>) -> Option<(&'static str, String)> {
        let usage = usage.filter(|_| self.route.price != Price::default())?;
        let spent = Spent::of(usage, Outcome::Completed);
        let cost = spent.cost_micros(self.route.price);
        Some(("x-request-cost-micros", cost.to_string()))
    }
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
pub(super) async fn collect(mut answer: Response, limit: usize) -> Option<Bytes> {
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
