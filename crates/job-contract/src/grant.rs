//! Reading a file: one grant for each, decided at that moment.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Asks to read one file of the spec now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRequest {
    pub file: Uuid,
}

/// Leave to read one exact object version for a short time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadGrant {
    pub grant: Uuid,
    /// GET this; it names the exact object version.
    pub url: String,
    pub expires_at: DateTime<Utc>,
    pub size_bytes: u64,
    pub sha256: String,
}

/// Why something was not done, for a program and for the person who reads its log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// A stable word, for example `permission_withdrawn`, `attempt_ended`, `token_invalid`, `invalid`.
    pub code: String,
    /// One sentence in English.
    pub message: String,
    /// Ids of the rules that fired, where a rule decided.
    #[serde(default)]
    pub rules: Vec<String>,
}
