//! What a running job tells, and what it hears back.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::StoredArtifact;

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
        learning_rate: f32,
        gradient_norm: f32,
        tokens_per_second: f32,
        tokens_seen: u64,
        /// Estimated seconds until the job has finished, where known.
        seconds_left: Option<u32>,
    },
    HeldOut {
        step: u32,
        /// Mean cross-entropy in nats a target token.
        loss: f32,
    },
    Checkpoint {
        step: u32,
        artifact: StoredArtifact,
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
    /// Why, for example `cancelled_by_requester` or `permission_withdrawn`.
    pub reason: Option<String>,
}
