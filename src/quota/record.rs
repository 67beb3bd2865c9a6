//! What is kept of a request beside the numbers that decide.

use chrono::{DateTime, Utc};

use crate::ids::{InstitutionId, ModelId};

/// What a million tokens cost, in units of the operator's choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    pub prompt_per_million: i64,
    pub completion_per_million: i64,
}

/// What is known of a request when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Whose key it came with.
    pub institution: InstitutionId,
    /// Which model it asks.
    pub model: ModelId,
    /// Where it can be asked what was really produced.
    pub upstream: String,
    /// At what price.
    pub price: Price,
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
    /// What an upstream counted. More than a thousand million tokens are nonsense, and sums of them would not fit.
    #[must_use]
    pub fn of(usage: openai_api::Usage, outcome: Outcome) -> Self {
        const MOST: u64 = 1_000_000_000;
        let tokens = |count: u64| count.min(MOST).cast_signed();
        Self {
            prompt_tokens: tokens(usage.prompt_tokens),
            completion_tokens: tokens(usage.completion_tokens),
            outcome,
        }
    }

    /// A request that took nothing.
    #[must_use]
    pub fn nothing(outcome: Outcome) -> Self {
        Self {
            prompt_tokens: 0,
            completion_tokens: 0,
            outcome,
        }
    }

    /// What that costs, in millionths of a unit: exact, for a price is of a million tokens.
    #[must_use]
    pub fn cost_micros(&self, price: Price) -> i64 {
        let prompt = self.prompt_tokens.saturating_mul(price.prompt_per_million);
        let completion = self
            .completion_tokens
            .saturating_mul(price.completion_per_million);
        prompt.saturating_add(completion)
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

impl Record {
    pub(super) fn cost_micros(&self) -> i64 {
        self.spent.cost_micros(self.context.price)
    }
}
