//! Which models a serving program should have ready, and how it stands with them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// All models that should be served now; one that is missing here is dropped.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Assignments {
    pub models: Vec<Assignment>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    pub deployment: Uuid,
    /// The name in requests, for example `ft:smollm2-135m-instruct:harderwijk:archief:0195f2a1`.
    pub model: String,
    pub kind: ModelKind,
    pub files: Vec<ModelFile>,
    /// The signed receipt that names exactly these files; without one that holds, nothing is loaded.
    #[serde(default)]
    pub receipt: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ModelKind {
    Base,
    /// A LoRA adapter in PEFT layout over the named base, which is assigned as well.
    Adapter {
        base: String,
    },
}

/// A file to fetch once and keep by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFile {
    pub name: String,
    pub size_bytes: u64,
    pub sha256: String,
    /// Short-lived; ask for assignments again where it has expired.
    pub url: String,
}

/// The whole state of one serving program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServingStatus {
    /// Where the gateway reaches it, for example `http://127.0.0.1:8082`.
    pub address: String,
    pub models: Vec<ModelStatus>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelStatus {
    pub deployment: Uuid,
    pub model: String,
    pub state: ModelState,
    /// Why it failed, for people.
    pub message: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelState {
    Loading,
    Ready,
    Failed,
}
