//! Privacy assessments: what an institution says about the personal data in a dataset version, signed by its
//! privacy officer (FG). Without one a version with personal data is neither approved nor used.
//!
//! Each text is kept with its hash; a signature is bound to the hash of the text that was read.

mod assessment;
mod fill;
mod ground;
mod measure;
mod sign;
mod store;
mod waiting;
pub mod web;

pub use self::{
    assessment::{Assessment, Measurement, Outcome, RawAssessment},
    fill::{PrivacyError, fill},
    ground::{Basis, CriminalBasis, Special, SpecialBasis},
    measure::{Recall, recall},
    sign::{Decision, sign},
    store::{Filed, Signature, of_dataset},
    waiting::{Waiting, WaitsFor, waiting_for},
};
use chrono::{DateTime, Utc};

use crate::{
    ids::DatasetVersionId,
    permissions::{self, PrivacyFacts},
};

/// How a version stands as to personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing is filled in.
    Missing,
    /// Something is filled in and not signed.
    Unsigned,
    /// The newest signed text allows use.
    Signed,
    /// The newest signed text says that the data may not be used.
    NotAcceptable,
}

impl Standing {
    /// The word in texts (`assessment-standing-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unsigned => "unsigned",
            Self::Signed => "signed",
            Self::NotAcceptable => "not-acceptable",
        }
    }
}

/// How a version stood at `at`, of what was filed about it; a later text does not undo a signed one until it is
/// signed itself.
#[must_use]
pub fn standing(filed: &[Filed], version: DatasetVersionId, at: DateTime<Utc>) -> Standing {
    match signed(filed, version, at) {
        Some(signed) if signed.assessment.result == Outcome::NotAcceptable => {
            Standing::NotAcceptable
        }
        Some(_) => Standing::Signed,
        None => {
            let any = filed
                .iter()
                .any(|one| one.version == version && one.filled_at <= at);
            if any {
                Standing::Unsigned
            } else {
                Standing::Missing
            }
        }
    }
}

/// The text that held for a version at `at`: the newest of those signed by then.
#[must_use]
pub fn signed(filed: &[Filed], version: DatasetVersionId, at: DateTime<Utc>) -> Option<&Filed> {
    filed
        .iter()
        .filter(|one| {
            let decided = one.signature.as_ref();
            one.version == version
                && decided.is_some_and(|by| by.decision == Decision::Signed && by.at <= at)
        })
        .max_by_key(|one| one.number)
}

/// What the rules read of a version with personal data: the newest signed text, else that there is none. A text
/// that says the data may not be used counts as one that is not signed, and an exception of article 9 is none for
/// criminal data.
#[must_use]
pub fn facts(filed: &[Filed], version: DatasetVersionId) -> PrivacyFacts {
    let signed = signed(filed, version, DateTime::<Utc>::MAX_UTC);
    let newest = filed.iter().rfind(|one| one.version == version);
    let read = signed.or(newest);
    PrivacyFacts {
        has_personal_data: true,
        has_special_categories: read.is_some_and(|one| one.assessment.needs_exception()),
        assessment: read.map(|one| permissions::Assessment {
            basis: one.assessment.bases.first().map(|basis| basis.article()),
            id: one.id.0,
            is_signed: signed.is_some() && one.assessment.result != Outcome::NotAcceptable,
            special_basis: one.assessment.exception(),
        }),
    }
}
