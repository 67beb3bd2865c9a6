//! A file that streams in and of which the size is known at its end only: kept nowhere on the way, sent to the store in
//! parts as they fill.

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

use super::{
    open::{self, IDLE_LIFETIME, MultipartError, OpenError, reopen, with_multipart},
    store::{self, Carried},
    upload::{Upload, parse_path, part_size_bytes, tree_sha256},
    verify::Verify,
};
use crate::{
    config::Limits,
    datasets::{self, Dataset, FileState, Format},
    db::{Db, WriteTx},
    ids::{DatasetId, FileId},
    objects::{ObjectError, ObjectStore},
    policy::{Actor, Permit},
    uploads::open::Changed,
};

/// A file on its way in. One that is dropped is swept as any upload that nothing comes in for.
pub struct Receiving {
    upload: Upload,
    buffer: BytesMut,
    digests: Vec<(i32, String)>,
    size_bytes: u64,
    most_bytes: u64,
    /// An earlier try may have left something in the store.
    is_again: bool,
}

/// Writes down that a file of at most `most_bytes` comes into a dataset that can still change, for the caller to commit
/// by the permit.
///
/// # Errors
/// As opening any upload; [`AppError`](crate::error::AppError) knows the words.
pub async fn expect(
    tx: &mut WriteTx<'_>,
    limits: &Limits,
    (dataset, path, most_bytes): (DatasetId, &str, u64),
) -> Result<(Upload, Dataset, Permit), ReceiveError> {
    let path = parse_path(path).map_err(OpenError::from)?;
    if Format::of_path(&path).is_none() {
        return Err(OpenError::Kind.into());
    }
    let most_bytes = most_bytes.min(limits.file_bytes).min(limits.dataset_bytes);
    let size_bytes = i64::try_from(most_bytes).unwrap_or(i64::MAX);
    let (found, permit) = datasets::lock_editable(tx, dataset).await?;
    let id = FileId::fresh();
    let file = store::NewFile {
        id,
        version: found.version.id,
        path: &path,
        // The room that it may take; what it takes is known at its end.
        size_bytes,
        part_size_bytes: part_size_bytes(size_bytes),
        media_type: "",
        fingerprint: "",
        object_key: &format!("datasets/{dataset}/{id}"),
        expires_at: tx.now() + IDLE_LIFETIME,
    };
    let upload = open::insert(tx, (found.institution, dataset), &file).await?;
    Ok((upload, found, permit))
}

/// Opens what was expected, once that is committed.
///
/// # Errors
/// Where database or object store are away.
pub async fn receive(
    db: &Db,
    objects: &ObjectStore,
    upload: Upload,
) -> Result<Receiving, ReceiveError> {
    let upload = with_multipart(db, objects, upload).await?;
    Ok(Receiving::of(upload, false))
}

/// Takes a file that an earlier try did not finish from its first byte again; none where it waits for bytes no more.
/// What the earlier try still sends goes nowhere.
///
/// # Errors
/// Where database or object store are away.
pub async fn receive_again(
    db: &Db,
    objects: &ObjectStore,
    file: FileId,
) -> Result<Option<Receiving>, ReceiveError> {
    let mut conn = db.read().await?;
    let found = store::find(&mut conn, file).await?;
    drop(conn);
    let Some(upload) = found.filter(|upload| upload.state == FileState::Uploading) else {
        return Ok(None);
    };
    if let Some(before) = &upload.s3_upload_id {
        objects.abort_multipart(&upload.object_key, before).await?;
    }
    let upload = reopen(db, objects, upload).await?;
    Ok(Some(Receiving::of(upload, true)))
}

/// Why a file was not received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The upload could not be opened or ended.
    #[error("{0}")]
    Refused(crate::error::AppError),
    /// More came than may.
    #[error("the file has more than {0} bytes")]
    TooLarge(u64),
    /// Nothing came.
    #[error("the file is empty")]
    Empty,
}

impl From<OpenError> for ReceiveError {
    fn from(error: OpenError) -> Self {
        Self::Refused(error.into())
    }
}

macro_rules! refused {
    ($($error:ty),+) => {$(
        impl From<$error> for ReceiveError {
            fn from(error: $error) -> Self {
                OpenError::from(error).into()
            }
        }
    )+};
}
refused!(
    sqlx::Error,
    crate::db::StoreError,
    crate::db::CommitError,
    crate::datasets::EditError,
    crate::objects::ObjectError,
    MultipartError
);

