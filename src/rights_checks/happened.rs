//! What rights checks say to the audit log.

use serde::Serialize;

use crate::{
    db::{Event, Subject},
    ids::{DatasetId, InstitutionId},
};

/// Something that happened to what is known of a dataset's rights.
#[derive(Serialize)]
pub(super) struct Happened {
    #[serde(skip)]
    kind: &'static str,
    #[serde(skip)]
    institution: InstitutionId,
    dataset: DatasetId,
    #[serde(flatten)]
    what: serde_json::Value,
}

impl Happened {
    pub(super) fn to(
        (dataset, institution): (DatasetId, InstitutionId),
        kind: &'static str,
        what: serde_json::Value,
    ) -> Self {
        Self {
            kind,
            institution,
            dataset,
            what,
        }
    }
}

impl Event for Happened {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "dataset",
            id: self.dataset.0,
            institution: self.institution,
        }
    }
}
