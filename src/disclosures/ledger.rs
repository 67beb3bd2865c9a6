//! What is on record of a model as at an instant: all that its documents may state. Pure.

use chrono::{DateTime, Utc};
use job_contract::{JobResult, Task};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    base_facts::BaseFacts,
    provider::ProviderFacts,
    ratio::{BaseCompute, Ratio},
};
use crate::{
    datasets::StatedFacts,
    ids::{AttemptId, DatasetId, DatasetVersionId, FactId, JobId, ModelId, PermissionId},
    models::DistributionScope,
    privacy::Filed,
};

/// Facts with the record they stand in.
#[derive(Debug, Clone)]
pub(super) struct Recorded<T> {
    pub(super) id: FactId,
    pub(super) facts: T,
}

/// Everything, as at an instant.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    pub(super) at: DateTime<Utc>,
    pub(super) model: ModelRecord,
    /// This model's own making, then that of the model under it, and so on; the base is not among them.
    pub(super) chain: Vec<Modification>,
    pub(super) base: BaseRecord,
    pub(super) provider: Option<Recorded<ProviderFacts>>,
    pub(super) decision: Option<ModificationDecision>,
}

/// The model itself.
#[derive(Debug, Clone)]
pub(super) struct ModelRecord {
    pub(super) id: ModelId,
    pub(super) name: String,
    pub(super) license: String,
    pub(super) weights_sha256: String,
    pub(super) released_at: Option<DateTime<Utc>>,
    /// How far it may go: as it was released, else as far as its lineage allows.
    pub(super) scope: DistributionScope,
    pub(super) receipt_sha256: Option<String>,
}

/// The base at the end of the chain.
#[derive(Debug, Clone)]
pub(super) struct BaseRecord {
    pub(super) id: ModelId,
    pub(super) name: String,
    pub(super) weights_sha256: String,
    pub(super) facts: Option<Recorded<BaseFacts>>,
}

/// One training job that made one model of the chain.
#[derive(Debug, Clone)]
pub(super) struct Modification {
    pub(super) model: ModelId,
    pub(super) model_name: String,
    pub(super) job: JobId,
    pub(super) purpose: String,
    pub(super) motivation: String,
    pub(super) task: Task,
    pub(super) attempt: AttemptId,
    pub(super) ended_at: DateTime<Utc>,
    pub(super) result: JobResult,
    pub(super) datasets: Vec<UsedDataset>,
}

/// A dataset version that a job read.
#[derive(Debug, Clone)]
pub(super) struct UsedDataset {
    pub(super) dataset: DatasetId,
    pub(super) version: DatasetVersionId,
    pub(super) number: i32,
    pub(super) manifest_sha256: String,
    /// What was said of it when the version was submitted.
    pub(super) said: SaidFacts,
    pub(super) public: Option<StatedFacts>,
    pub(super) files: i64,
    pub(super) bytes: i64,
    pub(super) documents: i64,
    /// Tokens really read, over all passes.
    pub(super) tokens: i64,
    /// Id of the verdict that was bound at dispatch.
    pub(super) verdict: Option<Uuid>,
    /// Which permissions it relied on.
    pub(super) permissions: Vec<PermissionId>,
    /// Ids of the approvals: data and rights.
    pub(super) reviews: Vec<Uuid>,
    /// Its licence as it was last put on record.
    pub(super) licence: Option<LicenceRecord>,
    /// What was last found at its source, with the look that found it first.
    pub(super) check: Option<SourceCheck>,
    /// The runs that the version came out of, oldest first.
    pub(super) curation: Vec<CurationRecord>,
    /// The assessment of its personal data that the privacy officer signed last.
    pub(super) assessment: Option<Filed>,
    /// When its permission was last withdrawn, with the id of the withdrawal.
    pub(super) withdrawn: Option<(Uuid, DateTime<Utc>)>,
}

/// A licence on record.
#[derive(Debug, Clone)]
pub(super) struct LicenceRecord {
    pub(super) id: Uuid,
    /// As it was written.
    pub(super) license: String,
    pub(super) said_at: DateTime<Utc>,
}

/// A look at the source of a dataset, in the words of the database.
#[derive(Debug, Clone)]
pub(super) struct SourceCheck {
    pub(super) id: Uuid,
    pub(super) source_url: String,
    /// `read`, or why it could not be.
    pub(super) outcome: String,
    pub(super) license_label: Option<String>,
    pub(super) reservation: String,
    pub(super) robots: String,
    pub(super) checked_at: DateTime<Utc>,
}

/// A run that made a dataset version out of others.
#[derive(Debug, Clone)]
pub(super) struct CurationRecord {
    pub(super) id: Uuid,
    /// `curation` or `exclusion`.
    pub(super) kind: String,
    pub(super) config_sha256: String,
    pub(super) code_commit: String,
    pub(super) statistics: serde_json::Value,
    pub(super) created_at: DateTime<Utc>,
}

/// What an institution said of its dataset, from the audit log.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SaidFacts {
    pub(super) title: String,
    pub(super) license: String,
    pub(super) right_holder: String,
    pub(super) personal_data_basis: Option<String>,
    pub(super) confidentiality: String,
}

impl SaidFacts {
    /// Whether the public may know its name.
    pub(super) fn is_public(&self) -> bool {
        self.confidentiality == "public"
    }
}

/// What a legal reviewer decided on a heavy modification.
#[derive(Debug, Clone)]
pub(super) struct ModificationDecision {
    pub(super) id: FactId,
    pub(super) cumulative_flop: f64,
    pub(super) reference_flop: f64,
    pub(super) conclusion: String,
    pub(super) reason: String,
}

impl Ledger {
    /// How far the model was modified.
    pub(super) fn ratio(&self) -> Ratio {
        let mut flops = self
            .chain
            .iter()
            .map(|modification| modification.result.flop);
        let own = flops.next().unwrap_or_default();
        let earlier: Vec<f64> = flops.collect();
        let base = self
            .base
            .facts
            .as_ref()
            .map_or(BaseCompute::Unknown, |known| known.facts.compute.base());
        Ratio::of(own, &earlier, base)
    }

    /// The decision on the modification, where it was about this much of it.
    pub(super) fn counting_decision(&self) -> Option<&ModificationDecision> {
        let ratio = self.ratio();
        self.decision.as_ref().filter(|decision| {
            ratio.is_covered_by(decision.cumulative_flop, decision.reference_flop)
        })
    }

    /// Every dataset version that was read along the chain, once, with all its tokens; by id.
    pub(super) fn datasets(&self) -> Vec<(UsedDataset, Vec<JobId>)> {
        let mut found: Vec<(UsedDataset, Vec<JobId>)> = Vec::new();
        for modification in &self.chain {
            for used in &modification.datasets {
                match found
                    .iter_mut()
                    .find(|(known, _)| known.version == used.version)
                {
                    Some((known, jobs)) => {
                        known.tokens = known.tokens.saturating_add(used.tokens);
                        jobs.push(modification.job);
                    }
                    None => found.push((used.clone(), vec![modification.job])),
                }
            }
        }
        found.sort_by_key(|(used, _)| used.version);
        found
    }

    /// Tokens really read along the chain.
    pub(super) fn tokens(&self) -> i64 {
        self.datasets()
            .iter()
            .fold(0, |sum, (used, _)| sum.saturating_add(used.tokens))
    }
}
