//! Between the protocol's types and the store's.

use std::time::{Duration, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use s3s::{
    S3Error, S3ErrorCode, S3Result,
    dto::{self, ETag, Timestamp},
    s3_error,
};

use crate::store::{
    StoreError,
    record::{Algorithm, Attributes, ChecksumKind},
};

/// The most that `x-amz-meta-*` may hold, names and values together; S3's own limit in bytes.
const MAX_USER_METADATA: usize = 2 * 1024;
/// Status 507: the disk is full. S3 itself has no code for that.
const INSUFFICIENT_STORAGE: http::StatusCode = http::StatusCode::INSUFFICIENT_STORAGE;

/// The checksums that a request or a named part gives.
macro_rules! given_checksums {
    ($input:expr) => {
        $crate::digest::from_dto(s3s::dto::Checksum {
            checksum_crc32: $input.checksum_crc32.clone(),
            checksum_crc32c: $input.checksum_crc32c.clone(),
            checksum_crc64nvme: $input.checksum_crc64nvme.clone(),
            checksum_sha1: $input.checksum_sha1.clone(),
            checksum_sha256: $input.checksum_sha256.clone(),
            checksum_type: None,
        })
    };
}

/// Writes checksums into an answer.
macro_rules! set_checksums {
    ($output:expr, $sums:expr) => {{
        use $crate::store::record::Algorithm;
        let sums = &$sums;
        $output.checksum_crc32 = sums.get(&Algorithm::Crc32).cloned();
        $output.checksum_crc32c = sums.get(&Algorithm::Crc32c).cloned();
        $output.checksum_crc64nvme = sums.get(&Algorithm::Crc64Nvme).cloned();
        $output.checksum_sha1 = sums.get(&Algorithm::Sha1).cloned();
        $output.checksum_sha256 = sums.get(&Algorithm::Sha256).cloned();
    }};
}

/// The attributes that a request gives.
macro_rules! given_attributes {
    ($input:expr) => {
        $crate::service::convert::checked($crate::store::record::Attributes {
            content_type: $input.content_type.clone(),
            content_encoding: $input.content_encoding.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_language: $input.content_language.clone(),
            cache_control: $input.cache_control.clone(),
            expires: $input.expires.clone(),
            user: $input
                .metadata
                .clone()
                .unwrap_or_default()
                .into_iter()
                .collect(),
        })
    };
}

/// Writes attributes into an answer.
macro_rules! set_attributes {
    ($output:expr, $attributes:expr) => {{
        let attributes = $attributes;
        // S3's own default, and what a browser saves instead of shows.
        $output.content_type = attributes
            .content_type
            .or_else(|| Some("binary/octet-stream".to_owned()));
        $output.content_encoding = attributes.content_encoding;
        $output.content_disposition = attributes.content_disposition;
        $output.content_language = attributes.content_language;
        $output.cache_control = attributes.cache_control;
        $output.expires = attributes.expires;
        $output.metadata =
            (!attributes.user.is_empty()).then(|| attributes.user.into_iter().collect());
    }};
}

/// Refuses what this server would otherwise ignore silently: encryption, locks, tags, foreign access.
macro_rules! refuse_unsupported {
    ($input:expr) => {
        if $input.server_side_encryption.is_some()
            || $input.sse_customer_algorithm.is_some()
            || $input.sse_customer_key.is_some()
            || $input.ssekms_key_id.is_some()
        {
            return Err(s3s::s3_error!(
                NotImplemented,
                "server-side encryption is not offered"
            ));
        }
        if $input.object_lock_mode.is_some()
            || $input.object_lock_legal_hold_status.is_some()
            || $input.object_lock_retain_until_date.is_some()
        {
            return Err(s3s::s3_error!(NotImplemented, "object lock is not offered"));
        }
        if $input.tagging.is_some() {
            return Err(s3s::s3_error!(NotImplemented, "tags are not offered"));
        }
        let acl = $input.acl.as_ref().map(|acl| acl.as_str());
        if !matches!(acl, None | Some("private" | "bucket-owner-full-control")) {
            return Err(s3s::s3_error!(
                NotImplemented,
                "access control lists are not offered"
            ));
        }
    };
}

pub(super) use {
    given_attributes, given_checksums, refuse_unsupported, set_attributes, set_checksums,
};

/// Attributes within the limits.
pub(super) fn checked(attributes: Attributes) -> S3Result<Attributes> {
    let pairs = attributes.user.iter();
    let bytes: usize = pairs.map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_USER_METADATA {
        return Err(S3Error::with_message(
            S3ErrorCode::MetadataTooLarge,
            "user metadata may have 2 KiB",
        ));
    }
    Ok(attributes)
}

/// Milliseconds since 1970 as a time, in whole seconds as HTTP has them.
pub(super) fn timestamp(ms: u64) -> Timestamp {
    Timestamp::from(UNIX_EPOCH + Duration::from_secs(ms / 1000))
}

pub(super) fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

pub(super) fn strong(etag: String) -> ETag {
    ETag::Strong(etag)
}

/// The algorithm that a request names.
pub(super) fn algorithm(name: &dto::ChecksumAlgorithm) -> S3Result<Algorithm> {
    Algorithm::from_name(name.as_str())
        .ok_or_else(|| s3_error!(InvalidRequest, "unknown checksum algorithm"))
}

pub(super) fn checksum_type(kind: ChecksumKind) -> dto::ChecksumType {
    dto::ChecksumType::from_static(match kind {
        ChecksumKind::FullObject => dto::ChecksumType::FULL_OBJECT,
        ChecksumKind::Composite => dto::ChecksumType::COMPOSITE,
    })
}

pub(super) fn algorithm_name(algorithm: Algorithm) -> dto::ChecksumAlgorithm {
    dto::ChecksumAlgorithm::from_static(algorithm.name())
}

/// A key as a listing shows it: percent-encoded where the client asked for that.
pub(super) fn shown_key(key: &str, encoding: Option<&dto::EncodingType>) -> String {
    if encoding.is_none() {
        return key.to_owned();
    }
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    key.bytes().map(encode).collect()
}

/// Makes a continuation token of text.
pub(super) fn token(text: &str) -> String {
    BASE64URL_NOPAD.encode(text.as_bytes())
}

/// The text of a continuation token that this server made.
pub(super) fn from_token(token: &str) -> S3Result<String> {
    let invalid = || s3_error!(InvalidArgument, "the continuation token is not valid");
    let bytes = BASE64URL_NOPAD
        .decode(token.as_bytes())
        .map_err(|_| invalid())?;
    String::from_utf8(bytes).map_err(|_| invalid())
}

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::NoSuchBucket => S3ErrorCode::NoSuchBucket,
            StoreError::BucketExists => S3ErrorCode::BucketAlreadyOwnedByYou,
            StoreError::BucketNotEmpty => S3ErrorCode::BucketNotEmpty,
            StoreError::NoSuchKey | StoreError::Deleted(_) => S3ErrorCode::NoSuchKey,
            StoreError::IsDeleteMarker(_) => S3ErrorCode::MethodNotAllowed,
            StoreError::NoSuchVersion => S3ErrorCode::NoSuchVersion,
            StoreError::PreconditionFailed => S3ErrorCode::PreconditionFailed,
            StoreError::NoSuchUpload => S3ErrorCode::NoSuchUpload,
            StoreError::InvalidPart(_) => S3ErrorCode::InvalidPart,
            StoreError::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
            StoreError::PartTooSmall(_) => S3ErrorCode::EntityTooSmall,
            StoreError::BadDigest => S3ErrorCode::BadDigest,
            StoreError::OtherChecksumAlgorithm { .. } | StoreError::WrongSize { .. } => {
                S3ErrorCode::InvalidRequest
            }
            StoreError::Full(_) => S3ErrorCode::Custom("InsufficientStorage".into()),
            StoreError::Stopping | StoreError::InUse => S3ErrorCode::ServiceUnavailable,
            StoreError::Blobs(_)
            | StoreError::Metadata(_)
            | StoreError::Record(_)
            | StoreError::Corrupt(_) => S3ErrorCode::InternalError,
        };
        let mut answer = match &error {
            StoreError::Blobs(_)
            | StoreError::Metadata(_)
            | StoreError::Record(_)
            | StoreError::Corrupt(_) => {
                tracing::error!(error = ?error, "the object store failed");
                Self::with_message(code, "the store failed; see the server's log")
            }
            other => Self::with_message(code, other.to_string()),
        };
        if matches!(error, StoreError::Full(_)) {
            answer.set_status_code(INSUFFICIENT_STORAGE);
        }
        if let StoreError::Deleted(id) | StoreError::IsDeleteMarker(id) = &error {
            answer.set_headers(marker_headers(id, &error));
        }
        answer
    }
}

fn marker_headers(id: &str, error: &StoreError) -> http::HeaderMap {
    let mut headers = http::HeaderMap::new();
    let xml = http::HeaderValue::from_static("application/xml");
    headers.insert(http::header::CONTENT_TYPE, xml);
    let yes = http::HeaderValue::from_static("true");
    headers.insert("x-amz-delete-marker", yes);
    if let Ok(id) = http::HeaderValue::from_str(id) {
        headers.insert("x-amz-version-id", id);
    }
    if matches!(error, StoreError::IsDeleteMarker(_)) {
        let allow = http::HeaderValue::from_static("DELETE");
        headers.insert(http::header::ALLOW, allow);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_as_the_text_it_was_made_of() {
        let text = "kéy/with\nodd\u{1}signs";
        assert_eq!(from_token(&token(text)).unwrap(), text);
        assert!(from_token("not a token!").is_err());
    }

    #[test]
    fn keys_are_encoded_only_when_asked_for() {
        let url = dto::EncodingType::from_static(dto::EncodingType::URL);
        assert_eq!(shown_key("a b/é", Some(&url)), "a%20b/%C3%A9");
        assert_eq!(shown_key("a b/é", None), "a b/é");
    }
}
