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

impl Recipe {
    /// Why PyTorch's processes cannot do `task`, in words for people; none where they can.
    #[must_use]
    pub fn torchrun_refuses(task: &Task) -> Option<&'static str> {
        match task {
            Task::FineTuneLora { training, .. } => (training.keep_best
                || training.early_stop.is_some())
            .then_some(
                "keep_best and early_stop are not known to the torchrun recipe; leave them out or use the program's own",
            ),
            Task::FineTuneFull { .. }
            | Task::Pretrain { .. }
            | Task::Dpo { .. }
            | Task::Evaluate { .. } => Some(
                "the torchrun recipe trains LoRA adapters; other methods need the program's own",
            ),
        }
    }

    /// Which recipe `task` gets where this one is set: this one where it can do the task, else the program's own.
    #[must_use]
    pub fn for_task(self, task: &Task) -> Self {
        match self {
            Self::Torchrun { .. } if Self::torchrun_refuses(task).is_none() => self,
            Self::Own | Self::Torchrun { .. } => Self::Own,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EarlyStop, EvaluationSettings, LoraSettings, ModelShape, Suite, TrainingSettings};

    #[test]
    fn torchrun_gets_what_it_can_do_and_the_program_itself_all_else() {
        let torchrun = Recipe::Torchrun {
            processes: 2,
            nodes: 1,
            strategy: Strategy::Ddp,
        };
        let lora = LoraSettings {
            rank: 4,
            alpha: 8.0,
            dropout: 0.1,
            target_modules: vec!["q_proj".to_owned()],
        };
        let plain = TrainingSettings::default();
        let with = |training: TrainingSettings| Task::FineTuneLora {
            lora: lora.clone(),
            training,
        };
        // Nothing else of the settings matters.
        let rich = TrainingSettings {
            packing: true,
            accumulate: 2,
            canaries: 1,
            evaluate_every_steps: Some(5),
            ..plain.clone()
        };
        for task in [with(plain.clone()), with(rich)] {
            assert_eq!(torchrun.clone().for_task(&task), torchrun, "{task:?}");
            assert_eq!(Recipe::Own.for_task(&task), Recipe::Own);
        }
        let keeps_best = TrainingSettings {
            keep_best: true,
            ..plain.clone()
        };
        let stops_early = TrainingSettings {
            early_stop: Some(EarlyStop {
                patience: 2,
                min_gain: 0.0,
            }),
            ..plain.clone()
        };
        let shape = ModelShape {
            vocabulary: 300,
            layers: 1,
            width: 8,
            heads: 1,
            key_value_heads: 1,
            inner_width: 8,
            context_length: 8,
            tied_embeddings: true,
        };
        for task in [
            with(keeps_best),
            with(stops_early),
            Task::FineTuneFull {
                training: plain.clone(),
            },
            Task::Pretrain {
                shape,
                training: plain.clone(),
            },
            Task::Dpo {
                lora: lora.clone(),
                training: plain.clone(),
                beta: 0.1,
            },
            Task::Evaluate {
                evaluation: EvaluationSettings {
                    suites: vec![Suite::HeldOut],
                    most_items: None,
                    canaries: None,
                    held_out_share: None,
                },
            },
        ] {
            assert_eq!(torchrun.clone().for_task(&task), Recipe::Own, "{task:?}");
            assert!(Recipe::torchrun_refuses(&task).is_some(), "{task:?}");
        }
    }
}
