//! Typed identifiers: one newtype for each thing, so that ids cannot be swapped.

use std::{fmt, str::FromStr};

pub use permission_policy::PermissionId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! typed_id {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh, time-ordered identifier (UUID version 7, RFC 9562).
            #[must_use]
            pub fn fresh() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

typed_id!(
    /// A person who has logged in, or was invited to.
    UserId,
    /// A partner institution, or the platform itself.
    InstitutionId,
    /// A dataset, whatever its version.
    DatasetId,
    /// One registered version of a dataset.
    DatasetVersionId,
    /// One file of a dataset version; also the id of its upload.
    FileId,
    /// One decision that keeps documents out of a dataset.
    ExclusionId,
    /// One request or complaint from outside.
    ComplaintId,
    /// One run that made a dataset version out of others.
    CurationRunId,
    /// One look at the source of a dataset.
    RightsCheckId,
    /// One thing that a look found changed.
    RightsChangeId,
    /// One text of a privacy assessment.
    AssessmentId,
    /// One agreement that permissions are read from.
    AgreementId,
    /// One document of an agreement.
    AgreementDocumentId,
    /// One version of one coded line of an agreement.
    AgreementLineId,
    /// One clause of an agreement that no term says.
    AgreementClauseId,
    /// One withdrawal.
    WithdrawalId,
    /// A base model, or one that came out of a job.
    ModelId,
    /// One measuring of a model.
    EvaluationId,
    /// One limit on how much of a dataset a model may keep by heart.
    MemorisationLimitId,
    /// A model that is, or is to be, served.
    DeploymentId,
    /// One life of a program that serves models.
    ServingProcessId,
    /// One fine-tuning job.
    JobId,
    /// What an institution may use in a period.
    BudgetId,
    /// One try at a job.
    AttemptId,
    /// One leave to read one file.
    GrantId,
    /// A file that an attempt left behind.
    ArtifactId,
    /// One holder of a model under a licence.
    LicenseeId,
    /// What has to follow a withdrawal.
    DutyId,
    /// A copy that has to go.
    PurgeItemId,
    /// One inference key.
    ApiKeyId,
    /// One address that is told of events.
    WebhookId,
    /// One request through the gateway.
    RequestId,
    /// One prepared version of the documents about a model.
    DisclosureId,
    /// One statement on record that documents quote: of the provider, of a base model, of a dataset, or a decision.
    FactId,
    /// One thing that somebody was told.
    NoticeId,
    /// One line of the audit log.
    /// One piece of background work.
    TaskId,
);
