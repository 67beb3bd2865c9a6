//! Files that come in parts of any size, in an order that is known at the end only: the parts wait in the object store, and
//! are read into the dataset's file once they are all there.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use md5::{Digest as _, Md5};
use openai_api::{ApiError, CompleteUpload, NewUpload};
use serde_json::json;
use uuid::Uuid;

use super::{
    advance::AdvanceError,
    create::Written,
    failure::refused,
    file::{self, ApiFile, NewFile, Said},
    happened::Happened,
    ids::Of,
    store,
};
use crate::{
    config::Config,
    datasets::FileState,
    db::Db,
    ids::{ApiKeyId, FileId},
    objects::ObjectStore,
    policy::{self, Action, Actor, Scope},
};

/// How long parts may come in; longer than OpenAI's hour, for slow lines.
const LIFETIME: TimeDelta = TimeDelta::hours(24);
/// How long one request may put parts together before another may try.
const LEASE: TimeDelta = TimeDelta::minutes(30);
/// Of one part, as the SDKs cut them.
pub(super) const MOST_PART_BYTES: usize = 64 * 1024 * 1024;

/// A file that comes in parts.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) id: Uuid,
    pub(super) key: ApiKeyId,
    pub(super) filename: String,
    pub(super) bytes: i64,
    /// `pending`, `completed`, `cancelled` or `expired`.
    pub(super) status: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    /// What it is being put together as.
    pub(super) receiving: Option<FileId>,
    /// What it was put together as.
    pub(super) file: Option<FileId>,
}

/// A part in the object store.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) id: Uuid,
    pub(super) size_bytes: i64,
    pub(super) object_key: String,
    /// Once it is there.
    pub(super) object_version: Option<String>,
    pub(super) created_at: DateTime<Utc>,
}

impl Upload {
    /// As the SDKs read it.
    pub(super) fn as_wire(&self, file: Option<&ApiFile>, origin: &str) -> openai_api::Upload {
        openai_api::Upload {
            id: Of::Upload.id(self.id),
            object: "upload".into(),
            bytes: self.bytes,
            created_at: self.created_at.timestamp(),
            expires_at: self.expires_at.timestamp(),
            filename: self.filename.clone(),
            purpose: file::PURPOSE.into(),
            status: self.status.clone(),
            file: file.map(|file| file.as_wire(origin)),
        }
    }
}

fn state(message: &str) -> ApiError {
    ApiError::new(
        400,
        "invalid_request_error",
        Some("invalid_upload_state"),
        message,
    )
}

/// Opens an upload.
pub(super) async fn create(
    db: &Db,
    config: &Config,
    actor: &Actor,
    key: ApiKeyId,
    new: NewUpload,
) -> Result<Upload, ApiError> {
    file::check_purpose(&new.purpose)?;
    let filename = file::check_name(&new.filename).map_err(|error| error.with_param("filename"))?;
    let most = config.limits.file_bytes.min(config.limits.dataset_bytes);
    if new.bytes.unsigned_abs() > most {
        return Err(ApiError::new(
            413,
            "invalid_request_error",
            Some("file_too_large"),
            format!("A file has at most {most} bytes here."),
        )
        .with_param("bytes"));
    }
    let own = Scope::of(actor.institution);
    let permit = policy::check(actor, Action::RegisterDataset, &own).map_err(|_| {
        ApiError::permission_denied(
            "role_missing",
            "Whoever requested this key may not register data for the institution: that takes the role of contributor or \
             manager.",
        )
    })?;
    let written = async {
        let mut tx = db.write(actor).await?;
        let upload = Upload {
            id: Uuid::now_v7(),
            key,
            filename,
            bytes: new.bytes,
            status: "pending".into(),
            created_at: tx.now(),
            expires_at: tx.now() + LIFETIME,
            receiving: None,
            file: None,
        };
        store::uploads::insert(&mut tx, &upload).await?;
        tx.record(&Happened {
            kind: "fine_tuning.upload_opened",
            subject: ("api_upload", upload.id),
            institution: actor.institution,
            facts: json!({ "upload": upload.id, "filename": upload.filename, "bytes": upload.bytes }),
        })?;
        tx.commit(permit).await?;
        Ok::<_, Written>(upload)
    };
    written.await.map_err(refused)
}

/// One upload of the actor's institution.
pub(super) async fn find(db: &Db, actor: &Actor, text: &str) -> Result<Upload, ApiError> {
    let missing = || Of::Upload.missing(text);
    let id = Of::Upload.parse(text).ok_or_else(missing)?;
    let mut conn = db.read().await.map_err(refused)?;
    store::uploads::find(&mut conn, actor.institution, id)
        .await
        .map_err(refused)?
        .ok_or_else(missing)
}

