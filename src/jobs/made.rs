//! What a job made: its files are there as announced, and become a model with a receipt.

use job_contract::JobResult;
use uuid::Uuid;

use super::{
    error::JobError,
    finish::tokens_of,
    internal_error::CallError,
    job::{Attempt, Job},
    store::{self, Artifact},
};
use crate::{
    db::{CommitError, WriteTx},
    models::{self, FromJob, JobInput, NewFile},
    objects::ObjectStore,
    signing::Signer,
};

/// PEFT's names: without both there is no adapter.
const NEEDED: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];

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
    result: &JobResult,
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
    for needed in NEEDED {
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
}

/// Registers the model with what it was made from, in the transaction that ends the job.
pub(super) async fn register(
    tx: &mut WriteTx<'_>,
    signer: &Signer,
    made: &Made<'_>,
) -> Result<(), JobError> {
    let (job, attempt) = (made.job, made.attempt);
    let bound = store::bound_verdicts(tx.conn(), attempt.id).await?;
    let inputs = store::inputs(tx.conn(), job.id)
        .await?
        .into_iter()
        .map(|input| JobInput {
            dataset: input.dataset,
            version: input.version,
            manifest_sha256: input.manifest_sha256.unwrap_or_default(),
            policy_sha256: bound
                .iter()
                .find(|verdict| verdict.version == input.version)
                .map(|verdict| verdict.policy_sha256.clone())
                .unwrap_or_default(),
            tokens_read: tokens_of(made.result, input.version),
        })
        .collect();
    let json = |e: serde_json::Error| JobError::from(CommitError::from(e));
    let from_job = FromJob {
        job: job.id,
        attempt: attempt.id,
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
        wanted: serde_json::to_value(job.wanted()).map_err(json)?,
        task: serde_json::to_value(&job.task).map_err(json)?,
        seed: job.seed,
        result: made.result,
        started_at: attempt.created_at,
    };
    models::register_from_job(tx, signer, &from_job).await?;
    Ok(())
}
