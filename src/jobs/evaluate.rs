//! Jobs that measure a model: what is measured, the report that comes back, and the job that follows by itself once a
//! model is made.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use data_encoding::HEXLOWER;
use job_contract::{EvaluationSettings, JobResult, Task};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    error::JobError,
    evaluation::{Trained, needs_data, settings},
    happened::Happened,
    internal_error::CallError,
    job::Job,
    made::Made,
    reads::Reading,
    status::{JobStatus, Step},
    store::{self, Artifact},
};
use crate::{
    config,
    db::{CommitError, Db, StoreError, WriteTx},
    ids::{ArtifactId, AttemptId, DatasetVersionId, JobId, ModelId},
    models::{
        self, JobFile, Kind, LARGEST_REPORT, Measured, MeasuredFile, Model, REPORT_NAME, Report,
    },
    objects::ObjectStore,
    signing::Signer,
};

/// Characters of a job's title that go into that of the one that follows.
const TITLE: usize = 180;

/// A report that is in the store as announced, and was read.
pub(super) struct Reported {
    artifact: ArtifactId,
    version: String,
    sha256: String,
    report: Report,
}

/// Looks the report of an evaluation up in the store and reads it.
///
/// # Errors
/// [`CallError::Invalid`] where it is not the one file that was announced, cannot be read, or tells of data that were
/// not read.
pub(super) async fn check(
    objects: &ObjectStore,
    announced: &[Artifact],
    (result, readings): (&JobResult, &[Reading]),
) -> Result<Reported, CallError> {
    let invalid = |problem: String| CallError::Invalid(problem);
    let [stored] = result.artifacts.as_slice() else {
        return Err(invalid(format!(
            "an evaluation leaves one file, {REPORT_NAME}"
        )));
    };
    let artifact = announced
        .iter()
        .find(|artifact| {
            artifact.id == stored.artifact
                && artifact.kind == "report"
                && artifact.name == REPORT_NAME
                && artifact.sha256 == stored.sha256
                && artifact.size_bytes.unsigned_abs() == stored.size_bytes
        })
        .ok_or_else(|| invalid(format!("{} was not announced so", stored.name)))?;
    if stored.size_bytes > LARGEST_REPORT {
        return Err(invalid(format!("{REPORT_NAME} is too large")));
    }
    let head = match objects.head(&artifact.object_key).await {
        Ok(head) if head.size_bytes == stored.size_bytes => head,
        Ok(_) => return Err(invalid(format!("{REPORT_NAME} has another size"))),
        Err(error) if error.is_missing => {
            return Err(invalid(format!("{REPORT_NAME} is not there")));
        }
        Err(error) => return Err(error.into()),
    };
    let bytes: Bytes = objects
        .read_range(&artifact.object_key, &head.version, (0, head.size_bytes))
        .await?;
    if HEXLOWER.encode(&Sha256::digest(&bytes)) != artifact.sha256 {
        return Err(invalid(format!("{REPORT_NAME} holds something else")));
    }
    let report = Report::parse(&bytes).map_err(|why| invalid(why.to_string()))?;
    let is_read = |version: DatasetVersionId| {
        readings
            .iter()
            .any(|reading| reading.version == Some(version))
    };
    let mut told = report.datasets.iter().map(|of| of.dataset_version);
    if let Some(version) = told.find(|version| !is_read(DatasetVersionId(*version))) {
        return Err(invalid(format!(
            "{REPORT_NAME} tells of the dataset version {version}, which was not read"
        )));
    }
    Ok(Reported {
        artifact: ArtifactId(artifact.id),
        version: head.version,
        sha256: artifact.sha256.clone(),
        report,
    })
}

/// Puts the figures on record, in the transaction that ends the job.
pub(super) async fn register(
    tx: &mut WriteTx<'_>,
    signer: &Signer,
    made: &Made<'_>,
    reported: &Reported,
) -> Result<(), JobError> {
    let (job, attempt) = (made.job, made.attempt);
    store::set_artifact_version(tx, reported.artifact, &reported.version).await?;
    let model = store::measured_model(tx.conn(), job.id)
        .await?
        .or(job.base)
        .ok_or(JobError::UnknownBase)?;
    let measured = Measured {
        model,
        job: job.id,
        attempt: attempt.id,
        report: &reported.report,
        report_sha256: &reported.sha256,
        task: serde_json::to_value(&job.task).map_err(CommitError::from)?,
        seed: job.seed,
        result: made.result,
        files: made.readings.iter().map(file).collect(),
        started_at: attempt.created_at,
    };
    models::register_evaluation(tx, signer, &measured).await?;
    Ok(())
}

fn file(reading: &Reading) -> MeasuredFile {
    MeasuredFile {
        version: reading.version,
        file: JobFile {
            id: reading.file,
            path: reading.path.clone(),
            sha256: reading.sha256.clone(),
        },
    }
}

