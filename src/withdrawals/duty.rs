//! What has to follow a withdrawal, by whom, by when.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Serialize, Serializer};

use crate::policy::Role;

/// What has to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Every copy is gone, with proof. The worker does it; an operator looks after it.
    Purge,
    /// Each quarantined model is decided on.
    DecideModels,
    /// The public summary and the model documentation say what was withdrawn.
    UpdateDocuments,
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Days in which an operator decides on a quarantined model: time to ask for a new job, not to forget it.
const DECIDE_WITHIN_DAYS: i64 = 30;
/// Six months, as the template of the public summary asks.
const DOCUMENTS_WITHIN_DAYS: i64 = 182;

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Purge, Self::DecideModels, Self::UpdateDocuments];

    /// The word in the database and in keys of texts (`duty-{name}`, with dashes).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Purge => "purge",
            Self::DecideModels => "decide_models",
            Self::UpdateDocuments => "update_documents",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }

    /// Who looks after it.
    #[must_use]
    pub fn owner(self) -> Role {
        match self {
            Self::Purge | Self::DecideModels => Role::Operator,
            Self::UpdateDocuments => Role::LegalReviewer,
        }
    }

    /// By when, for a withdrawal at `at`.
    pub(super) fn due(self, at: DateTime<Utc>, delete_by: Option<DateTime<Utc>>) -> DateTime<Utc> {
        match self {
            Self::Purge => delete_by.unwrap_or(at),
            Self::DecideModels => at + TimeDelta::days(DECIDE_WITHIN_DAYS),
            Self::UpdateDocuments => at + TimeDelta::days(DOCUMENTS_WITHIN_DAYS),
        }
    }
}
