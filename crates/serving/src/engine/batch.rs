use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use language_model::inference::{STEP_TOKENS, Team, Work, Workspace};
use tokio::sync::mpsc;

use super::{EngineLimits, Event, Gauges, Job, prefix::PrefixCache, sequence::Sequence};

/// All running sequences, in the order in which they started.
pub(super) struct Batch {
    limits: EngineLimits,
    waiting: mpsc::Receiver<Job>,
    /// The first of those that wait, where its cache does not fit beside those that run.
    first: Option<Job>,
    running: Vec<Sequence>,
    /// Reserved for those that run.
    cache_bytes: usize,
    prefixes: PrefixCache,
    gauges: Arc<Gauges>,
    space: Workspace,
}

impl Batch {
    pub(super) fn new(
        limits: EngineLimits,
        waiting: mpsc::Receiver<Job>,
        gauges: Arc<Gauges>,
    ) -> Self {
        let team = limits
            .threads
            .map_or_else(Team::of_all_processors, Team::new);
        Self {
            limits,
            waiting,
            first: None,
            running: Vec::new(),
            cache_bytes: 0,
            prefixes: PrefixCache::default(),
            gauges,
            space: Workspace::with_team(limits.activations, team),
        }
    }

    /// Computes until nobody can submit any more and all is done.
    pub(super) fn run(mut self) {
        loop {
            if self.running.is_empty() && self.first.is_none() {
                self.prefixes.forget_dropped();
                self.show();
                let Some(job) = self.waiting.blocking_recv() else {
                    return;
                };
                self.first = Some(job);
            }
            self.admit();
            let gauges = &self.gauges;
            self.running
                .iter_mut()
                .for_each(|sequence| sequence.check(gauges));
            self.sweep();
            self.show();
            self.step();
            self.keep();
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
                self.gauges.waiting.fetch_sub(1, Ordering::Relaxed);
                self.gauges.cancelled.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let bytes = self.cache_bytes + job.cache_bytes();
            if bytes > self.limits.cache_bytes && !self.running.is_empty() {
                self.first = Some(job);
                return;
            }
            // Those that run come before those that have been.
            self.prefixes
                .shrink(self.limits.cache_bytes.saturating_sub(bytes));
            self.gauges.waiting.fetch_sub(1, Ordering::Relaxed);
            let sequence = Sequence::start(job);
            self.cache_bytes += sequence.cache_bytes;
            self.running.push(sequence);
        }
    }

    /// Tells others how much is going on.
    fn show(&self) {
        let gauges = &self.gauges;
        let show = |gauge: &std::sync::atomic::AtomicU64, number: usize| {
            gauge.store(number as u64, Ordering::Relaxed);
        };
        show(&gauges.running, self.running.len());
        show(&gauges.reserved_bytes, self.cache_bytes);
        show(&gauges.prefix_bytes, self.prefixes.bytes());
    }

    /// Offers what has been computed to later sequences.
    fn keep(&mut self) {
        let room = self.limits.cache_bytes.saturating_sub(self.cache_bytes);
        for sequence in &mut self.running {
            sequence.keep(&mut self.prefixes, room);
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
            let mut chosen: Vec<&mut Sequence> = share(
                sequences.filter(of_base).collect(),
                &mut self.prefixes,
                &self.gauges,
            );
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
            let start = Instant::now();
            let outcome = base.model.step(&mut works, &mut self.space);
            drop(works);
            let microseconds = start.elapsed().as_micros() as u64;
            self.gauges.steps.fetch_add(1, Ordering::Relaxed);
            self.gauges
                .step_microseconds
                .fetch_add(microseconds, Ordering::Relaxed);
            if let Err(error) = outcome {
                tracing::error!(model = base.name, %error, "a step failed");
                let count = chosen.len() as u64;
                self.gauges.failed.fetch_add(count, Ordering::Relaxed);
                chosen.iter_mut().for_each(|sequence| sequence.fail());
                continue;
            }
            let finished = chosen.iter_mut().filter(|sequence| sequence.wants_logits());
            for (sequence, logits) in finished.zip(self.space.logits()) {
                sequence.advance(logits, &self.gauges);
            }
        }
    }
}

/// Sets what each sequence computes in this step, and leaves out those for which no tokens are left.
///
/// Answers come first, one token each; what is left of the step goes to prompts in the order of their start. A prompt
/// that begins as one that is being read waits for it and takes over what they have in common.
fn share<'a>(
    mut sequences: Vec<&'a mut Sequence>,
    prefixes: &mut PrefixCache,
    gauges: &Gauges,
) -> Vec<&'a mut Sequence> {
    let answering = sequences
        .iter()
        .filter(|sequence| sequence.has_begun() && sequence.pending() == 1)
        .count();
    let mut left = STEP_TOKENS.saturating_sub(answering);
    for at in 0..sequences.len() {
        let (before, rest) = sequences.split_at_mut(at);
        let Some(sequence) = rest.first_mut() else {
            break;
        };
        let start = sequence.cache.tokens();
        sequence.next = start..start;
        let is_answering = sequence.has_begun() && sequence.pending() == 1;
        if !is_answering && left == 0 {
            continue;
        }
        if !sequence.has_begun() {
            let is_known =
                |other: &&mut Sequence| !other.has_read_prompt() && sequence.can_wait_for(other);
            if before.iter().any(is_known) {
                continue;
            }
            sequence.begin(prefixes, gauges);
        }
        let start = sequence.cache.tokens();
        let count = if is_answering {
            1
        } else {
            sequence.pending().min(left)
        };
        if !is_answering {
            left -= count;
        }
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
