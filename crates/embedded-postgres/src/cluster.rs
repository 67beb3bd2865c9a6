//! A running cluster.

use nix::sys::signal::Signal;
use tokio::process::Child;

use crate::{home::Lock, process::Process};

/// A running cluster of ours. Dropped without [`Cluster::stop`], it is asked to stop but not waited for.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) url: String,
    pub(crate) process: Process,
    /// `None` where the server was started by an owner before us.
    pub(crate) child: Option<Child>,
    pub(crate) is_stopped: bool,
    /// Held until the server is down, so that nobody else takes it over meanwhile.
    pub(crate) _lock: Lock,
}

impl Cluster {
    /// `postgres://faculty:PASSWORD@127.0.0.1:PORT/DATABASE`. Holds the password: never log it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Process id of the server.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Whether the server runs; `false` after it crashed or was killed from outside.
    pub fn is_running(&self) -> bool {
        self.process.is_alive()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.is_stopped
            && let Err(error) = self.process.signal(Signal::SIGINT)
        {
            tracing::warn!(%error, pid = self.pid(), "the database server could not be stopped");
        }
    }
}
