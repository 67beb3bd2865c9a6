//! Continuous batching: one thread that computes a step for all running sequences, over and over.

mod batch;
mod gauges;
mod job;
mod prefix;
mod sequence;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use language_model::inference::Activations;
use tokio::sync::mpsc;

use self::batch::Batch;
pub use self::{
    gauges::Gauges,
    job::{Event, Events, Job, Scored, ScoredToken},
};

/// How much runs at once.
#[derive(Debug, Clone, Copy)]
pub struct EngineLimits {
    /// Most sequences that are computed together.
    pub running: usize,
    /// Most sequences that wait.
    pub waiting: usize,
    /// Memory for the keys and values of all running sequences, and of earlier ones as far as there is room.
    pub cache_bytes: usize,
    pub activations: Activations,
    /// Threads that compute; none: one for each processor.
    pub threads: Option<usize>,
}

/// Why a job was not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SubmitError {
    #[error("too many requests are waiting")]
    Full,
    /// However few wait, there is never room for all of them.
    #[error("at most {most} answers can wait")]
    TooMany { most: usize },
    #[error("the engine has stopped")]
    Stopped,
}

/// The way into the engine's thread, which ends when all copies are dropped.
#[derive(Debug, Clone)]
pub struct Engine {
    jobs: mpsc::Sender<Job>,
    gauges: Arc<Gauges>,
    cache_bytes: usize,
}

impl Engine {
    /// Starts the engine's thread.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(limits: EngineLimits) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel(limits.waiting.max(1));
        let gauges = Arc::new(Gauges::default());
        let batch = Batch::new(limits, waiting, Arc::clone(&gauges));
        thread::Builder::new()
            .name("engine".to_owned())
            .spawn(|| batch.run())?;
        Ok(Self {
            jobs,
            gauges,
            cache_bytes: limits.cache_bytes,
        })
    }

    /// Queues a job; dropping the returned events stops it within one step.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub fn submit(&self, job: Job) -> Result<Events, SubmitError> {
        let mut events = self.submit_all(vec![job])?;
        events.pop().ok_or(SubmitError::Stopped)
    }

    /// Queues all jobs, or none of them where there is no room for all.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub fn submit_all(&self, jobs: Vec<Job>) -> Result<Vec<Events>, SubmitError> {
        let count = jobs.len() as u64;
        let most = self.jobs.max_capacity();
        // Before they are sent: the engine may take them at once.
        self.gauges.waiting.fetch_add(count, Ordering::Relaxed);
        let places = self.jobs.try_reserve_many(jobs.len()).map_err(|error| {
            self.gauges.waiting.fetch_sub(count, Ordering::Relaxed);
            self.gauges.refused.fetch_add(1, Ordering::Relaxed);
            match error {
                mpsc::error::TrySendError::Full(()) if jobs.len() > most => {
                    SubmitError::TooMany { most }
                }
                mpsc::error::TrySendError::Full(()) => SubmitError::Full,
                mpsc::error::TrySendError::Closed(()) => SubmitError::Stopped,
            }
        })?;
        let queued = places.zip(jobs).map(|(place, mut job)| {
            let (sender, events) = mpsc::unbounded_channel();
            job.events = Some(sender);
            place.send(job);
            events
        });
        Ok(queued.collect())
    }

    /// What it does, in Prometheus' text form.
    pub fn metrics(&self) -> String {
        self.gauges.to_prometheus(self.cache_bytes)
    }

    /// How many sequences are computed, and how many wait.
    pub fn load(&self) -> (u64, u64) {
        let count = |gauge: &AtomicU64| gauge.load(Ordering::Relaxed);
        (count(&self.gauges.running), count(&self.gauges.waiting))
    }

    /// Whether the thread still runs.
    pub fn is_running(&self) -> bool {
        !self.jobs.is_closed()
    }

    /// Returns once the thread has ended, which it does by itself only when it panicked.
    pub async fn stopped(&self) {
        self.jobs.closed().await;
    }
}

/// Marks a model that is served no more.
type Dropped = Arc<AtomicBool>;
