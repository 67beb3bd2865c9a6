//! What the rules look at in a dataset version.
//!
//! Whoever reads them from the database says what was known at the moment of the decision: a licence or a
//! reservation that was found later is another fact, and an earlier verdict keeps the facts of its time.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{LicenceFlags, licence, word::words};

words! {
    /// Who may see the data, in the words of the institution that owns it.
    Confidentiality {
        Public = "public",
        Internal = "internal",
        Confidential = "confidential",
    }
}

words! {
    /// What the source says about text and data mining (directive 2019/790, art. 4(3)).
    TdmReservation {
        /// Nothing was found.
        Unset = "unset",
        /// `tdm-reservation: 0`.
        NotReserved = "not_reserved",
        /// `tdm-reservation: 1`, or the same in other words.
        Reserved = "reserved",
    }
}

words! {
    /// Legal basis of processing personal data, GDPR art. 6(1).
    Article6 {
        Consent = "consent",
        Contract = "contract",
        LegalObligation = "legal_obligation",
        VitalInterests = "vital_interests",
        PublicTask = "public_task",
        LegitimateInterests = "legitimate_interests",
    }
}

words! {
    /// Ground for processing special categories, GDPR art. 9(2).
    Article9 {
        ExplicitConsent = "explicit_consent",
        Employment = "employment",
        VitalInterests = "vital_interests",
        NonProfit = "non_profit",
        MadePublic = "made_public",
        LegalClaims = "legal_claims",
        SubstantialPublicInterest = "substantial_public_interest",
        Care = "care",
        PublicHealth = "public_health",
        ArchivingResearch = "archiving_research",
    }
}

/// The licence as it was found, and what it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenceFacts {
    /// The rights check that found it; none: as the dataset was registered.
    pub check: Option<Uuid>,
    /// What the licence asks and allows; none: nobody knows.
    pub flags: Option<LicenceFlags>,
    /// When it was found, where a rights check did.
    pub found_at: Option<DateTime<Utc>>,
    /// The label, as it was written.
    pub label: String,
    /// What the source says about text and data mining.
    pub tdm_reservation: TdmReservation,
}

impl LicenceFacts {
    /// The licence that the dataset was registered with.
    #[must_use]
    pub fn registered(label: &str) -> Self {
        Self {
            check: None,
            flags: licence::flags(label),
            found_at: None,
            label: label.to_owned(),
            tdm_reservation: TdmReservation::Unset,
        }
    }

    /// What a rights check found at `found_at`.
    #[must_use]
    pub fn found(
        label: &str,
        tdm_reservation: TdmReservation,
        check: Uuid,
        found_at: DateTime<Utc>,
    ) -> Self {
        Self {
            check: Some(check),
            found_at: Some(found_at),
            tdm_reservation,
            ..Self::registered(label)
        }
    }
}

/// A privacy assessment, as far as the rules read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assessment {
    /// Legal basis, GDPR art. 6.
    pub basis: Option<Article6>,
    /// Its id.
    pub id: Uuid,
    /// Whether the privacy officer signed it.
    pub is_signed: bool,
    /// Ground for special categories, GDPR art. 9.
    pub special_basis: Option<Article9>,
}

/// What is known of personal data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacyFacts {
    /// The assessment that holds, if one was made.
    pub assessment: Option<Assessment>,
    /// Whether there are personal data in it.
    pub has_personal_data: bool,
    /// Whether any of it is of a special category.
    pub has_special_categories: bool,
}

/// What the rules look at in a dataset version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetFacts {
    /// Who may see the data.
    pub confidentiality: Confidentiality,
    /// Whether the version passed both reviews and was not withdrawn.
    pub is_approved: bool,
    /// Its licence.
    pub licence: LicenceFacts,
    /// The personal data in it.
    pub privacy: PrivacyFacts,
}
