use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ApiError, fields};

/// A file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// `file-…`
    pub id: String,
    /// Always `file`.
    pub object: String,
    pub bytes: i64,
    /// Seconds since 1970.
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub filename: String,
    /// `fine-tune` or `fine-tune-results`.
    pub purpose: String,
    /// `uploaded`, `processed` or `error`: what `wait_for_processing` of the SDKs waits for.
    pub status: String,
    /// Why it cannot be used.
    pub status_details: Option<String>,
    /// What OpenAI has no field for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gptnl: Option<Value>,
}

/// A file that comes in parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Upload {
    /// `upload_…`
    pub id: String,
    /// Always `upload`.
    pub object: String,
    pub bytes: i64,
    pub created_at: i64,
    pub expires_at: i64,
    pub filename: String,
    pub purpose: String,
    /// `pending`, `completed`, `cancelled` or `expired`.
    pub status: String,
    /// Once it is completed.
    pub file: Option<File>,
}

/// A part of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadPart {
    /// `part_…`
    pub id: String,
    /// Always `upload.part`.
    pub object: String,
    pub created_at: i64,
    pub upload_id: String,
}

/// What opens an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUpload {
    pub bytes: i64,
    pub filename: String,
    pub mime_type: String,
    pub purpose: String,
}

/// Of one upload; SDKs cut files in pieces of 64 MiB.
pub const MAX_UPLOAD_BYTES: i64 = 8 << 30;

impl NewUpload {
    /// Reads a body.
    ///
    /// # Errors
    /// 400 that names the field that does not fit.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let map = fields::object(body)?;
        let text = |name: &str| -> Result<String, ApiError> {
            fields::string(&map, name)?.ok_or_else(|| fields::missing(name))
        };
        let filename = text("filename")?;
        let mime_type = text("mime_type")?;
        let purpose = text("purpose")?;
        let bytes = fields::integer(&map, "bytes", 1..=MAX_UPLOAD_BYTES)?
            .ok_or_else(|| fields::missing("bytes"))?;
        no_expiry(fields::given(&map, "expires_after").is_some())?;
        Ok(Self {
            bytes,
            filename,
            mime_type,
            purpose,
        })
    }
}

/// Refuses a date on which a file would go by itself: a promise that is not kept would be worse.
///
/// # Errors
/// 400 where one was given.
pub fn no_expiry(is_given: bool) -> Result<(), ApiError> {
    if is_given {
        let message =
            "Files do not expire by themselves here; delete the file when it is no longer needed.";
        return Err(ApiError::unsupported_param("expires_after", message));
    }
    Ok(())
}

/// What completes an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompleteUpload {
    /// In the order of the file.
    pub part_ids: Vec<String>,
    /// Of the whole, in hexadecimal, where it was given.
    pub md5: Option<String>,
}

/// Parts of one upload.
pub const MAX_PARTS: usize = 10_000;

impl CompleteUpload {
    /// Reads a body.
    ///
    /// # Errors
    /// 400 that names the field that does not fit.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let map = fields::object(body)?;
        let Some(Value::Array(list)) = fields::given(&map, "part_ids") else {
            return Err(fields::missing("part_ids"));
        };
        if list.is_empty() || list.len() > MAX_PARTS {
            let message = format!("'part_ids' must have between 1 and {MAX_PARTS} ids.");
            return Err(ApiError::invalid_param("part_ids", message));
        }
        let part_ids = list
            .iter()
            .map(|id| id.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| fields::wrong_type("part_ids", "a list of ids"))?;
        Ok(Self {
            part_ids,
            md5: fields::string(&map, "md5")?.map(|md5| md5.to_ascii_lowercase()),
        })
    }
}
