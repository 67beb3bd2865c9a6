//! What the audit log says of cases: ids, hashes and counts, never who asked or what they said.

use serde::Serialize;
use serde_json::Value;

use super::case::Case;
use crate::{
    db::{Event, Subject},
    ids::{ComplaintId, InstitutionId},
};

/// Something that happened to a case.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Happened {
    #[serde(skip)]
    kind: &'static str,
    #[serde(skip)]
    complaint: ComplaintId,
    #[serde(skip)]
    institution: InstitutionId,
    facts: Value,
}

impl Happened {
    /// To a case.
    pub(super) fn to(case: &Case, kind: &'static str, facts: Value) -> Self {
        Self::with((case.id, case.institution), kind, facts)
    }

    /// To a case of this id, which is handled by this institution.
    pub(super) fn with(
        (complaint, institution): (ComplaintId, InstitutionId),
        kind: &'static str,
        facts: Value,
    ) -> Self {
        Self {
            kind,
            complaint,
            institution,
            facts,
        }
    }
}

impl Event for Happened {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "complaint",
            id: self.complaint.0,
            institution: self.institution,
        }
    }
}
