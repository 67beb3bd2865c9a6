//! What a withdrawal would touch: the blast radius, found by the same foreign keys that the cascade walks.

use serde::Serialize;

use super::store;
use crate::{
    db::{Db, StoreError},
    ids::{DatasetId, DatasetVersionId},
    jobs::{self, JobBrief},
    keys,
};

/// Everything that stands on a dataset.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Its versions.
    pub versions: Vec<DatasetVersionId>,
    /// Jobs that asked for one of them, over or not.
    pub jobs: Vec<JobBrief>,
    /// Models made from it, and from those.
    pub models: Vec<ReachedModel>,
    /// Keys that may use one of these models.
    pub keys: usize,
    /// Tokens of it that were read in training.
    pub tokens_read: i64,
}

/// A model that a withdrawal touches.
#[derive(Debug, Clone, Serialize)]
pub struct ReachedModel {
    pub id: crate::ids::ModelId,
    pub name: String,
    pub institution: String,
    pub is_served: bool,
}

impl Reach {
    /// How many of the jobs would still be stopped.
    #[must_use]
    pub fn unfinished_jobs(&self) -> usize {
        self.jobs.iter().filter(|job| !job.status.is_over()).count()
    }
}

/// What stands on `dataset` now.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn reach(db: &Db, dataset: DatasetId) -> Result<Reach, StoreError> {
    let mut conn = db.read().await?;
    let versions = store::versions(&mut conn, dataset).await?;
    let jobs = jobs::using_versions(&mut conn, &versions).await?;
    let models = store::models(&mut conn, &versions).await?;
    let ids: Vec<_> = models.iter().map(|model| model.id).collect();
    let keys = keys::for_models(&mut conn, &ids).await?.len();
    let tokens_read = store::tokens_read(&mut conn, &versions).await?;
    Ok(Reach {
        versions,
        jobs,
        models,
        keys,
        tokens_read,
    })
}
