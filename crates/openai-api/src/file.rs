use std::ops::RangeInclusive;

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
    /// After how many seconds the file goes by itself, from its creation.
    pub expires_seconds: Option<u32>,
}

/// How long a file that goes by itself stays, in seconds: an hour to thirty days.
const EXPIRY_SECONDS: RangeInclusive<u32> = 3600..=2_592_000;

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
        let expires_seconds = match fields::given(&map, "expires_after") {
            None => None,
            Some(Value::Object(after)) => {
                let anchor = fields::string(after, "anchor")?;
                let seconds = after.get("seconds").map(Value::to_string);
                expiry(anchor.as_deref().or(Some("")), seconds.as_deref())?
            }
            Some(_) => return Err(fields::wrong_type("expires_after", "an object")),
        };
        Ok(Self {
            bytes,
            filename,
            mime_type,
            purpose,
            expires_seconds,
        })
    }
}

/// After how many seconds from its creation a file goes by itself; `anchor` and `seconds` as they stand in a form.
///
/// # Errors
/// 400 where one of the two is missing, or is what OpenAI does not take either.
pub fn expiry(anchor: Option<&str>, seconds: Option<&str>) -> Result<Option<u32>, ApiError> {
    if anchor.is_none() && seconds.is_none() {
        return Ok(None);
    }
    if anchor != Some("created_at") {
        let message = "'expires_after[anchor]' must be 'created_at'.";
        return Err(ApiError::invalid_param("expires_after.anchor", message));
    }
    let seconds = seconds
        .and_then(|text| text.parse().ok())
        .filter(|seconds| EXPIRY_SECONDS.contains(seconds));
    seconds.map(Some).ok_or_else(|| {
        let message = format!(
            "'expires_after[seconds]' must be a whole number from {} to {}.",
            EXPIRY_SECONDS.start(),
            EXPIRY_SECONDS.end()
        );
        ApiError::invalid_param("expires_after.seconds", message)
    })
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
