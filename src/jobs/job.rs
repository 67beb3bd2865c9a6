//! What a job and an attempt are.

use chrono::{DateTime, Utc};
use job_contract::Task;

use super::status::{AttemptStatus, JobStatus};
use crate::{
    ids::{AttemptId, DatasetId, DatasetVersionId, InstitutionId, JobId, ModelId, UserId},
    permissions::{Purpose, Recipients, Territory, Use, Verdict},
    policy::Scope,
};

/// What a program hears that is to go on later (`job_contract::EventAnswer`).
pub(super) const PAUSED: &str = "paused";

/// A training job.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: JobId,
    pub institution: InstitutionId,
    pub institution_name: String,
    pub institution_slug: String,
    pub title: String,
    /// What the result is for, in the requester's words.
    pub motivation: String,
    pub purpose: Purpose,
    pub recipients: Recipients,
    pub is_commercial: bool,
    /// Where the result is used.
    pub territory: Territory,
    /// What it starts from; none where it starts from nothing.
    pub base: Option<ModelId>,
    /// Empty where there is no base.
    pub base_name: String,
    /// What permissions name.
    pub model_family: String,
    pub task: Task,
    /// Of the program's random numbers.
    pub seed: i64,
    pub status: JobStatus,
    /// Why it ended as it did: a code.
    pub status_code: Option<String>,
    /// And a sentence, or the ids of rules.
    pub status_message: Option<String>,
    pub requested_by: UserId,
    pub requested_by_name: String,
    pub requested_at: DateTime<Utc>,
    pub approved_by_name: Option<String>,
    pub approved_at: Option<DateTime<Utc>>,
    pub cancel_requested_at: Option<DateTime<Utc>>,
    pub cancel_reason: Option<String>,
    /// Since when its program is asked to put down what it has and leave, if it is.
    pub pause_requested_at: Option<DateTime<Utc>>,
    /// Since when it rests, if it does.
    pub paused_at: Option<DateTime<Utc>>,
    /// Not tried again before this.
    pub not_before: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
}

impl Job {
    /// What policy looks at.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::of(self.institution).requested_by(Some(self.requested_by))
    }

    /// What is asked of the permissions, where the job runs in `processing_location`.
    #[must_use]
    pub fn wanted(&self, processing_location: Territory) -> Use {
        Use {
            purpose: self.purpose,
            recipients: self.recipients,
            is_commercial: self.is_commercial,
            model_family: self.model_family.clone(),
            processing_location,
            territory: self.territory,
        }
    }

    /// Why it was asked to stop, if it was.
    #[must_use]
    pub fn cancel(&self) -> Option<&str> {
        self.cancel_requested_at
            .map(|_| self.cancel_reason.as_deref().unwrap_or("cancelled"))
    }

    /// What its program is to hear: why to stop, for good or for now.
    #[must_use]
    pub fn asked_to_stop(&self) -> Option<&str> {
        self.cancel().or(self.pause_requested_at.map(|_| PAUSED))
    }
}

/// A job in a few words.
#[derive(Debug, Clone)]
pub struct JobBrief {
    pub id: JobId,
    pub title: String,
    pub institution: InstitutionId,
    pub institution_name: String,
    pub purpose: Purpose,
    pub status: JobStatus,
    pub requested_at: DateTime<Utc>,
    pub requested_by_name: String,
    /// Empty where there is no base.
    pub base_name: String,
}

/// One try at a job.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub id: AttemptId,
    pub job: JobId,
    /// From 1.
    pub number: i32,
    /// Which backend, on which machine.
    pub backend: String,
    /// Where that machine stands.
    pub processing_location: Territory,
    /// What the backend calls it.
    pub handle: Option<String>,
    pub status: AttemptStatus,
    /// `job_contract::Phase`, as last told.
    pub phase: Option<String>,
    pub created_at: DateTime<Utc>,
    pub heartbeat_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// `job_contract::Outcome` as the program sent it.
    pub outcome: Option<serde_json::Value>,
    pub failure_code: Option<String>,
    pub failure_message: Option<String>,
}

/// A dataset version that a job asks for.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub version: DatasetVersionId,
    pub dataset: DatasetId,
    pub title: String,
    pub institution_name: String,
    pub manifest_sha256: Option<String>,
}

/// A verdict that was bound to an attempt.
#[derive(Debug, Clone)]
pub(super) struct BoundVerdict {
    pub version: DatasetVersionId,
    pub verdict: Verdict,
    pub policy_sha256: String,
    pub decided_at: DateTime<Utc>,
}
