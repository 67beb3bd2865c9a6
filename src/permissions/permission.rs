//! What a permission says.

use std::str::FromStr;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ids::{DatasetVersionId, PermissionId};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vmeta])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the database, in JSON and in keys of texts.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|one| one.name() == text).ok_or(UnknownWord)
            }
        }
    };
}

/// A word that is none of those known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this word is not known")]
pub struct UnknownWord;

words! {
    /// Which question a permission answers.
    Layer {
        /// May we copy it and train on it?
        Copyright = "copyright",
        /// Is there a legal basis for the personal data in it?
        PersonalData = "personal_data",
        /// May it leave the house?
        Confidentiality = "confidentiality",
    }
}

words! {
    /// What data is used for.
    Purpose {
        Pretraining = "pretraining",
        ContinuedPretraining = "continued_pretraining",
        FineTuning = "fine_tuning",
        Evaluation = "evaluation",
        SafetyTesting = "safety_testing",
        SyntheticDerivation = "synthetic_derivation",
        RetrievalIndex = "retrieval_index",
        RedistributeOriginal = "redistribute_original",
        RedistributeCurated = "redistribute_curated",
    }
}

words! {
    /// Who may receive the weights that come out; each includes those before it.
    Recipients {
        Consortium = "consortium",
        ResearchLicensees = "research_licensees",
        ProfessionalLicensees = "professional_licensees",
        Public = "public",
    }
}

/// The terms of one permission. Written as JSON with the fields in this order: the form that is hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Version of the rules that read these terms.
    pub rule_set: u32,
    /// Sorted, without doubles.
    pub purposes: Vec<Purpose>,
    /// The widest circle that may receive resulting weights.
    pub recipients: Recipients,
    /// Whether the result may be used for profit.
    pub allows_commercial_use: bool,
    /// Model families; empty: all.
    pub model_families: Vec<String>,
    /// First day on which it holds, in the Netherlands.
    pub valid_from: NaiveDate,
    /// Last day on which it holds.
    pub valid_until: NaiveDate,
    /// What proves it, for people: the agreement, its clause.
    pub evidence: String,
    /// Days within which copies go after a withdrawal.
    pub delete_within_days: u32,
}

impl Terms {
    /// The canonical text: what is stored and hashed.
    ///
    /// # Errors
    /// Never in practice: all of it can be written as JSON.
    pub fn canonical(&self) -> Result<String, serde_json::Error> {
        let mut terms = self.clone();
        terms.purposes.sort_unstable();
        terms.purposes.dedup();
        terms.model_families.sort_unstable();
        terms.model_families.dedup();
        serde_json::to_string(&terms)
    }
}

/// SHA-256 of a text, in hexadecimal.
pub(super) fn sha256_hex(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// How a permission stands; event states of ISO/IEC TS 27560:2023.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Given,
    Renewed,
    Withdrawn,
    Revoked,
    Refused,
}

impl State {
    /// Whether it counts, within its dates.
    #[must_use]
    pub fn counts(self) -> bool {
        match self {
            Self::Given | Self::Renewed => true,
            Self::Withdrawn | Self::Revoked | Self::Refused => false,
        }
    }

    /// The state of a word in the database.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "given" => Self::Given,
            "renewed" => Self::Renewed,
            "withdrawn" => Self::Withdrawn,
            "revoked" => Self::Revoked,
            "refused" => Self::Refused,
            _ => return None,
        })
    }
}

/// A permission as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// Its id.
    pub id: PermissionId,
    /// none: all versions of the dataset, also later ones
    pub version: Option<DatasetVersionId>,
    /// Which question it answers.
    pub layer: Layer,
    /// What it says.
    pub terms: Terms,
    /// Hash of the terms' canonical text.
    pub terms_sha256: String,
    /// How it stands.
    pub state: State,
    /// Name of the person who last gave, withdrew or revoked it.
    pub decided_by: String,
    /// When that was.
    pub decided_at: chrono::DateTime<chrono::Utc>,
}
