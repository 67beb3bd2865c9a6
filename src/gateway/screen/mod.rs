//! The steps that an institution chose to put around a request: personal data is masked, a service judges.
//!
//! Where none is chosen nothing of this runs, and every byte passes as it came. What is counted is what the upstream
//! made, never what is left of it.

mod filter;
mod gate;
mod judge;
mod place;
mod prompt;

use std::sync::Arc;

use bytes::Bytes;
use openai_api::{ApiError, SseEvent};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub(super) use self::judge::Judges;
use self::{
    filter::Filter,
    gate::Gate,
    judge::{Judge, Judgement},
    prompt::{mask, texts},
};
use super::ask::Asked;
use crate::{
    ids::{InstitutionId, RequestId},
    safeguards::Safeguards,
};

/// The steps of one request.
#[derive(Default)]
pub(super) struct Screen {
    /// Whether personal data is masked in the answer.
    filters: bool,
    /// Whether the answer is to be JSON.
    is_json: bool,
    /// Whether there are texts in the answer: not where it is embeddings.
    has_texts: bool,
    /// Who judges, if anybody does.
    judge: Option<Arc<Judge>>,
    /// What of the prompt is to be judged.
    prompt: Vec<String>,
    judges_answer: bool,
}

/// The answer may not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    Flagged,
    /// It could not be judged.
    Unjudged,
}

impl Screen {
    /// The steps for a request; masks its prompt where that is one of them.
    ///
    /// # Errors
    /// 400 where the prompt is of a form that cannot be looked at.
    pub(super) fn of(
        steps: &Safeguards,
        judges: &Judges,
        (institution, request): (InstitutionId, RequestId),
        asked: &mut Asked,
    ) -> Result<Self, ApiError> {
        let hook = steps.hook.as_ref();
        let judge = hook.map(|hook| judges.of(institution, hook, request));
        let judges_prompt = hook.is_some_and(|hook| hook.judges_prompts);
        if (steps.filters_prompts || judges_prompt) && prompt::has_tokens(asked) {
            let message =
                "Your institution has prompts looked at, so they must be texts, not token ids.";
            return Err(ApiError::unsupported_param("prompt", message));
        }
        if steps.filters_prompts {
            mask(asked)?;
        }
        Ok(Self {
            filters: steps.filters_answers,
            is_json: prompt::wants_json(asked),
            has_texts: !matches!(asked, Asked::Embeddings(_)),
            judge,
            prompt: if judges_prompt {
                texts(asked)?
            } else {
                Vec::new()
            },
            judges_answer: hook.is_some_and(|hook| hook.judges_answers),
        })
    }

    /// Has the prompt judged.
    ///
    /// # Errors
    /// 400 where it is flagged, 503 where it could not be judged and that is not to pass.
    pub(super) async fn judge_prompt(&self) -> Result<(), ApiError> {
        let Some(judge) = &self.judge else {
            return Ok(());
        };
        match judge.judge(&self.prompt).await {
            Judgement::Pass => Ok(()),
            Judgement::Flagged => Err(flagged()),
            Judgement::Unknown => Err(unjudged()),
        }
    }

    /// What it takes to screen an answer that streams; none where it passes as it is.
    pub(super) fn stream(&self) -> Option<StreamScreen> {
        let judge = self.judge.clone().filter(|_| self.judges_answer);
        (self.filters || judge.is_some()).then(|| StreamScreen {
            filter: self.filters.then(|| Filter::new(self.is_json)),
            gate: judge.map(Gate::new),
        })
    }

    /// A whole answer as the client may have it.
    ///
    /// # Errors
    /// 502 where it cannot be read, 503 where it could not be judged and that is not to pass.
    pub(super) async fn whole(&self, body: Bytes) -> Result<Bytes, ApiError> {
        let judge = self.judge.as_ref().filter(|_| self.judges_answer);
        if !self.has_texts || !self.filters && judge.is_none() {
            return Ok(body);
        }
        let broken = || {
            ApiError::bad_upstream("The model's server answered something that cannot be checked.")
        };
        let mut answer: Value = serde_json::from_slice(&body).map_err(|_| broken())?;
        if self.filters {
            Filter::new(self.is_json).whole(&mut answer);
        }
        if let Some(judge) = judge {
            match judge.judge(&gate::texts_of(&answer)).await {
                Judgement::Pass => {}
                Judgement::Flagged => gate::empty(&mut answer),
                Judgement::Unknown => return Err(unjudged()),
            }
        }
        serde_json::to_vec(&answer)
            .map(Bytes::from)
            .map_err(|_| broken())
    }
}

/// Screens the events of one stream.
pub(super) struct StreamScreen {
    filter: Option<Filter>,
    gate: Option<Gate>,
}

impl StreamScreen {
    /// Masks an event; none where it cannot be read and so may not pass.
    pub(super) fn mask(&mut self, event: SseEvent) -> Option<SseEvent> {
        if event.is_done() || event.data.is_empty() {
            return Some(event);
        }
        let mut chunk: Value = serde_json::from_slice(&event.data).ok()?;
        let is_changed = self
            .filter
            .as_mut()
            .is_some_and(|filter| filter.chunk(&mut chunk));
        if let Some(gate) = &mut self.gate {
            gate.note(&chunk);
        }
        if !is_changed {
            return Some(event);
        }
        let data = serde_json::to_vec(&chunk).ok()?;
        let raw = openai_api::encode_event(&chunk).ok()?;
        Some(SseEvent { raw, data })
    }

    /// What is still held back of texts that broke off, as choices of one more chunk.
    pub(super) fn rest(&mut self) -> Option<Value> {
        let rest = self.filter.as_mut()?.rest();
        if rest.is_empty() {
            return None;
        }
        let choices = Value::Array(rest);
        if let Some(gate) = &mut self.gate {
            gate.note(&serde_json::json!({ "choices": choices }));
        }
        Some(choices)
    }

    /// Takes bytes for the client; answers those that may leave now.
    ///
    /// # Errors
    /// [`Stopped`] where they may not.
    pub(super) async fn admit(&mut self, bytes: Bytes) -> Result<Vec<Bytes>, Stopped> {
        match &mut self.gate {
            None => Ok(vec![bytes]),
            Some(gate) => gate.admit(bytes).await,
        }
    }

    /// Everything that still waits.
    ///
    /// # Errors
    /// [`Stopped`] where it may not leave.
    pub(super) async fn finish(&mut self) -> Result<Vec<Bytes>, Stopped> {
        match &mut self.gate {
            None => Ok(Vec::new()),
            Some(gate) => gate.release().await,
        }
    }

    /// Choices whose end the client has not seen.
    pub(super) fn open(&self) -> Vec<u64> {
        self.gate.as_ref().map(Gate::open).unwrap_or_default()
    }

    /// To be cancelled when too much waits for it: the service that judges has failed then.
    pub(super) fn behind(&self) -> CancellationToken {
        self.gate.as_ref().map(Gate::behind).unwrap_or_default()
    }
}

fn flagged() -> ApiError {
    let message = "The prompt was flagged by the moderation that your institution has set up.";
    ApiError::new(
        400,
        "invalid_request_error",
        Some("content_filter"),
        message,
    )
}

/// A text could not be judged.
pub(super) fn unjudged() -> ApiError {
    let message = "The moderation that your institution has set up does not answer.";
    let code = Some("moderation_unavailable");
    let mut error = ApiError::new(503, "server_error", code, message);
    error.retry_after_seconds = Some(5);
    error
}
