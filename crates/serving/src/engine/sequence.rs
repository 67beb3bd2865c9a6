use std::sync::atomic::{AtomicU64, Ordering};

use language_model::inference::{
    KvCache, PAGE_TOKENS, Sampler, StopMatcher, TextStream, likeliest, log_total,
};
use openai_api::FinishReason;

use super::{Dropped, Event, Gauges, Job, Scored, ScoredToken, prefix::PrefixCache};

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
    /// Whether earlier sequences have been asked for the same start.
    has_begun: bool,
    /// Whether the prompt has been offered to later sequences.
    is_prompt_kept: bool,
    prompt_tokens: usize,
    sampler: Sampler,
    text: TextStream,
    stops: StopMatcher,
    completion_tokens: u64,
    is_over: bool,
}

impl Sequence {
    pub(super) fn start(mut job: Job) -> Self {
        if let (true, Some(counters)) = (job.counts_prompt, &job.counters) {
            counters.count_prompt(job.prompt.len());
        }
        let tokens = std::mem::take(&mut job.prompt);
        Self {
            cache: job
                .model
                .base
                .model
                .new_cache(tokens.len() + job.most_tokens),
            cache_bytes: job
                .model
                .base
                .model
                .cache_bytes(tokens.len() + job.most_tokens),
            has_begun: false,
            is_prompt_kept: false,
            prompt_tokens: tokens.len(),
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

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether the prompt has been computed.
    pub(super) fn has_read_prompt(&self) -> bool {
        self.cache.tokens() >= self.prompt_tokens
    }

    /// Whether `other` will leave pages that this one can start with, once its prompt has been computed.
    pub(super) fn can_wait_for(&self, other: &Self) -> bool {
        let page = |sequence: &Self| sequence.tokens.first_chunk::<PAGE_TOKENS>().copied();
        self.job.model.serial == other.job.model.serial
            && self.tokens.len() > PAGE_TOKENS
            && page(self) == page(other)
    }

    /// Takes over what an earlier sequence has computed for the same start.
    pub(super) fn begin(&mut self, prefixes: &mut PrefixCache, gauges: &Gauges) {
        self.has_begun = true;
        let pages = prefixes.find(self.job.model.serial, &self.tokens);
        self.cache.start_with(pages);
        count(&gauges.prompt_tokens, self.prompt_tokens);
        count(&gauges.cached_tokens, self.cache.tokens());
    }

    /// Offers what has been computed to later sequences: the prompt once it has been read, the answer at its end.
    pub(super) fn keep(&mut self, prefixes: &mut PrefixCache, room: usize) {
        let is_due = self.is_over || (self.has_read_prompt() && !self.is_prompt_kept);
        if !is_due || !self.has_begun {
            return;
        }
        self.is_prompt_kept = true;
        let model = &self.job.model;
        prefixes.keep(
            (model.serial, &model.is_dropped),
            &self.tokens,
            &self.cache,
            (model.base.model.cache_bytes(1), room),
        );
    }

    /// Whether the next step reads all that is pending, so that a token can be chosen after it.
    pub(super) fn wants_logits(&self) -> bool {
        self.next.end == self.tokens.len()
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Ends a sequence that nobody reads any more, or whose model is gone.
    pub(super) fn check(&mut self, gauges: &Gauges) {
        let dropped: &Dropped = &self.job.model.is_dropped;
        if dropped.load(Ordering::Relaxed) {
            self.tell(Event::Dropped);
            self.is_over = true;
        }
        self.is_over |= self.job.is_abandoned();
        count(&gauges.cancelled, usize::from(self.is_over));
    }

    pub(super) fn fail(&mut self) {
        self.tell(Event::Failed);
        self.is_over = true;
    }

    /// Chooses the next token and tells what it adds to the text.
    pub(super) fn advance(&mut self, logits: &mut [f32], gauges: &Gauges) {
        let log_total = self.job.logprobs.map(|_| log_total(logits));
        let alternatives = self.job.logprobs.map(|count| likeliest(logits, count));
        // The sampler may change the logits: probabilities are told as the model gave them.
        let raw = self.job.logprobs.map(|_| logits.to_vec());
        if let Some(constraint) = &self.job.constraint {
            let ends = self.job.model.base.tokenizer.ends();
            if !constraint.restrict(logits, ends) {
                tracing::warn!(model = self.job.model.name, "no token fits the wanted form");
                count(&gauges.failed, 1);
                self.fail();
                return;
            }
        }
        let token = self.sampler.choose(logits);
        self.tokens.push(token);
        if self.completion_tokens == 0 {
            gauges.first_token.note(self.job.since.elapsed());
        }
        self.completion_tokens += 1;
        count(&gauges.completion_tokens, 1);
        if let Some(counters) = &self.job.counters {
            counters.count_token();
        }
        let tokenizer = &self.job.model.base.tokenizer;
        let score = |token: u32| Scored {
            bytes: tokenizer.token_bytes(token),
            logprob: raw
                .as_ref()
                .and_then(|raw| raw.get(token as usize))
                .map_or(f32::NEG_INFINITY, |logit| {
                    logit - log_total.unwrap_or_default()
                }),
        };
        let is_end = !self.job.ignores_end && tokenizer.ends().contains(&token);
        let scored = alternatives.filter(|_| !is_end).map(|alternatives| {
            Box::new(ScoredToken {
                chosen: score(token),
                top: alternatives.into_iter().map(score).collect(),
            })
        });
        let mut text = String::new();
        if !is_end {
            let whole = self.text.push(&tokenizer.token_bytes(token));
            text = self.stops.push(&whole);
        }
        let is_whole = self.job.constraint.as_mut().is_some_and(|constraint| {
            constraint.advance(&tokenizer.token_bytes(token));
            !is_end && constraint.is_whole()
        });
        let reason = if is_end || is_whole || self.stops.is_stopped() {
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
                scored,
            });
            return;
        };
        // The end of an unfinished character may itself complete a stop string; neither shows then.
        let rest = self.text.finish();
        text.push_str(&self.stops.push(&rest));
        text.push_str(&self.stops.finish());
        // Whoever hears of the end finds the counts closed.
        self.job.counters = None;
        count(&gauges.finished, 1);
        self.tell(Event::Finished {
            text,
            reason,
            completion_tokens: self.completion_tokens,
            scored,
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

fn count(gauge: &AtomicU64, more: usize) {
    gauge.fetch_add(more as u64, Ordering::Relaxed);
}
