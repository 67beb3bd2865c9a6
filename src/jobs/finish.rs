//! A program ends its attempt: what it made is checked, then the attempt, the job and the model change together.

use std::collections::BTreeSet;

use job_contract::{FailureCode, JobResult, Outcome, Task};
use uuid::Uuid;

use super::{
    conclude::{Ending, refused_by},
    dispatch::rules_of,
    end::{self, Told, conclude_in},
    error::JobError,
    evaluate,
    internal_error::CallError,
    job::PAUSED,
    made::{self, Checked},
    reads::{self, Reading},
    spec::{files, live},
    store, tell,
};
use crate::{
    app::Ports,
    datasets,
    db::WriteTx,
    ids::{ArtifactId, AttemptId, DatasetVersionId},
    permissions::Use,
    policy::{self, Action, Actor, Scope},
};

const LONGEST_MESSAGE: usize = 2000;

/// Takes the outcome of an attempt; the same one again changes nothing.
pub(super) async fn finish(
    ports: &Ports,
    id: AttemptId,
    mut outcome: Outcome,
) -> Result<(), CallError> {
    leave_out_quotes(&mut outcome);
    if is_replay(ports, id, &outcome).await? {
        return Ok(());
    }
    let sent = outcome.clone();
    let json = serde_json::to_value(&outcome).map_err(|e| CallError::Invalid(e.to_string()))?;
    let told = Told {
        outcome: Some(json),
        ..Told::default()
    };
    let is_new = match outcome {
        Outcome::Succeeded(result) => succeed(ports, id, &result, told).await?,
        Outcome::Failed { code, message } => {
            let told = Told {
                code: Some(failure_name(code).to_owned()),
                message: Some(message.chars().take(LONGEST_MESSAGE).collect()),
                ..told
            };
            let ending =
                if code == FailureCode::CheckpointDamaged && found_damage(ports, id).await? {
                    Ending::Unreadable
                } else {
                    Ending::Failed
                };
            end::end(ports, id, ending, told).await?
        }
        Outcome::Cancelled { reason } => {
            let told = Told {
                code: Some(reason.chars().take(100).collect()),
                ..told
            };
            let ending = if reason == PAUSED {
                Ending::Paused
            } else {
                Ending::Cancelled
            };
            end::end(ports, id, ending, told).await?
        }
    };
    // Somebody else ended it meanwhile: this very call sent twice, or the one who looks after it.
    if is_new || is_replay(ports, id, &sent).await? {
        Ok(())
    } else {
        Err(CallError::Ended)
    }
}

/// What a program says of data that it could not use is kept without their words.
fn leave_out_quotes(outcome: &mut Outcome) {
    if let Outcome::Failed {
        code: FailureCode::BadData,
        message,
    } = outcome
        && !tell::is_bare_summary(message)
    {
        tell::LEFT_OUT.clone_into(message);
    }
}

/// Whether the attempt told of a damaged checkpoint, so that the next one is handed another.
async fn found_damage(ports: &Ports, id: AttemptId) -> Result<bool, CallError> {
    let mut conn = ports.db.read().await?;
    Ok(store::has_found_damage(&mut conn, id).await?)
}

/// Whether the attempt ended with exactly this outcome.
async fn is_replay(ports: &Ports, id: AttemptId, sent: &Outcome) -> Result<bool, CallError> {
    let mut conn = ports.db.read().await?;
    let attempt = store::attempt(&mut conn, id)
        .await?
        .ok_or(CallError::Ended)?;
    if attempt.status.is_live() {
        return Ok(false);
    }
    // Compared as what they mean: the database writes numbers in its own way.
    let kept: Option<Outcome> = attempt
        .outcome
        .and_then(|outcome| serde_json::from_value(outcome).ok());
    if kept.as_ref() == Some(sent) {
        Ok(true)
    } else {
        Err(CallError::Ended)
    }
}

