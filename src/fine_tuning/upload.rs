//! Files that come in parts of any size, in an order that is known at the end only: the parts wait in the object store, and
//! are read into the dataset's file once they are all there ([`super::put_together`]).

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use openai_api::{ApiError, NewUpload};
use serde_json::json;
use uuid::Uuid;

use super::{
    advance::AdvanceError,
    create::Written,
    failure::refused,
    file::{self, ApiFile},
    happened::Happened,
    ids::Of,
    store::{self, uploads::Noted},
};
use crate::{
    config::Config,
    db::Db,
    ids::{ApiKeyId, FileId},
    objects::ObjectStore,
    policy::{self, Action, Actor, Scope},
};

/// How long parts may come in; longer than OpenAI's hour, for slow lines.
const LIFETIME: TimeDelta = TimeDelta::hours(24);
/// How long a part may take from the portal to the object store.
const ON_THEIR_WAY: TimeDelta = TimeDelta::hours(1);
/// Of one part, as the SDKs cut them.
pub(super) const MOST_PART_BYTES: usize = 64 * 1024 * 1024;
/// Of an institution at the same time: what their parts take in the store is nobody's until they are complete.
const MOST_OPEN: i64 = 20;

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
    /// After how many seconds the file that it becomes goes by itself.
    pub(super) file_expires_seconds: Option<u32>,
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

fn state(message: impl Into<String>) -> ApiError {
    ApiError::new(
        400,
        "invalid_request_error",
        Some("invalid_upload_state"),
        message,
    )
}

/// What is said to whoever would go on with an upload that has ended.
pub(super) fn ended(upload: &Upload) -> ApiError {
    state(match upload.status.as_str() {
        "completed" => "The upload is complete and takes no part any more.".to_owned(),
        "cancelled" => {
            "The upload was cancelled, and its parts are deleted. Begin a new one.".to_owned()
        }
        "expired" => format!(
            "The upload expired at {}, {} hours after it was begun, and its parts are deleted. Begin a new one.",
            upload.expires_at.format("%Y-%m-%d %H:%M UTC"),
            LIFETIME.num_hours(),
        ),
        status => format!("The upload is {status}."),
    })
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
    if new.bytes.unsigned_abs() > file::most_bytes(&config.limits) {
        return Err(file::larger_than_any(&config.limits, "bytes"));
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
            file_expires_seconds: new.expires_seconds,
            receiving: None,
            file: None,
        };
        if !store::uploads::insert(&mut tx, &upload, MOST_OPEN).await? {
            return Ok(None);
        }
        tx.record(&Happened {
            kind: "fine_tuning.upload_opened",
            subject: ("api_upload", upload.id),
            institution: actor.institution,
            facts: json!({ "upload": upload.id, "filename": upload.filename, "bytes": upload.bytes }),
        })?;
        tx.commit(permit).await?;
        Ok::<_, Written>(Some(upload))
    };
    written.await.map_err(refused)?.ok_or_else(too_many)
}

/// 429 that the SDKs do not send again: waiting does not cure it.
fn too_many() -> ApiError {
    let message = format!(
        "Your institution has {MOST_OPEN} open uploads, and may have no more. Complete one of them, or cancel one that \
         nobody goes on with (client.uploads.cancel); each ends {} hours after it was begun.",
        LIFETIME.num_hours()
    );
    let code = Some("too_many_uploads");
    let mut error = ApiError::new(429, "invalid_request_error", code, message);
    error.is_final = true;
    error
}

/// One upload of the actor's institution.
pub(super) async fn find(db: &Db, actor: &Actor, text: &str) -> Result<Upload, ApiError> {
    let missing = || Of::Upload.missing(text);
    let id = Of::Upload.parse(text).ok_or_else(missing)?;
    let mut conn = db.read().await.map_err(refused)?;
    store::uploads::find(&mut conn, (actor.institution, id), db.now())
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
    if upload.status != "pending" {
        return Err(ended(upload));
    }
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
    let noted = store::uploads::insert_part(&mut tx, upload.id, &part)
        .await
        .map_err(refused)?;
    match noted {
        Noted::Yes => {}
        Noted::Ended => return Err(state("The upload has ended meanwhile.")),
        Noted::Full => {
            return Err(state(format!(
                "The upload has all the parts that it may have: {} bytes were announced.",
                upload.bytes
            )));
        }
    }
    tx.commit().await.map_err(refused)?;
    let version = objects
        .put(&part.object_key, bytes)
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

/// Gives an upload up.
pub(super) async fn cancel(db: &Db, actor: &Actor, upload: &Upload) -> Result<Upload, ApiError> {
    match upload.status.as_str() {
        "cancelled" => return Ok(upload.clone()),
        "pending" => {}
        _ => return Err(ended(upload)),
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
        return Err(state(
            "The parts are being put together: the upload cannot be cancelled now.",
        ));
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
    for upload in store::uploads::to_clear(&mut conn, db.now() - ON_THEIR_WAY).await? {
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
