//! A running cluster.

use nix::sys::signal::Signal;
use tokio::process::Child;

use crate::{DatabaseError, database, home::Lock, process::Process};

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

    /// A role that may log in and owns nothing, made where it is missing; answers its address of the same database.
    /// Its password is a new one each time.
    ///
    /// # Errors
    /// Where `name` would need quoting (a-z, 0-9 and `_` are taken), or the server does not answer.
    pub async fn role(&self, name: &str) -> Result<String, DatabaseError> {
        let password = data_encoding::HEXLOWER.encode(&rand::random::<[u8; 24]>());
        database::ensure_role(&self.url, name, &password).await?;
        let (_, place) = self.url.rsplit_once('@').unwrap_or_default();
        Ok(format!("postgres://{name}:{password}@{place}"))
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
