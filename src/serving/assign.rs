//! What one serving program should have.

use std::time::Duration;

use job_contract::{Assignment, Assignments, ModelFile, ModelKind};

use super::store;
use crate::{
    db::{Db, StoreError},
    error::AppError,
    ids::ServingProcessId,
    models,
    objects::{ObjectError, ObjectStore},
};

/// How long the addresses of files hold.
const HOLDS: Duration = Duration::from_secs(900);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AssignError {
    #[error("it has not reported, or too long ago")]
    Unknown,
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for AssignError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<AssignError> for AppError {
    fn from(error: AssignError) -> Self {
        match error {
            AssignError::Unknown => Self::NotFound,
            AssignError::Objects(why) => why.into(),
            AssignError::Store(why) => why.into(),
        }
    }
}

/// Everything that the program should have now, bases first, with addresses to read the files from.
pub(super) async fn assignments(
    db: &Db,
    objects: &ObjectStore,
    process: ServingProcessId,
) -> Result<Assignments, AssignError> {
    let mut conn = db.read().await?;
    if !store::is_alive(&mut conn, process).await? {
        return Err(AssignError::Unknown);
    }
    let mut all = Vec::new();
    for one in store::assigned(&mut conn, process).await? {
        let mut files = Vec::new();
        for file in models::files_of(&mut conn, one.model).await? {
            let url = objects
                .presign_get(&file.object_key, &file.object_version, HOLDS)
                .await?;
            files.push(ModelFile {
                name: file.name,
                size_bytes: u64::try_from(file.size_bytes).unwrap_or_default(),
                sha256: file.sha256,
                url,
            });
        }
        all.push(Assignment {
            deployment: one.deployment.0,
            model: one.name,
            kind: match one.base {
                Some(base) => ModelKind::Adapter { base },
                // A whole model is served by itself, as bases are.
                None => ModelKind::Base,
            },
            files,
            receipt: models::receipt(&mut conn, one.model).await?,
        });
    }
    Ok(Assignments { models: all })
}