/// Keeps one part.
pub(super) async fn add_part(
    db: &Db,
    objects: &ObjectStore,
    upload: &Upload,
    bytes: Bytes,
) -> Result<Part, ApiError> {
    let id = Uuid::now_v7();
    let mut part = Part {
        id,
        size_bytes: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        object_key: format!("api-uploads/{}/{id}", upload.id),
        object_version: None,
        created_at: db.now(),
    };
    if part.size_bytes == 0 {
        return Err(ApiError::invalid_param("data", "The part is empty."));
    }
    let mut tx = db.meter().await.map_err(refused)?;
    if !store::uploads::insert_part(&mut tx, upload.id, &part)
        .await
        .map_err(refused)?
    {
        return Err(state(
            "The upload takes no part any more: it has ended, or its parts are more than was announced.",
        ));
    }
    tx.commit().await.map_err(refused)?;
    let version = objects
        .put(&part.object_key, bytes.to_vec())
        .await
        .map_err(refused)?;
    let mut tx = db.meter().await.map_err(refused)?;
    store::uploads::set_stored(&mut tx, part.id, &version)
        .await
        .map_err(refused)?;
    tx.commit().await.map_err(refused)?;
    part.object_version = Some(version);
    Ok(part)
}

/// Puts the parts together, in the order that is given now. The same again answers the same file.
pub(super) async fn complete(
    db: &Db,
    objects: &ObjectStore,
    config: &Config,
    actor: &Actor,
    (upload, asked): (&Upload, &CompleteUpload),
) -> Result<Upload, ApiError> {
    match upload.status.as_str() {
        "completed" => return Ok(upload.clone()),
        "pending" => {}
        status => return Err(state(&format!("The upload is {status}."))),
    }
    let mut conn = db.read().await.map_err(refused)?;
    let there = store::uploads::parts(&mut conn, upload.id)
        .await
        .map_err(refused)?;
    drop(conn);
    let parts = in_order(&there, upload, asked)?;
    let mut tx = db.meter().await.map_err(refused)?;
    let is_ours = store::uploads::claim(&mut tx, upload.id, LEASE)
        .await
        .map_err(refused)?;
    if !is_ours {
        // Sent again while the first one is still at work: the SDKs wait and ask again.
        return Err(ApiError::overloaded("The parts are being put together.", 5));
    }
    tx.commit().await.map_err(refused)?;
    let done = put_together(db, objects, config, actor, (upload, asked, &parts)).await;
    match done {
        Ok(file) => finish(db, actor, upload, file).await,
        Err(error) => {
            let mut tx = db.meter().await.map_err(refused)?;
            store::uploads::release(&mut tx, upload.id)
                .await
                .map_err(refused)?;
            tx.commit().await.map_err(refused)?;
            Err(error)
        }
    }
}

/// The parts that are named, where they come to the bytes that were announced.
fn in_order<'a>(
    there: &'a [Part],
    upload: &Upload,
    asked: &CompleteUpload,
) -> Result<Vec<&'a Part>, ApiError> {
    let mut parts = Vec::with_capacity(asked.part_ids.len());
    for text in &asked.part_ids {
        let found = Of::Part
            .parse(text)
            .and_then(|id| there.iter().find(|part| part.id == id))
            .filter(|part| part.object_version.is_some())
            .ok_or_else(|| {
                let shown: String = text.chars().take(100).collect();
                let message = format!("There is no part {shown} in this upload.");
                ApiError::invalid_param("part_ids", message)
            })?;
        if parts.iter().any(|part: &&Part| part.id == found.id) {
            return Err(ApiError::invalid_param(
                "part_ids",
                "A part is named twice.",
            ));
        }
        parts.push(found);
    }
    let sum: i64 = parts.iter().map(|part| part.size_bytes).sum();
    if sum != upload.bytes {
        let message = format!(
            "The parts have {sum} bytes together, and {} were announced.",
            upload.bytes
        );
        return Err(ApiError::invalid_param("part_ids", message));
    }
    Ok(parts)
}

