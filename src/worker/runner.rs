//! The loop that takes tasks, does them, and stops cleanly.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Chore, Handler, TaskError, queue};
use crate::db::Db;

/// Takes tasks from the queue and hands them to their handlers.
pub struct Worker<P> {
    db: Db,
    ports: Arc<P>,
    handlers: Arc<Vec<Handler<P>>>,
    chores: Vec<Chore<P>>,
}

/// Why [`Worker::run_due`] stopped.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The queue could not be read or written.
    #[error(transparent)]
    Queue(#[from] sqlx::Error),
    /// A task failed; only where the caller asked to hear of it.
    #[error("{kind}: {error}")]
    Task {
        /// Which kind.
        kind: String,
        /// Why.
        error: String,
    },
}

const IDLE: Duration = Duration::from_millis(500);
const AT_ONCE: i64 = 8;

impl<P: Send + Sync + 'static> Worker<P> {
    /// A worker for `handlers` and `chores`.
    pub fn new(db: Db, ports: Arc<P>, handlers: Vec<Handler<P>>, chores: Vec<Chore<P>>) -> Self {
        Self {
            db,
            ports,
            handlers: Arc::new(handlers),
            chores,
        }
    }

    /// Works until `stop` is cancelled, then finishes what it holds.
    pub async fn run(self, stop: CancellationToken) {
        let tracker = TaskTracker::new();
        let Self {
            db,
            ports,
            handlers,
            chores,
        } = self;
        for chore in chores {
            let (ports, stop) = (Arc::clone(&ports), stop.clone());
            tracker.spawn(async move {
                while !stop.is_cancelled() {
                    let begun = Instant::now();
                    if let Err(error) = (chore.run)(&ports).await {
                        tracing::warn!(chore = chore.name, %error, "chore failed");
                    }
                    let rest = chore.every.saturating_sub(begun.elapsed());
                    tokio::select! {
                        () = sleep(rest.max(Duration::from_millis(50))) => {}
                        () = stop.cancelled() => {}
                    }
                }
            });
        }
        while !stop.is_cancelled() {
            let leased = match queue::lease(&db, AT_ONCE).await {
                Ok(leased) => leased,
                Err(error) => {
                    tracing::warn!(%error, "the task queue cannot be read");
                    Vec::new()
                }
            };
            if leased.is_empty() {
                tokio::select! {
                    () = sleep(IDLE) => {}
                    () = stop.cancelled() => {}
                }
                continue;
            }
            let batch = TaskTracker::new();
            for task in leased {
                let (db, ports, handlers) = (db.clone(), Arc::clone(&ports), Arc::clone(&handlers));
                batch.spawn(async move {
                    if let Err(error) = perform(&db, &*ports, &handlers, task).await {
                        tracing::warn!(%error, "task failed");
                    }
                });
            }
            batch.close();
            batch.wait().await;
        }
        tracker.close();
        tracker.wait().await;
    }

    /// Does everything that is due now, and each chore once; for tests and tools that wait for it.
    ///
    /// # Errors
    /// The first task that failed.
    pub async fn run_due(&self) -> Result<(), WorkerError> {
        loop {
            let leased = queue::lease(&self.db, AT_ONCE).await?;
            if leased.is_empty() {
                break;
            }
            for task in leased {
                perform(&self.db, &*self.ports, &self.handlers, task).await?;
            }
        }
        for chore in &self.chores {
            (chore.run)(&self.ports)
                .await
                .map_err(|error| WorkerError::Task {
                    kind: chore.name.to_owned(),
                    error: error.to_string(),
                })?;
        }
        Ok(())
    }
}

async fn perform<P>(
    db: &Db,
    ports: &P,
    handlers: &[Handler<P>],
    task: queue::Leased,
) -> Result<(), WorkerError> {
    let outcome = match handlers.iter().find(|handler| handler.kind == task.kind) {
        Some(handler) => (handler.run)(ports, task.payload.clone()).await,
        None => Err(TaskError::GiveUp(anyhow::anyhow!(
            "no handler for tasks of this kind"
        ))),
    };
    match outcome {
        Ok(()) => {
            queue::done(db, &task).await?;
            Ok(())
        }
        Err(error) => {
            let is_final = matches!(error, TaskError::GiveUp(_));
            let text = error.to_string();
            queue::failed(db, &task, &text, is_final).await?;
            Err(WorkerError::Task {
                kind: task.kind,
                error: text,
            })
        }
    }
}
