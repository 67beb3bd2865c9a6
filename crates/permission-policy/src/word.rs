//! Closed sets of words: what permissions are made of.

use serde::{Deserialize, Serialize};

/// Makes an enum whose members are words in JSON, in the database and in keys of texts.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
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

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownWord;

            fn from_str(text: &str) -> Result<Self, $crate::UnknownWord> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|one| one.name() == text)
                    .ok_or($crate::UnknownWord)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use words;

/// A word that is none of those known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
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

impl Purpose {
    /// Whether something that learns or is derived from the data comes out: weights, or new text.
    #[must_use]
    pub fn trains(self) -> bool {
        match self {
            Self::Pretraining
            | Self::ContinuedPretraining
            | Self::FineTuning
            | Self::SyntheticDerivation => true,
            Self::Evaluation
            | Self::SafetyTesting
            | Self::RetrievalIndex
            | Self::RedistributeOriginal
            | Self::RedistributeCurated => false,
        }
    }

    /// Whether the texts themselves are passed on.
    #[must_use]
    pub fn redistributes(self) -> bool {
        matches!(self, Self::RedistributeOriginal | Self::RedistributeCurated)
    }

    /// Whether the result is an adaptation of the work, which a no-derivatives licence keeps to its author.
    #[must_use]
    pub fn adapts(self) -> bool {
        self.trains() || self == Self::RedistributeCurated
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