/// The job that measures what `job` has just made, in the same transaction: approved by who approved that one, on no
/// other data and for no other use. It is decided on again when it starts, and at every file.
pub(super) async fn follow(
    tx: &mut WriteTx<'_>,
    config: &config::Evaluation,
    job: &Job,
) -> Result<(), JobError> {
    let made = models::of_job(tx.conn(), job.id).await?;
    let Some(model) = made.filter(|_| config.automatic) else {
        return Ok(());
    };
    let Some(approver) = store::approver_of(tx.conn(), job.id).await? else {
        return Ok(());
    };
    let settings = settings_after(tx, Some(job), config).await?;
    let versions = versions_read(tx, Some(job), &settings).await?;
    let mut next = Job {
        title: title(&job.title),
        base: Some(stands_on(&model)),
        ..asked(job, settings, tx.now())
    };
    insert(tx, &next, Some(job), &versions).await?;
    // It may have been sent to a place for a reason; it has just run there.
    if let Some(queue) = store::asked_of_queue(tx.conn(), job.id).await? {
        store::set_asked(tx, next.id, (queue.place.as_deref(), None)).await?;
    }
    next.status = next.status.after(Step::Approve)?;
    next.approved_at = Some(tx.now());
    store::save(tx, &next, Some(approver)).await?;
    store::insert_evaluation_job(tx, next.id, model.id, Some(job.id)).await?;
    tx.record(&Happened::to(
        &next,
        "jobs.evaluation_asked",
        json!({ "model": model.id, "follows": job.id, "approved_by": approver, "dataset_versions": versions }),
    ))?;
    Ok(())
}

/// A report that an attempt left, by its name and hash; none where it is gone.
///
/// # Errors
/// Where the database or the store is away.
pub async fn report_file(
    db: &Db,
    objects: &ObjectStore,
    (attempt, name, sha256): (AttemptId, &str, &str),
) -> Result<Option<Vec<u8>>, JobError> {
    let found = {
        let mut conn = db.read().await?;
        store::find_artifact(&mut conn, attempt, (name, sha256)).await?
    };
    let Some(artifact) = found.filter(|artifact| artifact.kind == "report") else {
        return Ok(None);
    };
    match objects.get(&artifact.object_key).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_missing => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a model is measured over: adapters over their base, every other by itself.
pub(super) fn stands_on(model: &Model) -> ModelId {
    match model.kind {
        Kind::Adapter { base, .. } => base,
        Kind::Base | Kind::Whole { .. } => model.id,
    }
}

/// Keeps the models that a job reads from being quarantined until the transaction ends; answers whether it may read
/// them. One that is measured need not be released.
pub(super) async fn lock_models(
    tx: &mut WriteTx<'_>,
    job: JobId,
    base: ModelId,
) -> Result<bool, StoreError> {
    let Some(measured) = store::measured_model(tx.conn(), job).await? else {
        return models::lock_for_use(tx, base).await;
    };
    // The base first: it is the older of the two, as everybody takes them.
    let is_base_usable = base == measured || models::lock_for_use(tx, base).await?;
    Ok(models::lock_to_measure(tx, measured).await? && is_base_usable)
}

/// What is measured of the model that `trained` made; of a base, none.
pub(super) async fn settings_after(
    tx: &mut WriteTx<'_>,
    trained: Option<&Job>,
    config: &config::Evaluation,
) -> Result<EvaluationSettings, StoreError> {
    let Some(job) = trained else {
        return Ok(settings(None, config));
    };
    let validation = store::validation_versions(tx.conn(), job.id).await?;
    let trained = Trained {
        task: &job.task,
        seed: job.seed,
        has_validation: !validation.is_empty(),
    };
    Ok(settings(Some(trained), config))
}

/// The dataset versions that are read to measure this.
pub(super) async fn versions_read(
    tx: &mut WriteTx<'_>,
    trained: Option<&Job>,
    settings: &EvaluationSettings,
) -> Result<Vec<DatasetVersionId>, StoreError> {
    match trained {
        Some(job) if needs_data(settings) => store::input_versions(tx.conn(), job.id).await,
        _ => Ok(Vec::new()),
    }
}

/// Writes a request down that reads these versions, each for what the training read it for.
pub(super) async fn insert(
    tx: &mut WriteTx<'_>,
    next: &Job,
    trained: Option<&Job>,
    versions: &[DatasetVersionId],
) -> Result<(), StoreError> {
    store::insert(tx, next, versions).await?;
    if let Some(job) = trained {
        for version in store::validation_versions(tx.conn(), job.id).await? {
            store::set_validation(tx, next.id, version).await?;
        }
    }
    Ok(())
}

/// The title of the job that measures what the job of this title made.
pub(super) fn title(of: &str) -> String {
    let short: String = of.chars().take(TITLE).collect();
    format!("{short} · evaluatie")
}

/// A fresh request to measure what `job` made, for the same use and with the same seed.
pub(super) fn asked(job: &Job, settings: EvaluationSettings, now: DateTime<Utc>) -> Job {
    Job {
        id: JobId::fresh(),
        task: Task::Evaluate {
            evaluation: settings,
        },
        status: JobStatus::Submitted,
        status_code: None,
        status_message: None,
        requested_at: now,
        approved_by_name: None,
        approved_at: None,
        cancel_requested_at: None,
        cancel_reason: None,
        pause_requested_at: None,
        paused_at: None,
        not_before: None,
        ended_at: None,
        ..job.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_title_still_fits() {
        assert!(title(&"x".repeat(200)).chars().count() <= 200);
    }
}
