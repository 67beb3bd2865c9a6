//! The grounds on which personal data may be processed.

use serde::{Deserialize, Serialize};

use crate::permissions::{Article6, Article9};

/// Closed words of an assessment.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

            pub(super) fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

pub(super) use words;

words! {
    /// The basis for processing, GDPR article 6(1).
    Basis {
        Consent = "a",
        Contract = "b",
        LegalObligation = "c",
        VitalInterests = "d",
        PublicTask = "e",
        LegitimateInterests = "f",
    }
}

words! {
    /// Special categories of article 9(1), and criminal data of article 10.
    Special {
        Origin = "origin",
        Politics = "politics",
        Religion = "religion",
        Union = "union",
        Genetic = "genetic",
        Biometric = "biometric",
        Health = "health",
        SexLife = "sex_life",
        Criminal = "criminal",
    }
}

words! {
    /// The exception that allows special categories, GDPR article 9(2).
    SpecialBasis {
        ExplicitConsent = "a",
        Employment = "b",
        VitalInterests = "c",
        Foundation = "d",
        MadePublic = "e",
        LegalClaims = "f",
        PublicInterest = "g",
        HealthCare = "h",
        PublicHealth = "i",
        ArchivingAndResearch = "j",
    }
}

words! {
    /// What allows data about crimes: GDPR article 10 and its Dutch law (UAVG, articles 31 to 33). The exceptions of
    /// article 9(2) do not.
    CriminalBasis {
        /// Under control of official authority.
        Authority = "10",
        ExplicitConsent = "32a",
        VitalInterests = "32b",
        MadePublic = "32c",
        LegalClaims = "32d",
        PublicInterest = "32e",
        Research = "32f",
        /// The bodies and purposes that the law names.
        Named = "33",
    }
}

impl Special {
    /// Whether it is of article 9(1); criminal data are of article 10.
    #[must_use]
    pub fn is_of_article_9(self) -> bool {
        self != Self::Criminal
    }
}

impl Basis {
    /// The same in the words of the rules.
    #[must_use]
    pub fn article(self) -> Article6 {
        match self {
            Self::Consent => Article6::Consent,
            Self::Contract => Article6::Contract,
            Self::LegalObligation => Article6::LegalObligation,
            Self::VitalInterests => Article6::VitalInterests,
            Self::PublicTask => Article6::PublicTask,
            Self::LegitimateInterests => Article6::LegitimateInterests,
        }
    }
}

impl SpecialBasis {
    /// The same in the words of the rules.
    #[must_use]
    pub fn article(self) -> Article9 {
        match self {
            Self::ExplicitConsent => Article9::ExplicitConsent,
            Self::Employment => Article9::Employment,
            Self::VitalInterests => Article9::VitalInterests,
            Self::Foundation => Article9::NonProfit,
            Self::MadePublic => Article9::MadePublic,
            Self::LegalClaims => Article9::LegalClaims,
            Self::PublicInterest => Article9::SubstantialPublicInterest,
            Self::HealthCare => Article9::Care,
            Self::PublicHealth => Article9::PublicHealth,
            Self::ArchivingAndResearch => Article9::ArchivingResearch,
        }
    }
}
