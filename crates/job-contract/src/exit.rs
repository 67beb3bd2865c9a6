//! How an attempt ends.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::StoredArtifact;

/// The process's exit code; the scheduler's word on how the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    Succeeded = 0,
    /// The job itself cannot work: bad data, refused, too large. Trying again will not help.
    Failed = 1,
    /// Wrong arguments or a contract version that the program does not know.
    Usage = 2,
    /// Stopped because the portal said so.
    Cancelled = 3,
    /// The portal or the store could not be reached for too long. Trying again may help.
    Unreachable = 4,
}

/// How the attempt ended, in the program's own words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    Succeeded(Box<Result>),
    Failed {
        code: FailureCode,
        /// What happened and what to do, one or two English sentences.
        message: String,
    },
    Cancelled {
        reason: String,
    },
}

/// What a job that went well gives back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Result {
    /// The files of the model.
    pub artifacts: Vec<StoredArtifact>,
    /// Held-out loss before the first step, in nats a target token.
    pub held_out_loss_before: Option<f32>,
    /// Held-out loss of what was exported.
    pub held_out_loss_after: Option<f32>,
    /// Steps of the whole run, over all attempts.
    pub steps: u32,
    /// The step whose parameters were exported, where that is not the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_step: Option<u32>,
    /// Where this attempt took over from an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_from_step: Option<u32>,
    /// Tokens read in training, over all epochs and attempts that the result stands on.
    pub tokens_trained: u64,
    /// Tokens read from each dataset version in training by this attempt alone.
    pub tokens_by_dataset: Vec<(Uuid, u64)>,
    /// The same over all attempts that the result stands on; empty where this attempt did it all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens_by_dataset_in_run: Vec<(Uuid, u64)>,
    /// SHA-256 of the bytes that were really read, by file.
    pub files_read: Vec<(Uuid, String)>,
    pub wall_seconds: f64,
    /// Floating-point operations, estimated as stated in the training crate.
    pub flop: f64,
    /// Energy that the machine's processors measured while the program ran, in joules; none where they do not
    /// measure, or where an earlier life of the program was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_joules: Option<f64>,
    /// Version of the program, for example `faculty-training 0.1.0`.
    pub program: String,
    /// Which code that is; none where a program cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

/// The code that ran, so that it can be found and compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The commit that the program was built from; `development` where it was not built for release.
    pub commit: String,
    /// SHA-256 of the program's own file, lower-case hexadecimal.
    pub sha256: String,
}

/// Why a job failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The data cannot be used; the message names file and line.
    BadData,
    /// A file is not what the spec says.
    HashMismatch,
    /// The checkpoint to go on from cannot be read; the event before said which part. Another attempt goes on from an older
    /// one.
    CheckpointDamaged,
    /// A grant was refused.
    Refused,
    /// Settings that do not fit the model or each other.
    BadSettings,
    /// The estimate says that it cannot fit; the message says what would.
    DoesNotFit,
    /// Memory ran out while it ran.
    OutOfMemory,
    DiskFull,
    /// The base model is missing, or is not what the spec says.
    BaseAltered,
    Internal,
}