impl Receiving {
    fn of(upload: Upload, is_again: bool) -> Self {
        Self {
            most_bytes: upload.size_bytes.unsigned_abs(),
            upload,
            buffer: BytesMut::new(),
            digests: Vec::new(),
            size_bytes: 0,
            is_again,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> FileId {
        self.upload.id
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`ReceiveError::TooLarge`] beyond what it may have.
    pub async fn feed(&mut self, objects: &ObjectStore, bytes: &[u8]) -> Result<(), ReceiveError> {
        self.size_bytes += bytes.len() as u64;
        if self.size_bytes > self.most_bytes {
            return Err(ReceiveError::TooLarge(self.most_bytes));
        }
        let part = usize::try_from(self.upload.part_size_bytes).unwrap_or(usize::MAX);
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = part.saturating_sub(self.buffer.len()).max(1);
            let (now, later) = rest.split_at(rest.len().min(room));
            self.buffer.extend_from_slice(now);
            if self.buffer.len() >= part {
                let full = self.buffer.split().freeze();
                self.send(objects, full).await?;
            }
            rest = later;
        }
        Ok(())
    }

    async fn send(&mut self, objects: &ObjectStore, part: Bytes) -> Result<(), ReceiveError> {
        let number = i32::try_from(self.digests.len() + 1).unwrap_or(i32::MAX);
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&part));
        let upload = self.upload.s3_upload_id.as_deref().unwrap_or_default();
        objects
            .upload_part(&self.upload.object_key, upload, number, &digest, part)
            .await?;
        self.digests.push((number, digest));
        Ok(())
    }

    /// Puts the parts together and has the file verified.
    ///
    /// # Errors
    /// [`ReceiveError::Empty`] where nothing came.
    pub async fn finish(
        mut self,
        db: &Db,
        objects: &ObjectStore,
        actor: &Actor,
    ) -> Result<FileId, ReceiveError> {
        if self.size_bytes == 0 {
            return Err(ReceiveError::Empty);
        }
        if !self.buffer.is_empty() {
            let last = self.buffer.split().freeze();
            self.send(objects, last).await?;
        }
        let key = &self.upload.object_key;
        let id = self.upload.s3_upload_id.as_deref().unwrap_or_default();
        let parts = objects.list_parts(key, id).await?;
        let head = objects
            .complete_multipart(key, id, &parts, &self.digests)
            .await?;
        let digests = self.digests.iter().map(|(_, digest)| digest.as_str());
        let size_bytes = i64::try_from(self.size_bytes).unwrap_or(i64::MAX);
        let carried = Carried {
            size_bytes,
            part_size_bytes: self.upload.part_size_bytes,
            tree_sha256: tree_sha256(digests).unwrap_or_default(),
            object_version: head.version,
        };
        let mut tx = db.write(actor).await?;
        let (dataset, permit) = datasets::lock_editable(&mut tx, self.upload.dataset).await?;
        let still = store::find(tx.conn(), self.upload.id).await?;
        if still.is_none_or(|file| file.state != FileState::Uploading) {
            drop(tx);
            // Given up meanwhile: nobody waits for it.
            objects.delete(key, &carried.object_version).await?;
            return Err(ReceiveError::Refused(crate::error::AppError::conflict(
                "upload-closed",
            )));
        }
        store::set_carried(&mut tx, self.upload.id, &carried).await?;
        tx.record(&Changed {
            kind: "uploads.completed",
            institution: dataset.institution,
            dataset: dataset.id,
            file: self.upload.id,
            path: &self.upload.path,
            size_bytes,
            sha256: None,
            problem: None,
        })?;
        tx.enqueue(&Verify {
            file: self.upload.id,
        })?;
        tx.commit(permit).await?;
        if self.is_again {
            self.clear_up(objects, &carried.object_version).await;
        }
        Ok(self.upload.id)
    }

    /// Deletes what an earlier try put together and did not note. The file is there whether this works or not.
    async fn clear_up(&self, objects: &ObjectStore, kept: &str) {
        let key = &self.upload.object_key;
        let cleared = async {
            for version in objects.versions(key).await? {
                if version.version != kept {
                    objects.delete(key, &version.version).await?;
                }
            }
            Ok::<_, ObjectError>(())
        };
        if let Err(error) = cleared.await {
            tracing::warn!(file = %self.upload.id, %error, "what an earlier try left cannot be deleted");
        }
    }
}
