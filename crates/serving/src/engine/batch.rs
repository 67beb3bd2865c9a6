use std::sync::Arc;

use language_model::inference::{Work, Workspace};
use tokio::sync::mpsc;

use super::{EngineLimits, Event, Job, sequence::Sequence};

/// Most tokens of one step: enough to keep the processor busy, few enough not to hold up running answers.
const STEP_TOKENS: usize = 128;

/// All running sequences, in the order in which they started.
pub(super) struct Batch {
    limits: EngineLimits,
    waiting: mpsc::Receiver<Job>,
    /// The first of those that wait, where its cache does not fit beside those that run.
    first: Option<Job>,
    running: Vec<Sequence>,
    cache_bytes: usize,
    space: Workspace,
}

impl Batch {
    pub(super) fn new(limits: EngineLimits, waiting: mpsc::Receiver<Job>) -> Self {
        Self {
            limits,
            waiting,
            first: None,
            running: Vec::new(),
            cache_bytes: 0,
            space: Workspace::new(limits.activations),
        }
    }

    /// Computes until nobody can submit any more and all is done.
    pub(super) fn run(mut self) {
        loop {
            if self.running.is_empty() && self.first.is_none() {
                let Some(job) = self.waiting.blocking_recv() else {
                    return;
                };
                self.first = Some(job);
            }
            self.admit();
            self.running.iter_mut().for_each(Sequence::check);
            self.sweep();
            self.step();
            self.sweep();
        }
    }

    /// Starts those that wait, first come first served, as far as there is room.
    fn admit(&mut self) {
        while self.running.len() < self.limits.running.max(1) {
            let Some(job) = self.first.take().or_else(|| self.waiting.try_recv().ok()) else {
                return;
            };
            if job.is_abandoned() {
                continue;
            }
            let fits = self.cache_bytes + job.cache_bytes() <= self.limits.cache_bytes;
            if !fits && !self.running.is_empty() {
                self.first = Some(job);
                return;
            }
            let sequence = Sequence::start(job);
            self.cache_bytes += sequence.cache_bytes;
            self.running.push(sequence);
        }
    }

    /// Forgets the sequences that are over.
    fn sweep(&mut self) {
        let freed: usize = self
            .running
            .iter()
            .filter(|s| s.is_over())
            .map(|s| s.cache_bytes)
            .sum();
        self.cache_bytes -= freed;
        self.running.retain(|sequence| !sequence.is_over());
    }

    /// One step of each base that has running sequences.
    fn step(&mut self) {
        let mut bases: Vec<_> = Vec::new();
        for sequence in &self.running {
            let base = &sequence.job.model.base;
            if !bases.iter().any(|known| Arc::ptr_eq(known, base)) {
                bases.push(Arc::clone(base));
            }
        }
        for base in bases {
            let sequences = self.running.iter_mut();
            let of_base = |sequence: &&mut Sequence| Arc::ptr_eq(&sequence.job.model.base, &base);
            let mut chosen: Vec<&mut Sequence> = share(sequences.filter(of_base).collect());
            let mut works: Vec<Work<'_>> = chosen
                .iter_mut()
                .map(|sequence| Work {
                    wants_logits: sequence.wants_logits(),
                    tokens: sequence
                        .tokens
                        .get(sequence.next.clone())
                        .unwrap_or_default(),
                    cache: &mut sequence.cache,
                    adapter: sequence.job.model.adapter.as_deref(),
                })
                .collect();
            let outcome = base.model.step(&mut works, &mut self.space);
            drop(works);
            if let Err(error) = outcome {
                tracing::error!(model = base.name, %error, "a step failed");
                chosen.iter_mut().for_each(|sequence| sequence.fail());
                continue;
            }
            let finished = chosen.iter_mut().filter(|sequence| sequence.wants_logits());
            for (sequence, logits) in finished.zip(self.space.logits()) {
                sequence.advance(logits);
            }
        }
    }
}

/// Sets what each sequence computes in this step, and leaves out those for which no tokens are left.
///
/// Answers come first, one token each; what is left of the step goes to prompts in the order of their start.
fn share(mut sequences: Vec<&mut Sequence>) -> Vec<&mut Sequence> {
    let answering = sequences
        .iter()
        .filter(|sequence| sequence.pending() == 1)
        .count();
    let mut left = STEP_TOKENS.saturating_sub(answering);
    for sequence in &mut sequences {
        let pending = sequence.pending();
        let count = if pending == 1 { 1 } else { pending.min(left) };
        if pending > 1 {
            left -= count;
        }
        let start = sequence.cache.tokens();
        sequence.next = start..start + count;
    }
    sequences.retain(|sequence| !sequence.next.is_empty());
    sequences
}

impl Drop for Batch {
    fn drop(&mut self) {
        // Whoever waits hears of a panic; after a regular end nobody is left.
        for sequence in &mut self.running {
            sequence.fail();
        }
        let first = self.first.take();
        let rest = std::iter::from_fn(|| self.waiting.try_recv().ok());
        for job in first.into_iter().chain(rest) {
            if let Some(events) = &job.events {
                // Nobody may be listening, which is fine.
                drop(events.send(Event::Failed));
            }
        }
    }
}
