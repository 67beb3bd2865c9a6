//! Putting the parts together. Doing it twice, or again after a crash, comes to the same.

use super::{
    find::{FindError, find},
    open::{Changed, MultipartError},
    parts::{Stored, done, stored},
    store,
    upload::{is_sha256, tree_sha256},
    verify::Verify,
};
use crate::{
    datasets::{self, EditError, FileState},
    db::{CommitError, Db, StoreError},
    error::{AppError, Say},
    ids::FileId,
    objects::{ObjectError, ObjectStore},
    policy::Actor,
};

/// Why the parts were not put together.
#[derive(Debug, thiserror::Error)]
pub(super) enum CompleteError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("the list of parts is not that of the file")]
    Parts,
    #[error("the checksum of part {0} is not the one it was announced with")]
    Differs(i32),
    #[error("part {0} is not there")]
    Missing(i32),
    #[error("the checksum over the parts is wrong")]
    Tree,
    #[error("the store refused the parts")]
    Refused,
    #[error("the upload was given up, or completed as another file")]
    Closed,
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Objects(#[from] ObjectError),
}

impl From<sqlx::Error> for CompleteError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<MultipartError> for CompleteError {
    fn from(error: MultipartError) -> Self {
        match error {
            MultipartError::Store(why) => Self::Store(why),
            MultipartError::Objects(why) => Self::Objects(why),
        }
    }
}

impl From<CompleteError> for AppError {
    fn from(error: CompleteError) -> Self {
        let of = |key, number| Self::Invalid(Say::new(key).with("number", number));
        match error {
            CompleteError::Find(why) => why.into(),
            CompleteError::Parts => Self::invalid("upload-parts-list"),
            CompleteError::Differs(number) => of("upload-part-differs", number),
            CompleteError::Missing(number) => of("upload-part-missing", number),
            CompleteError::Tree => Self::invalid("upload-tree"),
            CompleteError::Refused => Self::invalid("upload-refused"),
            CompleteError::Closed => Self::conflict("upload-closed"),
            CompleteError::Edit(why) => why.into(),
            CompleteError::Store(why) => why.into(),
            CompleteError::Commit(why) => why.into(),
            CompleteError::Objects(why) => why.into(),
        }
    }
}

/// What the sender says of the whole.
pub(super) struct Whole<'a> {
    /// Number and SHA-256 of every part, in order.
    pub(super) parts: &'a [(i32, String)],
    /// SHA-256 over the digests of the parts.
    pub(super) tree: &'a str,
}

/// Puts the parts together and has the file verified; answers where it stands.
pub(super) async fn complete(
    db: &Db,
    objects: &ObjectStore,
    actor: &Actor,
    id: FileId,
    whole: &Whole<'_>,
) -> Result<FileState, CompleteError> {
    let upload = find(db, actor, id).await?;
    if !is_sha256(whole.tree)
        || tree_sha256(whole.parts.iter().map(|(_, digest)| digest.as_str())).as_deref()
            != Some(whole.tree)
    {
        return Err(CompleteError::Tree);
    }
    match upload.state {
        FileState::Uploading => {}
        FileState::Verifying | FileState::Ready | FileState::Rejected
            if upload.tree_sha256.as_deref() == Some(whole.tree) =>
        {
            return Ok(upload.state);
        }
        FileState::Verifying | FileState::Ready | FileState::Rejected | FileState::Aborted => {
            return Err(CompleteError::Closed);
        }
    }
    let mut conn = db.read().await?;
    let announced = store::parts(&mut conn, id).await?;
    drop(conn);
    let count = usize::try_from(upload.part_count()).unwrap_or(0);
    let is_whole = whole.parts.len() == count
        && whole
            .parts
            .iter()
            .map(|(number, _)| *number)
            .eq(1..=upload.part_count());
    if !is_whole {
        return Err(CompleteError::Parts);
    }
    for (number, digest) in whole.parts {
        match announced.iter().find(|part| part.number == *number) {
            None => return Err(CompleteError::Missing(*number)),
            Some(part) if part.sha256 != *digest => return Err(CompleteError::Differs(*number)),
            Some(_) => {}
        }
    }
    let there = stored(db, objects, &upload).await?;
    let done: Vec<i32> = done(&there, &announced).map(|part| part.number).collect();
    if let Some(number) = (1..=upload.part_count()).find(|number| !done.contains(number)) {
        return Err(CompleteError::Missing(number));
    }
    let head = match there {
        Stored::Whole => objects.head(&upload.object_key).await?,
        Stored::Parts(parts) => objects
            .complete_multipart(
                &upload.object_key,
                upload.s3_upload_id.as_deref().unwrap_or_default(),
                &parts,
                whole.parts,
            )
            .await
            .map_err(|error| {
                if error.is_refused {
                    CompleteError::Refused
                } else {
                    error.into()
                }
            })?,
    };
    let mut tx = db.write(actor).await?;
    let (dataset, permit) = datasets::lock_editable(&mut tx, upload.dataset).await?;
    let upload = store::find(tx.conn(), id)
        .await?
        .ok_or(FindError::NotFound(id))?;
    match upload.state {
        FileState::Uploading => {}
        // Completed twice at the same time: the other one was first.
        FileState::Verifying | FileState::Ready | FileState::Rejected => return Ok(upload.state),
        FileState::Aborted => return Err(CompleteError::Closed),
    }
    store::set_verifying(&mut tx, id, whole.tree, &head.version).await?;
    tx.record(&Changed {
        kind: "uploads.completed",
        institution: dataset.institution,
        dataset: dataset.id,
        file: id,
        path: &upload.path,
        size_bytes: upload.size_bytes,
        sha256: None,
        problem: None,
    })?;
    tx.enqueue(&Verify { file: id })?;
    tx.commit(permit).await?;
    Ok(FileState::Verifying)
}
