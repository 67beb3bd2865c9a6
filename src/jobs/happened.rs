//! What jobs tell the audit log.

use serde::Serialize;
use serde_json::Value;

use super::job::Job;
use crate::{
    db::{Event, Subject},
    ids::{InstitutionId, JobId},
};

/// One thing that happened to a job.
#[derive(Debug, Serialize)]
pub(super) struct Happened {
    #[serde(skip)]
    kind: &'static str,
    #[serde(skip)]
    institution: InstitutionId,
    job: JobId,
    #[serde(flatten)]
    facts: Value,
}

impl Happened {
    /// `facts` is a JSON object.
    pub(super) fn to(job: &Job, kind: &'static str, facts: Value) -> Self {
        Self {
            kind,
            institution: job.institution,
            job: job.id,
            facts,
        }
    }
}

impl Happened {
    /// As [`Happened::to`], where of the job no more is known than this.
    pub(super) fn at(
        (job, institution): (JobId, InstitutionId),
        kind: &'static str,
        facts: Value,
    ) -> Self {
        Self {
            kind,
            institution,
            job,
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
            kind: "job",
            id: self.job.0,
            institution: self.institution,
        }
    }
}
