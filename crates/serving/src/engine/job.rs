use language_model::inference::Sampling;
use openai_api::FinishReason;
use tokio::sync::mpsc;

use crate::{registry::Served, usage_log::Running};

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
    /// Go on after an end token, for measurements.
    pub ignores_end: bool,
    /// Where tokens are counted.
    pub counters: Running,
    /// False for further choices of a prompt that another job counts.
    pub counts_prompt: bool,
    /// Set by the engine.
    pub(super) events: Option<mpsc::UnboundedSender<Event>>,
}

/// Tells what the engine made. Unbounded as a type, bounded by the job's `most_tokens`.
pub type Events = mpsc::UnboundedReceiver<Event>;

/// What happened to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A token; its text may be empty while a character or a stop string is open.
    Token {
        text: String,
        /// Tokens of this answer so far.
        completion_tokens: u64,
    },
    /// The answer is whole, with the text that was still held back.
    Finished {
        text: String,
        reason: FinishReason,
        completion_tokens: u64,
    },
    /// The model was dropped while the answer was made.
    Dropped,
    /// A fault of ours.
    Failed,
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
            ignores_end: false,
            counters,
            counts_prompt: true,
            events: None,
        }
    }

    /// Bytes for keys and values that it may come to need.
    pub(super) fn cache_bytes(&self) -> usize {
        (self.prompt.len() + self.most_tokens) * self.model.base.model.cache_bytes_per_token()
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.events
            .as_ref()
            .is_none_or(mpsc::UnboundedSender::is_closed)
    }
}
