//! Background work: tasks that a committed change asked for, and chores that recur.

mod queue;
mod runner;

use std::{fmt, future::Future, pin::Pin};

pub use self::{
    queue::waiting_by_kind,
    runner::{Worker, WorkerError},
};

/// Why a task was not done.
/// Not itself an `Error`, so that `?` can make one of any error.
#[derive(Debug)]
pub enum TaskError {
    /// Trying again later may help.
    Retry(anyhow::Error),
    /// Trying again will not help: the task is parked and shown to operators.
    GiveUp(anyhow::Error),
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Retry(error) | Self::GiveUp(error)) = self;
        write!(f, "{error:#}")
    }
}

impl<E: Into<anyhow::Error>> From<E> for TaskError {
    fn from(error: E) -> Self {
        Self::Retry(error.into())
    }
}

/// A handler's work in progress.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<(), TaskError>> + Send + 'a>>;

/// Does tasks of one kind; `P` is what it works with (the portal's ports).
pub struct Handler<P> {
    /// `Task::KIND` of what it does.
    pub kind: &'static str,
    /// Does it. Called at least once for each task, so doing it twice must be harmless.
    pub run: for<'a> fn(&'a P, serde_json::Value) -> Running<'a>,
}

/// Something that recurs. Every worker runs it; what it does is safe to do at the same time elsewhere.
pub struct Chore<P> {
    /// For the log.
    pub name: &'static str,
    /// Time between two runs.
    pub every: std::time::Duration,
    /// Does it.
    pub run: for<'a> fn(&'a P) -> Running<'a>,
}
