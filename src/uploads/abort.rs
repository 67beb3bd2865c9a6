//! Giving a file up, by its people or because nothing came in any more; and freeing what it took.

use serde::{Deserialize, Serialize};

use super::{
    find::{FindError, find},
    open::Changed,
    store,
};
use crate::{
    datasets::{self, EditError, FileState},
    db::{CommitError, Db, StoreError, Task},
    error::AppError,
    ids::FileId,
    objects::{ObjectError, ObjectStore},
    policy::Actor,
};

/// Frees what a file that was given up or rejected takes in the object store.
#[derive(Debug, Serialize, Deserialize)]
pub struct Discard {
    pub(super) file: FileId,
}

impl Discard {
    /// Of a file that was given up in the caller's transaction.
    #[must_use]
    pub fn of(file: FileId) -> Self {
        Self { file }
    }
}

impl Task for Discard {
    const KIND: &'static str = "uploads.discard";
}

/// Why a file was not given up.
#[derive(Debug, thiserror::Error)]
pub enum AbortError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for AbortError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<AbortError> for AppError {
    fn from(error: AbortError) -> Self {
        match error {
            AbortError::Find(why) => why.into(),
            AbortError::Edit(why) => why.into(),
            AbortError::Store(why) => why.into(),
            AbortError::Commit(why) => why.into(),
        }
    }
}

/// Gives a file up, wherever it stands, while its dataset can still change. Once done, again is fine.
///
/// # Errors
/// [`AbortError::Edit`] where its version was handed in.
pub async fn abort(db: &Db, actor: &Actor, id: FileId) -> Result<(), AbortError> {
    let upload = find(db, actor, id).await?;
    if upload.state == FileState::Aborted {
        return Ok(());
    }
    end(db, actor, id, "uploads.removed", |_| true).await
}

async fn end(
    db: &Db,
    actor: &Actor,
    id: FileId,
    kind: &'static str,
    is_due: impl Fn(FileState) -> bool,
) -> Result<(), AbortError> {
    let mut conn = db.read().await?;
    let upload = store::find(&mut conn, id)
        .await?
        .ok_or(FindError::NotFound(id))?;
    drop(conn);
    let mut tx = db.write(actor).await?;
    let (dataset, permit) = datasets::lock_editable(&mut tx, upload.dataset).await?;
    let upload = store::find(tx.conn(), id)
        .await?
        .ok_or(FindError::NotFound(id))?;
    if upload.state == FileState::Aborted || !is_due(upload.state) {
        return Ok(());
    }
    store::set_aborted(&mut tx, id).await?;
    tx.record(&Changed {
        kind,
        institution: dataset.institution,
        dataset: dataset.id,
        file: id,
        path: &upload.path,
        size_bytes: upload.size_bytes,
        sha256: None,
        problem: None,
    })?;
    tx.enqueue(&Discard { file: id })?;
    tx.commit(permit).await?;
    Ok(())
}

/// Why the sweep or the freeing stopped; trying again later may help.
#[derive(Debug, thiserror::Error)]
pub enum DiscardError {
    /// The database is away, or a row makes no sense.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object store is away.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// A change could not be made.
    #[error("{0}")]
    Change(String),
}

impl From<sqlx::Error> for DiscardError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Gives up the uploads that nothing came in for.
///
/// # Errors
/// Where the database is away; the rest is swept next time.
pub async fn sweep(db: &Db) -> Result<(), DiscardError> {
    let mut conn = db.read().await?;
    let expired = store::expired(&mut conn, db.now(), 100).await?;
    drop(conn);
    let actor = Actor::system();
    for id in expired {
        let is_due = |state| state == FileState::Uploading;
        match end(db, &actor, id, "uploads.expired", is_due).await {
            // Submitted or gone meanwhile: nothing to sweep.
            Ok(()) | Err(AbortError::Edit(EditError::Frozen(_) | EditError::NotFound(_))) => {}
            Err(AbortError::Store(why)) => return Err(why.into()),
            Err(error) => return Err(DiscardError::Change(error.to_string())),
        }
    }
    Ok(())
}

/// Frees what a file took in the object store. Doing it twice is harmless.
///
/// # Errors
/// Where database or object store are away.
pub async fn discard(db: &Db, objects: &ObjectStore, task: &Discard) -> Result<(), DiscardError> {
    let mut conn = db.read().await?;
    let Some(upload) = store::find(&mut conn, task.file).await? else {
        return Ok(());
    };
    drop(conn);
    match upload.state {
        FileState::Aborted | FileState::Rejected => {}
        FileState::Uploading | FileState::Verifying | FileState::Ready => return Ok(()),
    }
    if let Some(upload_id) = &upload.s3_upload_id {
        objects
            .abort_multipart(&upload.object_key, upload_id)
            .await?;
    }
    let version = match upload.object_version {
        Some(version) => version,
        // Put together, but given up before that was noted.
        None => match objects.head(&upload.object_key).await {
            Ok(head) => head.version,
            Err(error) if error.is_missing => return Ok(()),
            Err(error) => return Err(error.into()),
        },
    };
    objects.delete(&upload.object_key, &version).await?;
    Ok(())
}
