//! What a licensee is.

use chrono::NaiveDate;
use serde::Serialize;

use crate::{
    ids::{LicenseeId, ModelId},
    permissions::Recipients,
};

/// Under which licence a model is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Licence {
    Research,
    Professional,
}

impl Licence {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Research, Self::Professional];

    /// The word in the database and in keys of texts (`licensee-licence-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Research => "research",
            Self::Professional => "professional",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == text)
    }

    /// The circle that a model must be released to, to be given out under this licence.
    #[must_use]
    pub fn needs(self) -> Recipients {
        match self {
            Self::Research => Recipients::ResearchLicensees,
            Self::Professional => Recipients::ProfessionalLicensees,
        }
    }

    /// Whether it lets the licensee use the model for profit.
    #[must_use]
    pub fn is_commercial(self) -> bool {
        self == Self::Professional
    }
}

/// Somebody who holds a model.
/// Not written as JSON by itself: who may see the name or the address is decided where it is shown.
#[derive(Debug, Clone)]
pub struct Licensee {
    pub id: LicenseeId,
    pub model: ModelId,
    pub model_name: String,
    pub name: String,
    /// The address that is told of changes.
    pub contact: String,
    pub licence: Licence,
    /// Where they are established, ISO 3166-1 alpha-2, where that was said.
    pub country: Option<String>,
    pub since: NaiveDate,
    pub until: Option<NaiveDate>,
    /// Whether somebody ended it.
    pub is_ended: bool,
}

/// Somebody to be put in the register.
#[derive(Debug, Clone)]
pub struct New {
    pub model: ModelId,
    pub name: String,
    pub contact: String,
    pub licence: Licence,
    /// As [`Licensee::country`]; needed for a model that may not go everywhere.
    pub country: Option<String>,
    pub since: NaiveDate,
    pub until: Option<NaiveDate>,
}
