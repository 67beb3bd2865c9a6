//! A job as it was asked for through the API.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use openai_api::{Hyperparameters, Method};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ask::Wish;
use crate::ids::{ApiKeyId, DatasetVersionId, InstitutionId, JobId, ModelId, UserId};

/// How far a job is before the rest of the portal knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its files are read.
    Validating,
    /// People decide on its data.
    Waiting,
    /// It is a job of the portal: all else is to be read there.
    Requested,
    /// It cannot become one.
    Failed,
    /// Nobody wants it any more.
    Cancelled,
}

impl Phase {
    const ALL: [Self; 5] = [
        Self::Validating,
        Self::Waiting,
        Self::Requested,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word in the database.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::Waiting => "waiting",
            Self::Requested => "requested",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == text)
    }
}

/// Whose word a job waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WaitsFor {
    /// `data_review`, `legal_review`, `changes`, `permission` or `compute`.
    pub(super) role: String,
    /// In words; English.
    pub(super) by: String,
    /// Where they decide.
    pub(super) url: String,
    /// The rules that stand in the way, where a permission is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) rules: Vec<String>,
}

/// Why a job failed before it was one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Failed {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) param: Option<String>,
    /// The lines that are wrong, the first hundred.
    #[serde(default)]
    pub(super) problems: Vec<Value>,
}

/// A job as it was asked for.
#[derive(Debug, Clone)]
pub(super) struct TuningJob {
    pub(super) id: JobId,
    pub(super) institution: InstitutionId,
    pub(super) key: ApiKeyId,
    pub(super) created_by: UserId,
    pub(super) created_at: DateTime<Utc>,
    pub(super) base: ModelId,
    pub(super) base_name: String,
    pub(super) base_family: String,
    pub(super) training_file: String,
    pub(super) validation_file: Option<String>,
    pub(super) training_version: DatasetVersionId,
    pub(super) validation_version: Option<DatasetVersionId>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) method: Method,
    pub(super) resolved: Option<Hyperparameters>,
    pub(super) wish: Wish,
    pub(super) phase: Phase,
    pub(super) examined_at: Option<DateTime<Utc>>,
    pub(super) waits_for: Vec<WaitsFor>,
    pub(super) error: Option<Failed>,
    pub(super) ended_at: Option<DateTime<Utc>>,
    /// The last state of the portal's job that events tell of.
    pub(super) told_status: Option<String>,
}

impl TuningJob {
    /// The versions with the field that named each.
    pub(super) fn versions(&self) -> Vec<(&'static str, DatasetVersionId)> {
        let mut versions = vec![("training_file", self.training_version)];
        versions.extend(
            self.validation_version
                .map(|version| ("validation_file", version)),
        );
        versions
    }
}
