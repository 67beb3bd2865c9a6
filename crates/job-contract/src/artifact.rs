//! Files that a job leaves behind.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// Part of the model that comes out: `adapter_model.safetensors`, `adapter_config.json`.
    Model,
    /// All that is needed to go on after a stop.
    Checkpoint,
    /// Something to read: metrics, a log.
    Report,
}

/// Asks for a place to put one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactRequest {
    pub kind: ArtifactKind,
    /// A plain file name: letters, digits, `.`, `_`, `-`; 100 characters at most.
    pub name: String,
    pub size_bytes: u64,
    /// Lower-case hexadecimal SHA-256.
    pub sha256: String,
}

/// Where to put it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArtifactUpload {
    pub artifact: Uuid,
    /// PUT the bytes here with exactly these headers.
    pub url: String,
    pub headers: Vec<(String, String)>,
    /// True where a file with this name and hash is there already: nothing to send.
    pub is_stored: bool,
}

/// A file that was put, as named in `finish` and in events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredArtifact {
    pub artifact: Uuid,
    pub name: String,
    pub size_bytes: u64,
    pub sha256: String,
}
