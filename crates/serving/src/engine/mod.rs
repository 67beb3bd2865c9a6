//! Continuous batching: one thread that computes a step for all running sequences, over and over.

mod batch;
mod job;
mod sequence;

use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
    thread,
};

use language_model::inference::Activations;
use tokio::sync::mpsc;

use self::batch::Batch;
pub use self::job::{Event, Events, Job};

/// How much runs at once.
#[derive(Debug, Clone, Copy)]
pub struct EngineLimits {
    /// Most sequences that are computed together.
    pub running: usize,
    /// Most sequences that wait.
    pub waiting: usize,
    /// Memory for the keys and values of all running sequences.
    pub cache_bytes: usize,
    pub activations: Activations,
}

/// Why a job was not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SubmitError {
    #[error("too many requests are waiting")]
    Full,
    #[error("the engine has stopped")]
    Stopped,
}

/// The way into the engine's thread, which ends when all copies are dropped.
#[derive(Debug, Clone)]
pub struct Engine {
    jobs: mpsc::Sender<Job>,
}

impl Engine {
    /// Starts the engine's thread.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(limits: EngineLimits) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel(limits.waiting.max(1));
        let batch = Batch::new(limits, waiting);
        thread::Builder::new()
            .name("engine".to_owned())
            .spawn(|| batch.run())?;
        Ok(Self { jobs })
    }

    /// Queues a job; dropping the returned events stops it within one step.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub fn submit(&self, mut job: Job) -> Result<Events, SubmitError> {
        let (sender, events) = mpsc::unbounded_channel();
        job.events = Some(sender);
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SubmitError::Full,
            mpsc::error::TrySendError::Closed(_) => SubmitError::Stopped,
        })?;
        Ok(events)
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
