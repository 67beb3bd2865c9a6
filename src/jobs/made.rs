//! What a job made: its files are there as announced, and become a model with a receipt.

use data_encoding::HEXLOWER;
use job_contract::{JobResult, Task};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    error::JobError,
    finish::tokens_of,
    internal_error::CallError,
    job::{Attempt, BoundVerdict, Job},
    reads::Reading,
    store::{self, Artifact},
};
use crate::{
    db::{CommitError, WriteTx},
    ids::{DatasetVersionId, PermissionId},
    models::{self, FromJob, JobFile, JobInput, Makes, NewFile},
    objects::ObjectStore,
    signing::Signer,
};

/// PEFT's names: without both there is no adapter.
const ADAPTER: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];
/// A folder in the model hub's layout, as serving opens it, besides the weights.
const WHOLE: [&str; 3] = ["config.json", "tokenizer.json", "tokenizer_config.json"];
const INDEX: &str = "model.safetensors.index.json";

/// What a task makes; none where it makes no model.
pub(super) fn makes(task: &Task) -> Option<Makes> {
    match task {
        Task::FineTuneLora { .. } | Task::Dpo { .. } => Some(Makes::Adapter),
        Task::FineTuneFull { .. } | Task::Pretrain { .. } => Some(Makes::Whole),
        Task::Evaluate { .. } => None,
    }
}

/// Whether a file is of a whole model's weights.
fn is_weights(name: &str) -> bool {
    name == INDEX || name.starts_with("model") && name.ends_with(".safetensors")
}

/// The files that a task must leave, by name. Weights that are spread over several files have an index, and the name
/// of each says how many they are.
fn needed(task: &Task, there: &[Checked]) -> Vec<String> {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    match makes(task) {
        Some(Makes::Adapter) => names(&ADAPTER),
        Some(Makes::Whole) => {
            let parts = there
                .iter()
                .find_map(|one| parts_said_by(&one.file.name))
                .filter(|parts| (2..=there.len()).contains(parts));
            let weights = match parts {
                Some(parts) => (1..=parts)
                    .map(|part| format!("model-{part:05}-of-{parts:05}.safetensors"))
                    .chain([INDEX.to_owned()])
                    .collect(),
                None => vec!["model.safetensors".to_owned()],
            };
            let rest: Vec<String> = names(&WHOLE);
            weights.into_iter().chain(rest).collect()
        }
        None => Vec::new(),
    }
}

/// 3 for `model-00002-of-00003.safetensors`.
fn parts_said_by(name: &str) -> Option<usize> {
    let (_, parts) = name.strip_prefix("model-")?.split_once("-of-")?;
    parts.strip_suffix(".safetensors")?.parse().ok()
}

/// A file that is in the store as announced.
pub(super) struct Checked {
    pub(super) artifact: Uuid,
    pub(super) file: NewFile,
}

/// Looks every file of a result up in the store.
///
/// # Errors
/// [`CallError::Invalid`] for one that was not announced or is not there with its size.
pub(super) async fn check(
    objects: &ObjectStore,
    announced: &[Artifact],
    (task, result): (&Task, &JobResult),
) -> Result<Vec<Checked>, CallError> {
    let mut checked: Vec<Checked> = Vec::new();
    for stored in &result.artifacts {
        let artifact = announced
            .iter()
            .find(|artifact| {
                artifact.id == stored.artifact
                    && artifact.kind == "model"
                    && artifact.name == stored.name
                    && artifact.sha256 == stored.sha256
                    && artifact.size_bytes.unsigned_abs() == stored.size_bytes
            })
            .ok_or_else(|| CallError::Invalid(format!("{} was not announced so", stored.name)))?;
        let head = match objects.head(&artifact.object_key).await {
            Ok(head) if head.size_bytes == stored.size_bytes => head,
            Ok(_) => {
                return Err(CallError::Invalid(format!(
                    "{} has another size",
                    stored.name
                )));
            }
            Err(error) if error.is_missing => {
                return Err(CallError::Invalid(format!("{} is not there", stored.name)));
            }
            Err(error) => return Err(error.into()),
        };
        checked.push(Checked {
            artifact: artifact.id,
            file: NewFile {
                name: artifact.name.clone(),
                size_bytes: artifact.size_bytes,
                sha256: artifact.sha256.clone(),
                object_key: artifact.object_key.clone(),
                object_version: head.version,
            },
        });
    }
    let needed = needed(task, &checked);
    // Programs differ in which they open where there are two.
    let second = checked
        .iter()
        .map(|one| &one.file.name)
        .find(|name| is_weights(name) && !needed.contains(name));
    if let Some(second) = second {
        return Err(CallError::Invalid(format!(
            "{second} does not belong to the weights"
        )));
    }
    for needed in needed {
        match checked.iter().filter(|one| one.file.name == needed).count() {
            1 => {}
            0 => return Err(CallError::Invalid(format!("{needed} is missing"))),
            _ => return Err(CallError::Invalid(format!("{needed} is named twice"))),
        }
    }
    Ok(checked)
}

