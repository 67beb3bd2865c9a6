//! What the API tells the audit log.

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    db::{Event, Subject},
    ids::InstitutionId,
};

/// One thing that happened.
#[derive(Debug, Serialize)]
pub(super) struct Happened {
    #[serde(skip)]
    pub(super) kind: &'static str,
    #[serde(skip)]
    pub(super) subject: (&'static str, Uuid),
    #[serde(skip)]
    pub(super) institution: InstitutionId,
    /// A JSON object.
    #[serde(flatten)]
    pub(super) facts: Value,
}

impl Event for Happened {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: self.subject.0,
            id: self.subject.1,
            institution: self.institution,
        }
    }
}
