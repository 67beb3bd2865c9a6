//! Opening an upload: everything that can be refused is refused here, before any byte is sent.

use chrono::TimeDelta;
use serde::Serialize;

use super::{
    store,
    upload::{InvalidPath, Upload, parse_path, part_size_bytes},
};
use crate::{
    config::Limits,
    datasets::{self, EditError, FileState, Format},
    db::{CommitError, Db, Event, StoreError, Subject, WriteTx},
    error::{AppError, Say},
    ids::{DatasetId, FileId, InstitutionId},
    objects::{ObjectError, ObjectStore},
    policy::Actor,
};

/// How long an upload is kept open after the last sign of life.
pub(super) const IDLE_LIFETIME: TimeDelta = TimeDelta::days(7);
const MOST_FILES: i64 = 10_000;

/// A file that somebody wants to send.
#[derive(Debug, Clone)]
pub(super) struct NewUpload<'a> {
    pub(super) path: &'a str,
    pub(super) size_bytes: u64,
    pub(super) media_type: &'a str,
    /// What the sender knows the file by; the same again finds an upload that is still open.
    pub(super) fingerprint: &'a str,
}

/// Why no upload was opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Path(#[from] InvalidPath),
    #[error("files of this kind are not taken")]
    Kind,
    #[error("the file is empty")]
    Empty,
    #[error("a file has at most {0} bytes")]
    FileTooLarge(u64),
    #[error("the dataset has room for {0} bytes")]
    NoRoom(u64),
    #[error("the dataset has as many files as it may have")]
    TooManyFiles,
    #[error("there is a file of this name")]
    PathTaken,
    #[error("the fingerprint is too long")]
    Fingerprint,
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Objects(#[from] ObjectError),
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<OpenError> for AppError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Path(InvalidPath::Empty) => Self::invalid("upload-path-empty"),
            OpenError::Path(InvalidPath::TooLong) => Self::invalid("upload-path-too-long"),
            OpenError::Path(InvalidPath::Forbidden) => Self::invalid("upload-path-forbidden"),
            OpenError::Kind => Self::invalid("upload-wrong-kind"),
            OpenError::Empty => Self::invalid("upload-empty"),
            OpenError::FileTooLarge(most) => {
                Self::TooLarge(Say::new("upload-file-too-large").with("most", megabytes(most)))
            }
            OpenError::NoRoom(room) => {
                Self::TooLarge(Say::new("upload-no-room").with("room", megabytes(room)))
            }
            OpenError::TooManyFiles => {
                Self::TooLarge(Say::new("upload-too-many-files").with("most", MOST_FILES))
            }
            OpenError::PathTaken => Self::conflict("upload-path-taken"),
            OpenError::Fingerprint => Self::invalid("upload-fingerprint"),
            OpenError::Edit(why) => why.into(),
            OpenError::Store(why) => why.into(),
            OpenError::Commit(why) => why.into(),
            OpenError::Objects(why) => why.into(),
        }
    }
}

fn megabytes(bytes: u64) -> u64 {
    bytes / 1_000_000
}

#[derive(Serialize)]
pub(super) struct Changed<'a> {
    #[serde(skip)]
    pub(super) kind: &'static str,
    #[serde(skip)]
    pub(super) institution: InstitutionId,
    #[serde(skip)]
    pub(super) dataset: DatasetId,
    pub(super) file: FileId,
    pub(super) path: &'a str,
    pub(super) size_bytes: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<&'a datasets::Fault>,
}

impl Event for Changed<'_> {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "dataset",
            id: self.dataset.0,
            institution: self.institution,
        }
    }
}

