//! What the metadata file holds, row by row. Every record is stored as JSON.

use std::collections::BTreeMap;

use s3s::dto::Timestamp;
use serde::{Deserialize, Serialize};

/// A bucket, by its name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) created_ms: u64,
    pub(crate) versioning: Versioning,
    /// `None` where the bucket has no rules of its own, and the server's default origins count.
    pub(crate) cors: Option<Vec<CorsRule>>,
}

/// Whether a write keeps what was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Versioning {
    Off,
    Enabled,
    Suspended,
}

/// Which pages of other origins may call a bucket, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CorsRule {
    pub(crate) id: Option<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) methods: Vec<String>,
    pub(crate) headers: Vec<String>,
    pub(crate) expose: Vec<String>,
    pub(crate) max_age_seconds: Option<i32>,
}

/// One version of a key: an object, or (without content) a delete marker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) modified_ms: u64,
    pub(crate) content: Option<Content>,
}

/// The name of the version that a bucket without versioning keeps.
pub(crate) const NULL_VERSION: &str = "null";

/// An object as far as a listing needs it; its bytes are the segments of `manifest`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) size: u64,
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) checksums: Checksums,
    pub(crate) attributes: Attributes,
    pub(crate) manifest: u64,
    /// How many parts it was put together from; `None` for a single put.
    pub(crate) parts: Option<u32>,
}

/// A run of bytes of one blob, in the order of the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    pub(crate) blob: String,
    pub(crate) length: u64,
}

/// The headers that come back as they were given.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Attributes {
    pub(crate) content_type: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) content_language: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) expires: Option<Timestamp>,
    /// `x-amz-meta-*`, without that prefix.
    pub(crate) user: BTreeMap<String, String>,
}

/// The checksum algorithms that S3 knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

/// What a checksum of a multipart object was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ChecksumKind {
    /// Over the bytes of the whole object.
    FullObject,
    /// Over the checksums of the parts; written with `-` and the number of parts.
    Composite,
}

/// Checksums in base64, as S3 writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checksums {
    pub(crate) values: BTreeMap<Algorithm, String>,
    pub(crate) kind: Option<ChecksumKind>,
}

/// A multipart upload that is neither complete nor aborted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) created_ms: u64,
    pub(crate) attributes: Attributes,
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) kind: Option<ChecksumKind>,
}

/// A part of an upload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) size: u64,
    /// MD5 of the part in hex.
    pub(crate) etag: String,
    pub(crate) checksums: BTreeMap<Algorithm, String>,
    pub(crate) modified_ms: u64,
    /// `None` for a part without bytes.
    pub(crate) blob: Option<String>,
}

/// The answer to a complete request, kept so that a repeated one gets it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Completed {
    pub(crate) bucket: String,
    pub(crate) key: String,
    /// Number and ETag of each part that was named.
    pub(crate) parts: Vec<(u32, String)>,
    pub(crate) etag: String,
    pub(crate) version_id: Option<String>,
    pub(crate) checksums: Checksums,
    pub(crate) at_ms: u64,
}
