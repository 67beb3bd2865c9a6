//! Which models a serving program should have ready, and how it stands with them.
//!
//! A program reports first, under an id that it made for this life of its own, and then asks what it should have. What
//! it does not say for ten seconds it is not asked for any more.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// All models that this program should serve now; one that is missing here is dropped.
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

/// Most files of one model that serving programs take.
pub const MOST_MODEL_FILES: usize = 256;
/// Largest file of a model that they take, in bytes.
pub const LARGEST_MODEL_FILE: u64 = 64 << 30;

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
    /// This life of the program; a new one after each start.
    pub process: Uuid,
    /// What people call it, for example `gpu-1`.
    pub name: String,
    /// Where the gateway reaches it, for example `http://127.0.0.1:8082`.
    pub address: String,
    #[serde(default)]
    pub stage: ServingStage,
    /// The bases that it takes, by name; all where there are none here.
    #[serde(default)]
    pub takes: Vec<String>,
    #[serde(default)]
    pub room: ServingRoom,
    #[serde(default)]
    pub load: ServingLoad,
    pub models: Vec<ModelStatus>,
}

/// How far a serving program is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServingStage {
    #[default]
    Serving,
    /// It was told to end: it takes nothing new and finishes what runs.
    Leaving,
    /// It ends now; nothing runs.
    Left,
}

/// What a serving program can still take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServingRoom {
    /// Memory that is free now; none where the system does not tell.
    pub memory_bytes: Option<u64>,
    /// Most adapters, those that it has among them.
    pub adapters: u32,
}

impl Default for ServingRoom {
    fn default() -> Self {
        Self {
            memory_bytes: None,
            adapters: 1000,
        }
    }
}

/// What a serving program does now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServingLoad {
    /// Answers that are computed.
    pub running: u32,
    /// Answers that wait.
    pub waiting: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelStatus {
    pub deployment: Uuid,
    pub model: String,
    pub state: ModelState,
    /// Why it failed, for people.
    pub message: Option<String>,
    /// Whether it answers something now: it is not taken away before that has ended.
    #[serde(default)]
    pub is_in_use: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelState {
    Loading,
    Ready,
    Failed,
}
