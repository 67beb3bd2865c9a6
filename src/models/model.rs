//! What a model is.

use chrono::{DateTime, Utc};

use crate::{
    ids::{InstitutionId, JobId, ModelId},
    policy::Scope,
};

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Brought in by the platform.
    Base,
    /// Low-rank adapters over a base, made by a job.
    Adapter {
        /// Over which.
        base: ModelId,
        /// By which.
        job: JobId,
    },
    /// All weights of a model, made by a job.
    Whole {
        /// What it was trained on from; none for one that was trained from nothing.
        base: Option<ModelId>,
        /// By which.
        job: JobId,
    },
}

impl Kind {
    /// The word in the database, in JSON and in keys of texts (`model-kind-{name}`).
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Adapter { .. } => "adapter",
            Self::Whole { .. } => "whole",
        }
    }

    /// The model that it came out of, if it did.
    #[must_use]
    pub fn base(&self) -> Option<ModelId> {
        match self {
            Self::Base => None,
            Self::Adapter { base, .. } => Some(*base),
            Self::Whole { base, .. } => *base,
        }
    }

    /// The job that made it, if one did.
    #[must_use]
    pub fn job(&self) -> Option<JobId> {
        match self {
            Self::Base => None,
            Self::Adapter { job, .. } | Self::Whole { job, .. } => Some(*job),
        }
    }
}

/// How far a model may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is there, with its receipt.
    Registered,
    /// It may be deployed.
    Released,
    /// It may not be used any more.
    Retired,
}

impl Status {
    /// The word in the database and in keys of texts (`model-status-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Released => "released",
            Self::Retired => "retired",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Registered, Self::Released, Self::Retired]
            .into_iter()
            .find(|status| status.name() == text)
    }

    /// Released, from registered only.
    #[must_use]
    pub fn release(self) -> Option<Self> {
        (self == Self::Registered).then_some(Self::Released)
    }

    /// Retired, from anything but retired.
    #[must_use]
    pub fn retire(self) -> Option<Self> {
        (self != Self::Retired).then_some(Self::Retired)
    }
}

/// Why a model may not be used although it is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quarantine {
    /// The agreement wants it made anew; an operator decides.
    Retrain,
    /// The agreement wants it out of use.
    Retire,
}

/// A model.
#[derive(Debug, Clone)]
pub struct Model {
    pub id: ModelId,
    /// As in requests.
    pub name: String,
    pub kind: Kind,
    /// What permissions name: `smollm2`, `gpt-nl`.
    pub family: String,
    pub license: String,
    /// Whose it is; bases belong to the platform.
    pub institution: InstitutionId,
    pub status: Status,
    /// Set where a permission in its lineage fell: when and why.
    pub marked: Option<(DateTime<Utc>, String)>,
    /// Since when it may not be used because of that, and what the agreement wants.
    pub quarantine: Option<(DateTime<Utc>, Quarantine)>,
    pub weights_sha256: String,
    pub created_at: DateTime<Utc>,
}

impl Model {
    /// Whether it may be served, asked and tuned.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.status == Status::Released && self.quarantine.is_none()
    }

    /// Whether it may be measured: it is in use, or may come into use.
    #[must_use]
    pub fn is_measurable(&self) -> bool {
        self.status != Status::Retired && self.quarantine.is_none()
    }

    /// What policy looks at.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope {
            is_published: self.kind == Kind::Base,
            ..Scope::of(self.institution)
        }
    }
}

/// A file of a model in the object store.
#[derive(Debug, Clone)]
pub struct ModelFile {
    pub id: uuid::Uuid,
    pub name: String,
    pub size_bytes: i64,
    pub sha256: String,
    pub object_key: String,
    pub object_version: String,
}

/// A model as the gateway sees it.
#[derive(Debug, Clone)]
pub struct ServedModel {
    pub id: ModelId,
    pub name: String,
    pub is_base: bool,
    pub institution: InstitutionId,
    pub status: Status,
    /// Why it is marked, if it is.
    pub marked_reason: Option<String>,
    /// Since when it may not be used, if it may not.
    pub quarantined_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}