async fn succeed(
    ports: &Ports,
    id: AttemptId,
    result: &JobResult,
    mut told: Told,
) -> Result<bool, CallError> {
    let (task, readings, announced) = {
        let mut conn = ports.db.read().await?;
        let (job, _) = live(&mut conn, id).await?;
        let readings = reads::compare(&mut conn, &job, id, &result.files_read).await?;
        if reads::is_as_verified(&readings) {
            let ready = files(&mut conn, &job).await?;
            check_reads(&readings, &ready).map_err(CallError::Invalid)?;
        }
        let announced = store::artifacts_of(&mut conn, id).await?;
        (job.task, readings, announced)
    };
    if !reads::is_as_verified(&readings) {
        return reads::fail(ports, id, &readings, told).await;
    }
    let (checked, report) = if matches!(task, Task::Evaluate { .. }) {
        let report = evaluate::check(&ports.objects, &announced, (result, &readings)).await?;
        (Vec::new(), Some(report))
    } else {
        let checked = made::check(&ports.objects, &announced, (&task, result)).await?;
        (checked, None)
    };
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = ports.db.write(&actor).await?;
    // Datasets, job, attempt: the order in which everybody takes them.
    let job = store::attempt(tx.conn(), id)
        .await?
        .ok_or(CallError::Ended)?
        .job;
    let versions = store::input_versions(tx.conn(), job).await?;
    for version in &versions {
        datasets::lock_for_use(&mut tx, *version).await?;
    }
    let Some((mut job, mut attempt)) = end::lock(&mut tx, id).await? else {
        return Ok(false);
    };
    let wanted = job.wanted(attempt.processing_location);
    let fallen = fallen(&mut tx, &wanted, &versions).await?;
    if !fallen.is_empty() && job.cancel_requested_at.is_none() {
        job.cancel_requested_at = Some(tx.now());
        job.cancel_reason = Some(refused_by(&fallen).to_owned());
    }
    if job.cancel().is_none() {
        for reading in &readings {
            let now = tx.now();
            store::insert_read(tx.conn(), id, reading, now).await?;
        }
        let made = made::Made {
            job: &job,
            attempt: &attempt,
            result,
            files: checked,
            readings: &readings,
        };
        match &report {
            Some(report) => evaluate::register(&mut tx, &ports.signer, &made, report).await?,
            None => {
                keep(&mut tx, id, &versions, result, &made.files).await?;
                made::register(&mut tx, &ports.signer, &made).await?;
                evaluate::follow(&mut tx, &ports.config.evaluation, &job).await?;
            }
        }
    } else {
        told.message = (!fallen.is_empty()).then(|| fallen.join(", "));
    }
    conclude_in(
        &mut tx,
        (&mut job, &mut attempt),
        Ending::Succeeded,
        told,
        &ports.config.training,
    )
    .await?;
    tx.commit(permit).await?;
    Ok(true)
}

/// Every file of the datasets was read; nothing else counts as having worked.
fn check_reads(
    readings: &[Reading],
    ready: &[(DatasetVersionId, datasets::ReadyFile)],
) -> Result<(), String> {
    let read: BTreeSet<Uuid> = readings.iter().map(|reading| reading.file).collect();
    let unread = ready
        .iter()
        .zip(reads::numbered(ready))
        .find(|((_, file), _)| !read.contains(&file.file.0));
    match unread {
        Some((_, called)) => Err(format!("{called} was not read")),
        None => Ok(()),
    }
}

/// The rules that now stand in the way of a use that was allowed at the start.
async fn fallen(
    tx: &mut WriteTx<'_>,
    wanted: &Use,
    versions: &[DatasetVersionId],
) -> Result<Vec<String>, JobError> {
    let now = tx.now();
    let mut rules = Vec::new();
    for version in versions {
        match datasets::decide_use(tx.conn(), *version, wanted, now).await? {
            Some(decision) if decision.verdict.is_allowed => {}
            Some(decision) => rules.extend(rules_of(&decision.verdict)),
            None => rules.push("not-approved".to_owned()),
        }
    }
    rules.sort_unstable();
    rules.dedup();
    Ok(rules)
}

/// Writes down which objects came out and how much of each version went in.
async fn keep(
    tx: &mut WriteTx<'_>,
    id: AttemptId,
    versions: &[DatasetVersionId],
    result: &JobResult,
    checked: &[Checked],
) -> Result<(), JobError> {
    for file in checked {
        store::set_artifact_version(tx, ArtifactId(file.artifact), &file.file.object_version)
            .await?;
    }
    for version in versions {
        store::insert_tokens_read(tx, id, *version, tokens_of(result, *version)).await?;
    }
    Ok(())
}

/// Tokens that were read of a version.
pub(super) fn tokens_of(result: &JobResult, version: DatasetVersionId) -> i64 {
    let total: u64 = result
        .tokens_by_dataset
        .iter()
        .filter(|(id, _)| *id == version.0)
        .fold(0, |sum, (_, tokens)| sum.saturating_add(*tokens));
    i64::try_from(total).unwrap_or(i64::MAX)
}

pub(super) fn failure_name(code: FailureCode) -> &'static str {
    match code {
        FailureCode::BadData => "bad_data",
        FailureCode::HashMismatch => "hash_mismatch",
        FailureCode::CheckpointDamaged => "checkpoint_damaged",
        FailureCode::Refused => "refused",
        FailureCode::BadSettings => "bad_settings",
        FailureCode::DoesNotFit => "does_not_fit",
        FailureCode::BaseAltered => "base_altered",
        FailureCode::OutOfMemory => "out_of_memory",
        FailureCode::DiskFull => "disk_full",
        FailureCode::Internal => "internal",
    }
}
