//! Stopping a server.

use std::{
    io,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::{Cluster, process::Process};

/// How long a fast shutdown may take; it writes a checkpoint.
const FAST: Duration = Duration::from_secs(60);
/// How long an immediate shutdown may take; it writes nothing and recovers at the next start.
const IMMEDIATE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Why a server still runs.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The system did not let us signal it.
    #[error("the database server (process {pid}) could not be signalled")]
    Signal {
        /// Process id of the server.
        pid: u32,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// It took both requests and did not end.
    #[error("the database server (process {0}) does not stop")]
    StillRunning(u32),
}

impl Cluster {
    /// Ends all sessions and stops the server; returns when it is gone. One that is gone already is no error.
    ///
    /// # Errors
    /// [`StopError`] where it still runs: after 60 seconds for a clean end and 10 more for a forced one.
    pub async fn stop(mut self) -> Result<(), StopError> {
        stop(self.process).await?;
        self.is_stopped = true;
        if let Some(child) = &mut self.child
            && let Err(error) = child.wait().await
        {
            tracing::warn!(%error, "the exit status of the database server was lost");
        }
        Ok(())
    }
}

/// Fast shutdown (SIGINT), then immediate (SIGQUIT); never SIGKILL, which would leave shared memory behind.
pub(crate) async fn stop(process: Process) -> Result<(), StopError> {
    for (signal, patience) in [(Signal::SIGINT, FAST), (Signal::SIGQUIT, IMMEDIATE)] {
        process.signal(signal).map_err(|source| StopError::Signal {
            pid: process.pid(),
            source,
        })?;
        if ends_within(process, patience).await {
            return Ok(());
        }
    }
    Err(StopError::StillRunning(process.pid()))
}

pub(crate) async fn ends_within(process: Process, patience: Duration) -> bool {
    let asked = Instant::now();
    while process.is_alive() {
        if asked.elapsed() > patience {
            return false;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    true
}
