//! Handing a version in: its files are frozen under one hash, and the reviews begin.

use serde::Serialize;

use super::{
    file::{FileState, ManifestEntry, manifest_sha256},
    register::EditError,
    status::{Step, WrongStatus},
    store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    error::AppError,
    ids::{DatasetId, DatasetVersionId, InstitutionId},
    policy::{self, Action, Actor, Denied},
};

/// Why a version was not submitted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    #[error("there is no dataset {0}")]
    NotFound(DatasetId),
    #[error("there is no file in it")]
    NoFiles,
    #[error("{0} is not there yet")]
    Unfinished(String),
    #[error(transparent)]
    WrongStatus(#[from] WrongStatus),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for SubmitError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<SubmitError> for AppError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::NotFound(dataset) => EditError::NotFound(dataset).into(),
            SubmitError::NoFiles => Self::conflict("datasets-no-files"),
            SubmitError::Unfinished(path) => Self::Conflict(
                crate::error::Say::new("datasets-files-unfinished").with("path", path),
            ),
            SubmitError::WrongStatus(_) => Self::conflict("datasets-wrong-status"),
            SubmitError::Denied(why) => why.into(),
            SubmitError::Store(why) => why.into(),
            SubmitError::Commit(why) => why.into(),
        }
    }
}

#[derive(Serialize)]
struct Submitted<'a> {
    #[serde(skip)]
    institution: InstitutionId,
    dataset: DatasetId,
    version: DatasetVersionId,
    manifest_sha256: &'a str,
    files: usize,
}

impl Event for Submitted<'_> {
    fn kind(&self) -> &'static str {
        "datasets.submitted"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "dataset",
            id: self.dataset.0,
            institution: self.institution,
        }
    }
}

/// Submits the newest version of a dataset; answers the hash of its manifest.
///
/// # Errors
/// [`SubmitError::Unfinished`] while a file is still coming in or being read.
pub async fn submit(db: &Db, actor: &Actor, dataset: DatasetId) -> Result<String, SubmitError> {
    let mut tx = db.write(actor).await?;
    let found = store::lock(&mut tx, dataset)
        .await?
        .ok_or(SubmitError::NotFound(dataset))?;
    let permit = policy::check(actor, Action::SubmitDataset, &found.scope())?;
    let mut version = found.version;
    version.status = version.status.after(Step::Submit)?;
    let mut entries = Vec::new();
    for file in store::files(tx.conn(), version.id).await? {
        match (file.state, file.sha256) {
            (FileState::Ready, Some(sha256)) => entries.push(ManifestEntry {
                path: file.path,
                sha256,
                size: file.size_bytes,
            }),
            (FileState::Rejected | FileState::Aborted, _) => {}
            (FileState::Uploading | FileState::Verifying | FileState::Ready, _) => {
                return Err(SubmitError::Unfinished(file.path));
            }
        }
    }
    if entries.is_empty() {
        return Err(SubmitError::NoFiles);
    }
    let files = entries.len();
    let manifest = manifest_sha256(entries).map_err(CommitError::from)?;
    version.manifest_sha256 = Some(manifest.clone());
    version.submitted_by = Some(actor.user);
    version.submitted_at = Some(tx.now());
    version.decided_at = None;
    store::save_version(&mut tx, &version).await?;
    tx.record(&Submitted {
        institution: found.institution,
        dataset,
        version: version.id,
        manifest_sha256: &manifest,
        files,
    })?;
    tx.commit(permit).await?;
    Ok(manifest)
}