async fn put_together(
    db: &Db,
    objects: &ObjectStore,
    config: &Config,
    actor: &Actor,
    (upload, asked, parts): (&Upload, &CompleteUpload, &[&Part]),
) -> Result<FileId, ApiError> {
    // A first try may have finished the file and not the upload.
    if let Some(id) = upload.receiving {
        let mut conn = db.read().await.map_err(refused)?;
        let file = store::files::find(&mut conn, actor.institution, id)
            .await
            .map_err(refused)?;
        match file.map(|file| file.state) {
            Some(FileState::Verifying | FileState::Ready | FileState::Rejected) => return Ok(id),
            Some(FileState::Uploading | FileState::Aborted) | None => {}
        }
    }
    if let Some(md5) = &asked.md5 {
        let mut whole = Md5::new();
        for part in parts {
            read(objects, part, |bytes| whole.update(bytes)).await?;
        }
        if data_encoding::HEXLOWER.encode(&whole.finalize()) != *md5 {
            let message = "The MD5 of the whole is not the one that was sent.";
            return Err(ApiError::invalid_param("md5", message));
        }
    }
    let new = NewFile {
        key: upload.key,
        filename: &upload.filename,
        said: &Said::new(),
        most_bytes: upload.bytes.unsigned_abs(),
    };
    let mut receiving = file::begin(db, objects, config, actor, &new).await?;
    let mut tx = db.meter().await.map_err(refused)?;
    store::uploads::set_receiving(&mut tx, upload.id, receiving.id())
        .await
        .map_err(refused)?;
    tx.commit().await.map_err(refused)?;
    for part in parts {
        let version = part.object_version.as_deref().unwrap_or("null");
        let mut body = objects
            .read(&part.object_key, version)
            .await
            .map_err(refused)?;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(broken)?;
            receiving
                .feed(objects, &chunk)
                .await
                .map_err(file::not_received)?;
        }
    }
    receiving
        .finish(db, objects, actor)
        .await
        .map_err(file::not_received)
}

async fn read(
    objects: &ObjectStore,
    part: &Part,
    mut take: impl FnMut(&[u8]),
) -> Result<(), ApiError> {
    let version = part.object_version.as_deref().unwrap_or("null");
    let mut body = objects
        .read(&part.object_key, version)
        .await
        .map_err(refused)?;
    while let Some(chunk) = body.next().await {
        take(&chunk.map_err(broken)?);
    }
    Ok(())
}

fn broken(error: aws_sdk_s3::primitives::ByteStreamError) -> ApiError {
    tracing::warn!(%error, "a part of an upload could not be read");
    ApiError::overloaded("The object store broke off.", 5)
}

async fn finish(db: &Db, actor: &Actor, upload: &Upload, file: FileId) -> Result<Upload, ApiError> {
    let own = Scope::of(actor.institution);
    let permit = policy::check(actor, Action::RegisterDataset, &own).map_err(refused)?;
    let written = async {
        let mut tx = db.write(actor).await?;
        if store::uploads::set_completed(&mut tx, upload.id, file).await? {
            tx.record(&Happened {
                kind: "fine_tuning.upload_completed",
                subject: ("api_upload", upload.id),
                institution: actor.institution,
                facts: json!({ "upload": upload.id, "file": file }),
            })?;
            tx.commit(permit).await?;
        }
        Ok::<_, Written>(())
    };
    written.await.map_err(refused)?;
    find(db, actor, &Of::Upload.id(upload.id)).await
}

/// Gives an upload up.
pub(super) async fn cancel(db: &Db, actor: &Actor, upload: &Upload) -> Result<Upload, ApiError> {
    if upload.status == "cancelled" {
        return Ok(upload.clone());
    }
    let own = Scope::of(actor.institution);
    let permit = policy::check(actor, Action::RegisterDataset, &own).map_err(refused)?;
    let written = async {
        let mut tx = db.write(actor).await?;
        let is_done = store::uploads::set_cancelled(&mut tx, upload.id).await?;
        if is_done {
            tx.record(&Happened {
                kind: "fine_tuning.upload_cancelled",
                subject: ("api_upload", upload.id),
                institution: actor.institution,
                facts: json!({ "upload": upload.id }),
            })?;
            tx.commit(permit).await?;
        }
        Ok::<_, Written>(is_done)
    };
    if !written.await.map_err(refused)? {
        return Err(state("The upload cannot be cancelled as it stands."));
    }
    find(db, actor, &Of::Upload.id(upload.id)).await
}

/// Ends uploads of which the time is over, and frees what the parts of ended ones take.
///
/// # Errors
/// Where the database or the object store is away.
pub async fn sweep(db: &Db, objects: &ObjectStore) -> Result<(), AdvanceError> {
    let mut tx = db.meter().await?;
    store::uploads::expire(&mut tx).await?;
    tx.commit().await?;
    let mut conn = db.read().await?;
    for upload in store::uploads::to_clear(&mut conn).await? {
        let away = |error: crate::objects::ObjectError| AdvanceError::Change(error.to_string());
        for part in store::uploads::parts(&mut conn, upload).await? {
            // Also what came in while its note was being written: every version there is.
            for version in objects.versions(&part.object_key).await.map_err(away)? {
                objects
                    .delete(&part.object_key, &version.version)
                    .await
                    .map_err(away)?;
            }
        }
        let mut tx = db.meter().await?;
        store::uploads::set_cleared(&mut tx, upload).await?;
        tx.commit().await?;
    }
    Ok(())
}
