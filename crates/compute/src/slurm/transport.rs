//! By what Slurm is asked.

use async_trait::async_trait;

use super::{record::Record, script::Request};
use crate::ComputeError;

/// Slurm's queue and accounts, of our user's jobs only: names alone could be taken by anybody.
#[async_trait]
pub(super) trait Queue: Send + Sync {
    /// The jobs with these names that Slurm has in mind: what waits and runs, and for some minutes what ended.
    async fn named(&self, names: &[String]) -> Result<Vec<Record>, ComputeError>;

    /// All our user's jobs that wait or run.
    async fn active(&self) -> Result<Vec<Record>, ComputeError>;

    /// The jobs with these names in the accounts; nothing where Slurm keeps none.
    async fn history(&self, names: &[String]) -> Result<Vec<Record>, ComputeError>;

    /// The ids of what waits in a partition, whoever's it is, the next one first.
    async fn waiting(&self, partition: &str) -> Result<Vec<u64>, ComputeError>;

    /// Puts a job into the queue and answers its id.
    async fn submit(&self, request: &Request) -> Result<u64, ComputeError>;

    /// Takes jobs out of the queue, or ends them; those that are over are no error.
    async fn cancel(&self, ids: &[u64]) -> Result<(), ComputeError>;
}
