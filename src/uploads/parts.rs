//! Sending parts: the sender gives the checksum of each, and may then send exactly those bytes.

use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{
    find::{FindError, find},
    open::{IDLE_LIFETIME, MultipartError, reopen, with_multipart},
    store,
    upload::{Part, Upload, is_sha256},
};
use crate::{
    datasets::FileState,
    db::{Db, StoreError},
    error::{AppError, Say},
    ids::FileId,
    objects::{ObjectError, ObjectStore, PartDone},
    policy::Actor,
};

/// How long leave to send a part holds.
const LEAVE: Duration = Duration::from_secs(15 * 60);
const MOST_AT_ONCE: usize = 16;

/// Why a part was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartError {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error("between 1 and 16 parts at once")]
    Count,
    #[error("there is no part {0} of this size")]
    Size(i32),
    #[error("no SHA-256 in hexadecimal")]
    Checksum,
    #[error("part {0} was not announced")]
    Unannounced(i32),
    #[error("part {0} is not what was announced")]
    Differs(i32),
    #[error("the upload takes no parts any more")]
    Closed,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Objects(#[from] ObjectError),
}

impl From<sqlx::Error> for PartError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<MultipartError> for PartError {
    fn from(error: MultipartError) -> Self {
        match error {
            MultipartError::Store(why) => Self::Store(why),
            MultipartError::Objects(why) => Self::Objects(why),
        }
    }
}

impl From<PartError> for AppError {
    fn from(error: PartError) -> Self {
        let of = |key, number| Self::Invalid(Say::new(key).with("number", number));
        match error {
            PartError::Find(why) => why.into(),
            PartError::Count => Self::invalid("upload-part-count"),
            PartError::Size(number) => of("upload-part-size", number),
            PartError::Checksum => Self::invalid("upload-checksum"),
            PartError::Unannounced(number) => of("upload-part-unannounced", number),
            PartError::Differs(number) => of("upload-part-differs", number),
            PartError::Closed => Self::conflict("upload-closed"),
            PartError::Store(why) => why.into(),
            PartError::Objects(why) => why.into(),
        }
    }
}

/// Where to send a part, and with which headers.
pub(super) struct Leave {
    pub(super) number: i32,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
}

/// Notes the checksums of up to 16 parts and gives leave to send them: straight to the store, or through the
/// portal.
pub(super) async fn sign(
    db: &Db,
    objects: &ObjectStore,
    actor: &Actor,
    id: FileId,
    (parts, is_direct): (&[Part], bool),
) -> Result<Vec<Leave>, PartError> {
    let upload = find(db, actor, id).await?;
    if parts.is_empty() || parts.len() > MOST_AT_ONCE {
        return Err(PartError::Count);
    }
    for part in parts {
        if upload.size_of_part(part.number) != Some(part.size_bytes) {
            return Err(PartError::Size(part.number));
        }
        if !is_sha256(&part.sha256) {
            return Err(PartError::Checksum);
        }
    }
    let upload = with_multipart(db, objects, upload).await?;
    let mut tx = db.meter().await?;
    let expires_at = tx.now() + IDLE_LIFETIME;
    if !store::declare_parts(&mut tx, id, parts, expires_at).await? {
        return Err(PartError::Closed);
    }
    tx.commit().await?;
    let mut leaves = Vec::new();
    for part in parts {
        leaves.push(if is_direct {
            let signed = objects
                .presign_part(
                    &upload.object_key,
                    upload.s3_upload_id.as_deref().unwrap_or_default(),
                    part.number,
                    part.size_bytes,
                    &part.sha256,
                    LEAVE,
                )
                .await?;
            Leave {
                number: part.number,
                url: signed.url,
                headers: signed.headers,
            }
        } else {
            Leave {
                number: part.number,
                url: format!("/api/v1/uploads/{id}/parts/{}", part.number),
                headers: Vec::new(),
            }
        });
    }
    Ok(leaves)
}

/// The upload and the announced part that is about to come through the portal.
pub(super) async fn announced(
    db: &Db,
    actor: &Actor,
    id: FileId,
    number: i32,
) -> Result<(Upload, Part), PartError> {
    let upload = find(db, actor, id).await?;
    if upload.state != FileState::Uploading {
        return Err(PartError::Closed);
    }
    let mut conn = db.read().await?;
    let part = store::parts(&mut conn, id)
        .await?
        .into_iter()
        .find(|part| part.number == number)
        .ok_or(PartError::Unannounced(number))?;
    Ok((upload, part))
}

/// Passes a part on to the store, where it is what was announced.
pub(super) async fn put(
    objects: &ObjectStore,
    upload: &Upload,
    part: &Part,
    body: Bytes,
) -> Result<(), PartError> {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&body));
    if i64::try_from(body.len()) != Ok(part.size_bytes) || digest != part.sha256 {
        return Err(PartError::Differs(part.number));
    }
    let upload_id = upload.s3_upload_id.as_deref().ok_or(PartError::Closed)?;
    objects
        .upload_part(&upload.object_key, upload_id, part.number, &digest, body)
        .await
        .map_err(|error| {
            if error.is_missing {
                PartError::Closed
            } else if error.is_refused {
                PartError::Differs(part.number)
            } else {
                error.into()
            }
        })
}

/// What the store has of an upload.
pub(super) enum Stored {
    /// These parts.
    Parts(Vec<PartDone>),
    /// The whole: it was put together, but not noted.
    Whole,
}

/// Asks the store what it has. Where it knows nothing of the upload (any more), a new one is opened.
pub(super) async fn stored(
    db: &Db,
    objects: &ObjectStore,
    upload: &Upload,
) -> Result<Stored, MultipartError> {
    let Some(upload_id) = upload.s3_upload_id.as_deref() else {
        return Ok(Stored::Parts(Vec::new()));
    };
    match objects.list_parts(&upload.object_key, upload_id).await {
        Ok(parts) => Ok(Stored::Parts(parts)),
        Err(error) if error.is_missing => match objects.head(&upload.object_key).await {
            Ok(_) => Ok(Stored::Whole),
            Err(error) if error.is_missing => {
                reopen(db, objects, upload.clone()).await?;
                Ok(Stored::Parts(Vec::new()))
            }
            Err(error) => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// The announced parts that the store has just as they were announced.
pub(super) fn done<'a>(
    stored: &'a Stored,
    announced: &'a [Part],
) -> impl Iterator<Item = &'a Part> {
    announced.iter().filter(move |part| match stored {
        Stored::Whole => true,
        Stored::Parts(there) => there.iter().any(|have| {
            have.number == part.number
                && have.size_bytes == part.size_bytes
                // A store that tells no checksum is believed: reading the whole shows the truth.
                && have.sha256.as_ref().is_none_or(|sha256| *sha256 == part.sha256)
        }),
    })
}
