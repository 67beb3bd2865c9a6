//! What a running job tells, and what it hears back.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{StoredArtifact, Suite};

/// Events since the last batch; empty is a heartbeat.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventBatch {
    pub events: Vec<NumberedEvent>,
}

/// An event with its number in the attempt, from 1 without gaps, so that sending twice is harmless.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberedEvent {
    pub number: u64,
    pub at: DateTime<Utc>,
    pub event: JobEvent,
}

/// Where the work stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Fetching and checking the base model and the data.
    Staging,
    Training,
    /// Measuring on the held-out part.
    Evaluating,
    /// Writing and uploading the result.
    Exporting,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum JobEvent {
    Phase {
        phase: Phase,
    },
    /// What the data turned out to be, before training starts.
    DataReady {
        documents: u64,
        held_out_documents: u64,
        tokens: u64,
        /// Tokens that carry a loss (answers only, for chats).
        target_tokens: u64,
        total_steps: u32,
    },
    Step {
        step: u32,
        total_steps: u32,
        /// Mean cross-entropy in nats a target token.
        loss: f32,
        /// Share of target tokens that the model would have chosen, 0.0 to 1.0, where it was counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accuracy: Option<f32>,
        learning_rate: f32,
        gradient_norm: f32,
        tokens_per_second: f32,
        tokens_seen: u64,
        /// Tokens read of each dataset version in this attempt so far.
        #[serde(default)]
        tokens_by_dataset: Vec<(Uuid, u64)>,
        /// Estimated seconds until the job has finished, where known.
        seconds_left: Option<u32>,
    },
    HeldOut {
        step: u32,
        /// Mean cross-entropy in nats a target token.
        loss: f32,
        /// As for a step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accuracy: Option<f32>,
    },
    /// All parts of a checkpoint are stored: another attempt can go on from it. Every step up to it was told before.
    Checkpoint {
        step: u32,
        /// Hash over all that decides the run; see [`crate::Resume`].
        run: String,
        /// In order; at least one.
        files: Vec<StoredArtifact>,
        /// The last measurement before it.
        held_out_loss: Option<f32>,
    },
    /// A part of the checkpoint that the attempt should go on from is gone, or is not what was stored. Nobody is handed it
    /// again; the attempt ends as [`crate::FailureCode::CheckpointDamaged`].
    CheckpointUnreadable {
        /// Of the checkpoint.
        step: u32,
        /// The part, as in [`crate::Resume`].
        file: Uuid,
        /// What is wrong with it; English.
        problem: String,
    },
    /// A line of the data that cannot be used; the first hundred are told, then the job fails.
    DataProblem {
        /// The file's name, as in the spec; people are shown its number.
        file: String,
        /// From 1; 0 where the whole file is meant.
        line: u64,
        /// For example `messages[2].role`, where one is to blame.
        field: Option<String>,
        /// What is wrong and what would do; English, and no word of the line: whoever asked for the job may be kept from
        /// reading its data.
        problem: String,
    },
    /// An evaluation has a figure.
    Measured {
        suite: Suite,
        /// For example `perplexity` or `sentiment`.
        measure: String,
        value: f64,
        /// The interval that holds the true value in 95 of 100 cases, where items were sampled.
        interval: Option<(f64, f64)>,
        /// How many items it stands on.
        items: u64,
    },
    /// A file was read to its end; told for each, also where it is not what the spec says.
    FileRead {
        /// As in the spec.
        file: Uuid,
        /// Of the bytes that came, lower-case hexadecimal.
        sha256: String,
    },
    /// A line worth showing to people; English.
    Note {
        message: String,
    },
}

/// What the portal answers to every batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventAnswer {
    /// True: stop now, then call `finish` with a cancelled outcome.
    pub cancel: bool,
    /// Why, for example `cancelled_by_requester`, `permission_withdrawn` or `paused`; a paused program uploads a
    /// checkpoint first.
    pub reason: Option<String>,
}
