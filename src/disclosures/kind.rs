//! Which documents there are about a model, and who may read each. Pure.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A document about a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The public summary of training content, article 53(1)(d).
    TrainingSummary,
    /// Technical documentation for the authorities, article 53(1)(a), Annex XI.
    AnnexXi,
    /// Documentation for who builds on it, article 53(1)(b), Annex XII.
    AnnexXii,
    /// The Model Documentation Form of the Code of Practice, chapter on transparency.
    ModelDocumentation,
    /// The copyright policy, article 53(1)(c), and the Code's chapter on copyright.
    CopyrightPolicy,
    /// How far the model was modified, by the Commission's guidelines of July 2025.
    Modification,
}

impl Kind {
    /// All, in the order of the pages.
    pub const ALL: [Self; 6] = [
        Self::TrainingSummary,
        Self::CopyrightPolicy,
        Self::AnnexXii,
        Self::AnnexXi,
        Self::ModelDocumentation,
        Self::Modification,
    ];

    /// The word in the database, in paths and in texts (`disclosure-kind-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TrainingSummary => "training_summary",
            Self::AnnexXi => "annex_xi",
            Self::AnnexXii => "annex_xii",
            Self::ModelDocumentation => "model_documentation",
            Self::CopyrightPolicy => "copyright_policy",
            Self::Modification => "modification",
        }
    }

    /// Whether everybody may read it once it is published; the others are for who may see the model.
    #[must_use]
    pub fn is_public(self) -> bool {
        match self {
            Self::TrainingSummary | Self::CopyrightPolicy => true,
            Self::AnnexXi | Self::AnnexXii | Self::ModelDocumentation | Self::Modification => false,
        }
    }
}

/// A word that names no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such document")]
pub struct UnknownKind;

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or(UnknownKind)
    }
}
