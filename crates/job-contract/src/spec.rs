//! The work that a program is asked to do.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One job, as handed to one attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    pub contract_version: u32,
    pub job: Uuid,
    pub attempt: Uuid,
    pub task: Task,
    pub base_model: BaseModel,
    /// Every file to be read, in reading order. Each needs a grant at the moment it is read.
    pub inputs: Vec<InputFile>,
    /// Makes a run repeatable on the same machine and thread count.
    pub seed: u64,
    /// Seconds between two heartbeats, at most.
    pub heartbeat_seconds: u32,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// Supervised fine-tuning with low-rank adapters (Hu et al. 2021, arXiv 2106.09685).
    FineTuneLora {
        lora: LoraSettings,
        training: TrainingSettings,
    },
}

/// Shape of the adapters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraSettings {
    /// Inner dimension, 1 to 256.
    pub rank: u32,
    /// The adapter's output is scaled by `alpha / rank`.
    pub alpha: f32,
    /// Names as in PEFT: `q_proj`, `k_proj`, `v_proj`, `o_proj`, `gate_proj`, `up_proj`, `down_proj`.
    pub target_modules: Vec<String>,
}

/// How long and how fast to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSettings {
    /// Passes over the training part.
    pub epochs: u32,
    /// Upper bound on optimiser steps, whatever `epochs` says.
    pub max_steps: Option<u32>,
    /// Sequences a step.
    pub batch_size: u32,
    /// Tokens a sequence; longer documents are cut into pieces.
    pub sequence_length: u32,
    pub learning_rate: f32,
    pub warmup_steps: u32,
    /// Share of the documents held out to measure, 0.0 to 0.5; at least one where it is above zero.
    pub held_out_share: f32,
    /// Steps between two checkpoints.
    pub checkpoint_every_steps: u32,
}

/// The model that training starts from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseModel {
    pub name: String,
    /// Read through a grant like every input.
    pub file: InputFile,
}

/// A file that the job reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFile {
    /// What to ask a grant for.
    pub file: Uuid,
    pub name: String,
    pub format: FileFormat,
    pub size_bytes: u64,
    /// Lower-case hexadecimal SHA-256 of the whole file; the program checks it after reading.
    pub sha256: String,
    /// The dataset version that the file belongs to; none for a base model.
    pub dataset_version: Option<Uuid>,
}

/// How to read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// One JSON object a line: `{"messages":[{"role","content"}]}`, `{"prompt","completion"}` or `{"text"}`.
    Jsonl,
    /// Plain text, UTF-8. Blank lines part documents.
    Text,
    /// Comma-separated values with a header line; the column `text` is read, or `prompt` and `completion`.
    Csv,
    /// GGUF version 2 or 3.
    Gguf,
    /// safetensors.
    Safetensors,
}
