//! The OpenAI-compatible door: who may ask which model, what it may cost, and the answer passed through.
//!
//! Prompts and answers pass; they are never logged and never stored.

mod answer;
mod ask;
mod catalogue;
mod failure;
mod guard;
mod headers;
mod lease;
mod relay;
mod rewrite;
mod sweep;
mod upstream;
pub mod web;

use secrecy::SecretString;
use tokio_util::task::TaskTracker;

use self::upstream::Client;
pub use self::{
    failure::Failure,
    guard::{Caller, body, request_id},
    sweep::sweep,
};
use crate::config::Config;

/// What all requests of one process share.
pub struct Gateway {
    client: Client,
    /// Key that secrets are hashed under.
    pepper: SecretString,
    /// Requests under way: they are finished and settled, also when their client has left.
    running: TaskTracker,
}

impl Gateway {
    /// A gateway to the deployments and the upstreams that `config` names.
    ///
    /// # Errors
    /// Where the HTTP client cannot be built.
    pub fn new(config: &Config) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: Client::new(&config.serving)?,
            pepper: config.secret.clone(),
            running: TaskTracker::new(),
        })
    }

    /// Waits until every request under way is settled; to be called once no new ones come in.
    pub async fn settled(&self) {
        self.running.close();
        self.running.wait().await;
    }
}
