//! What is kept of a request beside the numbers that decide.

use chrono::{DateTime, Utc};

use crate::ids::{InstitutionId, ModelId};

/// What is known of a request when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Whose key it came with.
    pub institution: InstitutionId,
    /// Which model it asks.
    pub model: ModelId,
    /// Where it can be asked what was really produced.
    pub upstream: String,
    pub is_streamed: bool,
    pub started_at: DateTime<Utc>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered whole.
    Completed,
    /// The client left, the budget ended, the upstream broke off, or the key was revoked.
    Cut,
    /// Not answered, and nothing produced.
    Failed,
    /// Settled after whoever held it was gone.
    Recovered,
}

impl Outcome {
    /// The word in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cut => "cut",
            Self::Failed => "failed",
            Self::Recovered => "recovered",
        }
    }
}

/// What a request took and how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
    pub outcome: Outcome,
}

impl Spent {
    /// A request that took nothing.
    #[must_use]
    pub fn nothing(outcome: Outcome) -> Self {
        Self {
            prompt_tokens: 0,
            completion_tokens: 0,
            outcome,
        }
    }

    /// Prompt and answer together.
    #[must_use]
    pub fn tokens(&self) -> i64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}

/// One line of use.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) context: Context,
    pub(super) spent: Spent,
}