/// A job that went well.
pub(super) struct Made<'a> {
    pub(super) job: &'a Job,
    pub(super) attempt: &'a Attempt,
    pub(super) result: &'a JobResult,
    pub(super) files: Vec<Checked>,
    pub(super) readings: &'a [Reading],
}

/// Registers the model with what it was made from, in the transaction that ends the job.
pub(super) async fn register(
    tx: &mut WriteTx<'_>,
    signer: &Signer,
    made: &Made<'_>,
) -> Result<(), JobError> {
    let (job, attempt) = (made.job, made.attempt);
    let Some(makes) = makes(&job.task) else {
        return Ok(());
    };
    let bound = store::bound_verdicts(tx.conn(), attempt.id).await?;
    let json = |e: serde_json::Error| JobError::from(CommitError::from(e));
    let mut inputs = Vec::new();
    for input in store::inputs(tx.conn(), job.id).await? {
        let verdict = bound.iter().find(|one| one.version == input.version);
        let permissions = match verdict {
            Some(verdict) => store::terms_of(tx.conn(), &permissions_of(verdict)).await?,
            None => Vec::new(),
        };
        inputs.push(JobInput {
            dataset: input.dataset,
            version: input.version,
            title: input.title,
            manifest_sha256: input.manifest_sha256.unwrap_or_default(),
            permissions,
            verdict_sha256: verdict
                .map(|one| serde_json::to_vec(&one.verdict))
                .transpose()
                .map_err(json)?
                .map(|text| HEXLOWER.encode(&Sha256::digest(text)))
                .unwrap_or_default(),
            decided_at: verdict.map(|one| one.decided_at),
            policy_sha256: verdict
                .map(|one| one.policy_sha256.clone())
                .unwrap_or_default(),
            files: files_of(made.readings, Some(input.version)),
            tokens_read: tokens_of(made.result, input.version),
        });
    }
    let from_job = FromJob {
        job: job.id,
        attempt: attempt.id,
        attempt_number: attempt.number,
        makes,
        institution: job.institution,
        institution_slug: &job.institution_slug,
        suffix: &job.title,
        base: job.base,
        files: made
            .files
            .iter()
            .map(|one| NewFile {
                name: one.file.name.clone(),
                size_bytes: one.file.size_bytes,
                sha256: one.file.sha256.clone(),
                object_key: one.file.object_key.clone(),
                object_version: one.file.object_version.clone(),
            })
            .collect(),
        inputs,
        base_files: files_of(made.readings, None),
        wanted: serde_json::to_value(job.wanted(attempt.processing_location)).map_err(json)?,
        task: serde_json::to_value(&job.task).map_err(json)?,
        seed: job.seed,
        result: made.result,
        started_at: attempt.created_at,
    };
    models::register_from_job(tx, signer, &from_job).await?;
    Ok(())
}

/// The permissions that a verdict read.
fn permissions_of(verdict: &BoundVerdict) -> Vec<PermissionId> {
    let reasons = verdict.verdict.reasons.iter();
    reasons.filter_map(|reason| reason.permission).collect()
}

/// What was read of a version, or of the base model, in the order of the paths.
fn files_of(readings: &[Reading], version: Option<DatasetVersionId>) -> Vec<JobFile> {
    let mut files: Vec<_> = readings
        .iter()
        .filter(|reading| reading.version == version)
        .map(|reading| JobFile {
            id: reading.file,
            path: reading.path.clone(),
            sha256: reading.sha256.clone(),
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.id == b.id);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(name: &str) -> Checked {
        Checked {
            artifact: Uuid::nil(),
            file: NewFile {
                name: name.to_owned(),
                size_bytes: 1,
                sha256: "0a".repeat(32),
                object_key: String::new(),
                object_version: String::new(),
            },
        }
    }

    fn whole() -> Task {
        Task::FineTuneFull {
            training: job_contract::TrainingSettings::default(),
        }
    }

    #[test]
    fn weights_in_several_files_are_wanted_whole_and_with_their_index() {
        let second = there("model-00002-of-00003.safetensors");
        let config = there("config.json");
        let other = there("tokenizer.json");
        let weights = [
            "model-00001-of-00003.safetensors",
            "model-00002-of-00003.safetensors",
            "model-00003-of-00003.safetensors",
            "model.safetensors.index.json",
        ];
        let needed_names = needed(&whole(), &[second, config, other]);
        assert_eq!(needed_names, [weights.as_slice(), &WHOLE].concat());
    }

    #[test]
    fn a_name_that_promises_more_files_than_came_is_not_believed() {
        for name in [
            "model-00001-of-99999999.safetensors",
            "model-00001-of-00000.safetensors",
            "model-x-of-1.safetensors",
        ] {
            let needed_names = needed(&whole(), &[there(name), there(INDEX)]);
            let expected = [["model.safetensors"].as_slice(), &WHOLE].concat();
            assert_eq!(needed_names, expected, "{name}");
        }
    }
}
