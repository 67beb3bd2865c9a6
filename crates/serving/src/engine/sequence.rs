use std::sync::atomic::Ordering;

use language_model::inference::{KvCache, Sampler, StopMatcher, TextStream};
use openai_api::FinishReason;

use super::{Dropped, Event, Job};

/// A job that is being computed.
#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) job: Job,
    pub(super) cache: KvCache,
    /// Tokens of the prompt, then those that were chosen.
    pub(super) tokens: Vec<u32>,
    /// Tokens of the next step, set anew for each.
    pub(super) next: std::ops::Range<usize>,
    pub(super) cache_bytes: usize,
    sampler: Sampler,
    text: TextStream,
    stops: StopMatcher,
    completion_tokens: u64,
    is_over: bool,
}

impl Sequence {
    pub(super) fn start(mut job: Job) -> Self {
        if job.counts_prompt {
            job.counters.count_prompt(job.prompt.len());
        }
        let tokens = std::mem::take(&mut job.prompt);
        Self {
            cache: job
                .model
                .base
                .model
                .new_cache(tokens.len() + job.most_tokens),
            cache_bytes: (tokens.len() + job.most_tokens)
                * job.model.base.model.cache_bytes_per_token(),
            sampler: Sampler::new(job.sampling),
            stops: StopMatcher::new(&job.stop),
            text: TextStream::default(),
            next: 0..0,
            completion_tokens: 0,
            is_over: false,
            tokens,
            job,
        }
    }

    /// Tokens that are not in the cache: one while the answer is made, more while the prompt is read.
    pub(super) fn pending(&self) -> usize {
        self.tokens.len() - self.cache.tokens()
    }

    /// Whether the next step reads all that is pending, so that a token can be chosen after it.
    pub(super) fn wants_logits(&self) -> bool {
        self.next.end == self.tokens.len()
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Ends a sequence that nobody reads any more, or whose model is gone.
    pub(super) fn check(&mut self) {
        let dropped: &Dropped = &self.job.model.is_dropped;
        if dropped.load(Ordering::Relaxed) {
            self.tell(Event::Dropped);
            self.is_over = true;
        }
        self.is_over |= self.job.is_abandoned();
    }

    pub(super) fn fail(&mut self) {
        self.tell(Event::Failed);
        self.is_over = true;
    }

    /// Chooses the next token and tells what it adds to the text.
    pub(super) fn advance(&mut self, logits: &mut [f32]) {
        let token = self.sampler.choose(logits);
        self.tokens.push(token);
        self.completion_tokens += 1;
        self.job.counters.count_token();
        let tokenizer = &self.job.model.base.tokenizer;
        let is_end = !self.job.ignores_end && tokenizer.ends().contains(&token);
        let mut text = String::new();
        if !is_end {
            let whole = self.text.push(&tokenizer.token_bytes(token));
            text = self.stops.push(&whole);
        }
        let reason = if is_end || self.stops.is_stopped() {
            Some(FinishReason::Stop)
        } else if self.completion_tokens as usize >= self.job.most_tokens {
            Some(FinishReason::Length)
        } else {
            None
        };
        let Some(reason) = reason else {
            let completion_tokens = self.completion_tokens;
            self.tell(Event::Token {
                text,
                completion_tokens,
            });
            return;
        };
        // The end of an unfinished character may itself complete a stop string; neither shows then.
        let rest = self.text.finish();
        text.push_str(&self.stops.push(&rest));
        text.push_str(&self.stops.finish());
        self.tell(Event::Finished {
            text,
            reason,
            completion_tokens: self.completion_tokens,
        });
        self.is_over = true;
    }

    fn tell(&mut self, event: Event) {
        let is_heard = self
            .job
            .events
            .as_ref()
            .is_some_and(|events| events.send(event).is_ok());
        self.is_over |= !is_heard;
    }
}
