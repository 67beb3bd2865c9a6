//! What can be done to a model. Pure.

use job_contract::Task;

use crate::permissions::Purpose;

/// What is done to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Low-rank adapters beside a base that stays as it is.
    Lora,
    /// Every weight of a base.
    Full,
    /// Every weight of a base, on running text.
    Continued,
    /// A new model from nothing.
    Pretrain,
    /// Adapters that learn which of two answers people prefer.
    Dpo,
}

impl Method {
    /// All of them, the usual one first.
    pub const ALL: [Self; 5] = [
        Self::Lora,
        Self::Full,
        Self::Continued,
        Self::Pretrain,
        Self::Dpo,
    ];

    /// The word in JSON, in forms and in keys of texts (`jobs-method-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lora => "lora",
            Self::Full => "full",
            Self::Continued => "continued",
            Self::Pretrain => "pretrain",
            Self::Dpo => "dpo",
        }
    }

    /// By its word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == text)
    }

    /// What a permission has to allow for it.
    #[must_use]
    pub fn purpose(self) -> Purpose {
        match self {
            Self::Lora | Self::Full | Self::Dpo => Purpose::FineTuning,
            Self::Continued => Purpose::ContinuedPretraining,
            Self::Pretrain => Purpose::Pretraining,
        }
    }

    /// The usual method for a purpose.
    #[must_use]
    pub fn usual_for(purpose: Purpose) -> Option<Self> {
        match purpose {
            Purpose::FineTuning => Some(Self::Lora),
            Purpose::ContinuedPretraining => Some(Self::Continued),
            Purpose::Pretraining => Some(Self::Pretrain),
            _ => None,
        }
    }

    /// Which one a job is; none for one that trains nothing.
    #[must_use]
    pub fn of(task: &Task, purpose: Purpose) -> Option<Self> {
        match task {
            Task::FineTuneLora { .. } => Some(Self::Lora),
            Task::FineTuneFull { .. } if purpose == Purpose::ContinuedPretraining => {
                Some(Self::Continued)
            }
            Task::FineTuneFull { .. } => Some(Self::Full),
            Task::Pretrain { .. } => Some(Self::Pretrain),
            Task::Dpo { .. } => Some(Self::Dpo),
            Task::Evaluate { .. } => None,
        }
    }

    /// Whether it starts from a model.
    #[must_use]
    pub fn has_base(self) -> bool {
        self != Self::Pretrain
    }

    /// Whether adapters come out, and not a whole model.
    #[must_use]
    pub fn has_adapters(self) -> bool {
        matches!(self, Self::Lora | Self::Dpo)
    }

    /// The learning rate that is usual.
    pub(super) fn learning_rate(self) -> f32 {
        match self {
            Self::Lora | Self::Pretrain => 1e-3,
            Self::Full | Self::Continued => 1e-4,
            Self::Dpo => 5e-5,
        }
    }

    /// Whether sequences usually hold more than one text.
    pub(super) fn packs(self) -> bool {
        matches!(self, Self::Continued | Self::Pretrain)
    }
}