/// Opens an upload into a dataset that can still change, or finds the one that was opened for the same file.
pub(super) async fn open(
    db: &Db,
    objects: &ObjectStore,
    limits: &Limits,
    actor: &Actor,
    (dataset, new): (DatasetId, NewUpload<'_>),
) -> Result<Upload, OpenError> {
    let mut tx = db.write(actor).await?;
    let (found, permit) = datasets::lock_editable(&mut tx, dataset).await?;
    let path = parse_path(new.path)?;
    if Format::of_path(&path).is_none() {
        return Err(OpenError::Kind);
    }
    if new.size_bytes == 0 {
        return Err(OpenError::Empty);
    }
    let size_bytes = match i64::try_from(new.size_bytes) {
        Ok(size) if new.size_bytes <= limits.file_bytes => size,
        _ => return Err(OpenError::FileTooLarge(limits.file_bytes)),
    };
    if new.fingerprint.chars().count() > 600 || new.fingerprint.contains('\0') {
        return Err(OpenError::Fingerprint);
    }
    if let Some(live) = store::find_live(tx.conn(), found.version.id, &path).await? {
        let is_same = live.state == FileState::Uploading
            && live.size_bytes == size_bytes
            && live.fingerprint == new.fingerprint;
        if !is_same {
            return Err(OpenError::PathTaken);
        }
        drop(tx);
        return Ok(with_multipart(db, objects, live).await?);
    }
    let (files, taken) = store::taken(tx.conn(), found.version.id).await?;
    let room = limits
        .dataset_bytes
        .saturating_sub(u64::try_from(taken).unwrap_or(0));
    if new.size_bytes > room {
        return Err(OpenError::NoRoom(room));
    }
    if files >= MOST_FILES {
        return Err(OpenError::TooManyFiles);
    }
    let id = FileId::fresh();
    let is_media_type = new.media_type.len() <= 100 && new.media_type.is_ascii();
    let file = store::NewFile {
        id,
        version: found.version.id,
        path: &path,
        size_bytes,
        part_size_bytes: part_size_bytes(size_bytes),
        media_type: if is_media_type { new.media_type } else { "" },
        fingerprint: new.fingerprint,
        object_key: &format!("datasets/{dataset}/{id}"),
        expires_at: tx.now() + IDLE_LIFETIME,
    };
    let upload = insert(&mut tx, (found.institution, dataset), &file).await?;
    tx.commit(permit).await?;
    // After the commit: an upload in the store that no row knows would never be swept.
    Ok(with_multipart(db, objects, upload).await?)
}

/// Writes a new upload down and records it, for the caller to commit.
pub(super) async fn insert(
    tx: &mut WriteTx<'_>,
    (institution, dataset): (InstitutionId, DatasetId),
    file: &store::NewFile<'_>,
) -> Result<Upload, OpenError> {
    store::insert(tx, file).await?;
    tx.record(&Changed {
        kind: "uploads.opened",
        institution,
        dataset,
        file: file.id,
        path: file.path,
        size_bytes: file.size_bytes,
        sha256: None,
        problem: None,
    })?;
    let upload = store::find(tx.conn(), file.id).await?;
    Ok(upload.ok_or(sqlx::Error::RowNotFound)?)
}

/// What opening in the object store can fail with.
#[derive(Debug, thiserror::Error)]
pub(super) enum MultipartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Objects(#[from] ObjectError),
}

impl From<sqlx::Error> for MultipartError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<MultipartError> for OpenError {
    fn from(error: MultipartError) -> Self {
        match error {
            MultipartError::Store(why) => Self::Store(why),
            MultipartError::Objects(why) => Self::Objects(why),
        }
    }
}

/// The upload with its counterpart in the object store, which is opened where there is none.
pub(super) async fn with_multipart(
    db: &Db,
    objects: &ObjectStore,
    upload: Upload,
) -> Result<Upload, MultipartError> {
    if upload.s3_upload_id.is_some() {
        return Ok(upload);
    }
    reopen(db, objects, upload).await
}

/// Opens a new counterpart in the object store in place of the one that is noted.
pub(super) async fn reopen(
    db: &Db,
    objects: &ObjectStore,
    mut upload: Upload,
) -> Result<Upload, MultipartError> {
    let opened = objects.create_multipart(&upload.object_key).await?;
    let mut tx = db.meter().await?;
    let before = upload.s3_upload_id.as_deref();
    if store::set_multipart(&mut tx, upload.id, before, &opened).await? {
        tx.commit().await?;
        upload.s3_upload_id = Some(opened);
        return Ok(upload);
    }
    drop(tx);
    // Somebody was first, or the upload ended meanwhile.
    objects.abort_multipart(&upload.object_key, &opened).await?;
    let mut conn = db.read().await?;
    Ok(store::find(&mut conn, upload.id).await?.unwrap_or(upload))
}
