use std::time::Instant;

use language_model::inference::Sampling;
use openai_api::FinishReason;
use tokio::sync::mpsc;

use crate::{constraint::Constraint, registry::Served, usage_log::Running};

/// One answer to make.
#[derive(Debug)]
pub struct Job {
    pub model: Served,
    /// At least one, fewer than the model's context.
    pub prompt: Vec<u32>,
    /// At least one; together with the prompt no more than the model's context.
    pub most_tokens: usize,
    pub sampling: Sampling,
    pub stop: Vec<String>,
    /// What the answer must be, where not any text.
    pub constraint: Option<Constraint>,
    /// How many alternatives are told for each token; none: no probabilities.
    pub logprobs: Option<usize>,
    /// Go on after an end token, for measurements.
    pub ignores_end: bool,
    /// Where tokens are counted; none once the answer is over.
    pub counters: Option<Running>,
    /// False for further choices of a prompt that another job counts.
    pub counts_prompt: bool,
    /// Set by the engine.
    pub(super) events: Option<mpsc::UnboundedSender<Event>>,
    /// When it was made.
    pub(super) since: Instant,
}

/// Tells what the engine made. Unbounded as a type, bounded by the job's `most_tokens`.
pub type Events = mpsc::UnboundedReceiver<Event>;

/// What happened to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A token; its text may be empty while a character or a stop string is open.
    Token {
        text: String,
        /// Tokens of this answer so far.
        completion_tokens: u64,
        /// Where it was asked for.
        scored: Option<Box<ScoredToken>>,
    },
    /// The answer is whole, with the text that was still held back.
    Finished {
        text: String,
        reason: FinishReason,
        completion_tokens: u64,
        /// The last token, unless it only ended the answer.
        scored: Option<Box<ScoredToken>>,
    },
    /// The model was dropped while the answer was made.
    Dropped,
    /// A fault of ours.
    Failed,
}

/// How likely a token was, by the model's own distribution, and what else was likely.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredToken {
    pub chosen: Scored,
    /// The likeliest first.
    pub top: Vec<Scored>,
}

/// A token with its natural logarithm of probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    pub bytes: Vec<u8>,
    pub logprob: f32,
}

impl Job {
    /// A job that has not been submitted.
    pub fn new(model: Served, prompt: Vec<u32>, most_tokens: usize, counters: Running) -> Self {
        Self {
            model,
            prompt,
            most_tokens,
            sampling: Sampling::greedy(),
            stop: Vec::new(),
            constraint: None,
            logprobs: None,
            ignores_end: false,
            counters: Some(counters),
            counts_prompt: true,
            events: None,
            since: Instant::now(),
        }
    }

    /// Bytes for keys and values that it may come to need.
    pub(super) fn cache_bytes(&self) -> usize {
        let tokens = self.prompt.len() + self.most_tokens;
        self.model.base.model.cache_bytes(tokens)
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.events
            .as_ref()
            .is_none_or(mpsc::UnboundedSender::is_closed)
    }
}
