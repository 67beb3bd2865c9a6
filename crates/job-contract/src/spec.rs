//! The work that a program is asked to do.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Task;

/// One job, as handed to one attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    pub contract_version: u32,
    pub job: Uuid,
    pub attempt: Uuid,
    pub task: Task,
    /// The model to start from or to measure; none where training starts from nothing.
    pub base_model: Option<BaseModel>,
    /// Every file to be read, in reading order. Each needs a grant at the moment it is read.
    pub inputs: Vec<InputFile>,
    /// Files to measure on instead of a held-out share of `inputs`; each needs a grant as well.
    #[serde(default)]
    pub validation: Vec<InputFile>,
    /// Where an earlier attempt of the job got to; none: from the start.
    #[serde(default)]
    pub resume: Option<Resume>,
    /// Makes a run repeatable on the same machine and thread count.
    pub seed: u64,
    /// Seconds between two heartbeats, at most.
    pub heartbeat_seconds: u32,
    /// Seconds between two checkpoints that are uploaded, at least; one is also uploaded on a stop.
    pub checkpoint_every_seconds: u32,
    /// The attempt is stopped after so many seconds of running; none: no limit.
    #[serde(default)]
    pub time_limit_seconds: Option<u32>,
    /// Which program does the arithmetic.
    #[serde(default)]
    pub recipe: Recipe,
}

/// Which program does the arithmetic of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "recipe", rename_all = "snake_case", deny_unknown_fields)]
pub enum Recipe {
    /// The training program itself.
    #[default]
    Own,
    /// PyTorch, started by `torchrun`, for several processes or machines; the training program stays the one that
    /// speaks with the portal.
    Torchrun {
        /// Processes on each node, as many as GPUs where there are.
        processes: u32,
        nodes: u32,
        strategy: Strategy,
    },
}

/// How several processes share one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Every process holds the whole model (distributed data parallel).
    Ddp,
    /// Every process holds a part of it (fully sharded data parallel).
    Fsdp,
}

/// A checkpoint of an earlier attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// Optimiser steps that were done.
    pub step: u32,
    /// Hash over all that decides the run, as told with the checkpoint; where the program would compute another
    /// one, going on is no longer equal to the last bit, and it says so.
    pub run: String,
    /// The parts of the checkpoint in order; each is read by a grant, like any input.
    pub files: Vec<InputFile>,
}

/// The model that training starts from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseModel {
    pub name: String,
    /// One GGUF file, or the files of a Hugging Face folder by their names; at least one. Read through grants like
    /// every input. To evaluate an adapter, its `adapter_config.json` and `adapter_model.safetensors` are among them.
    pub files: Vec<InputFile>,
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
    /// The dataset version that the file belongs to; none for a base model or a checkpoint.
    pub dataset_version: Option<Uuid>,
}

/// How to read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// One JSON object a line: `{"messages":[{"role","content","weight"?}]}`, `{"prompt","completion"}`, `{"text"}`,
    /// or for preferences `{"input","preferred_output","non_preferred_output"}`.
    Jsonl,
    /// Plain text, UTF-8. Blank lines part documents.
    Text,
    /// Comma-separated values with a header line; the column `text` is read, or `prompt` and `completion`.
    Csv,
    /// GGUF version 2 or 3.
    Gguf,
    /// safetensors.
    Safetensors,
    /// JSON that belongs to a model: `config.json`, `tokenizer.json`, `tokenizer_config.json`.
    Json,
}
