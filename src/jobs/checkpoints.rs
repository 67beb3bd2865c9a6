//! Checkpoints of jobs: taken when a program tells of one, handed to the next attempt, dropped when nobody needs them.
//!
//! A checkpoint is made of every dataset of its job. So it is read by leave that is decided on for each of them
//! ([`super::grant`]), and a withdrawal that touches the job purges it (`withdrawals::purge_artifacts`).

use std::collections::BTreeSet;

use job_contract::{FileFormat, InputFile, JobEvent, NumberedEvent, Resume, StoredArtifact};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    artifact::kind_name,
    error::JobError,
    internal_error::CallError,
    job::{Attempt, Job},
    store::{self, Artifact, NewCheckpoint},
};
use crate::{
    app::Ports,
    db::MeterTx,
    ids::JobId,
    objects::{ObjectError, ObjectStore},
};

/// A checkpoint of hundreds of gigabytes has fewer parts.
const MOST_PARTS: usize = 500;
const LONGEST_RUN: usize = 200;
/// New ones in one batch: a program stores them one after another, and tells of each.
const MOST_AT_ONCE: usize = 20;

/// A checkpoint that was told of, and that the store has.
pub(super) struct Told {
    number: i64,
    step: i32,
    run: String,
    /// In order, with the version of each object.
    parts: Vec<(Uuid, String)>,
}

/// Looks at the checkpoints that `events` tell of and that are new.
///
/// # Errors
/// [`CallError::Invalid`] where a part is not one that the attempt announced, or is not in the store; the program makes
/// another one then.
pub(super) async fn look(
    ports: &Ports,
    attempt: &Attempt,
    events: &[NumberedEvent],
) -> Result<Vec<Told>, CallError> {
    let told: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.event {
            JobEvent::Checkpoint {
                step, run, files, ..
            } => Some((
                i64::try_from(event.number).unwrap_or(i64::MAX),
                *step,
                run,
                files,
            )),
            _ => None,
        })
        .collect();
    if told.is_empty() {
        return Ok(Vec::new());
    }
    let (known, announced) = {
        let mut conn = ports.db.read().await?;
        (
            store::checkpoint_numbers(&mut conn, attempt.id).await?,
            store::artifacts_of(&mut conn, attempt.id).await?,
        )
    };
    // A program that was started anew tells everything again; the parts may be gone by now.
    let told: Vec<_> = told
        .into_iter()
        .filter(|(number, ..)| !known.contains(number))
        .collect();
    if told.len() > MOST_AT_ONCE {
        return Err(CallError::Invalid(format!(
            "at most {MOST_AT_ONCE} checkpoints at a time"
        )));
    }
    let mut found = Vec::new();
    for (number, step, run, files) in told {
        let step = i32::try_from(step)
            .map_err(|_| CallError::Invalid("a step is out of bounds".into()))?;
        if !(1..=LONGEST_RUN).contains(&run.chars().count()) {
            return Err(CallError::Invalid(
                "the run of a checkpoint has no name, or one that is too long".into(),
            ));
        }
        let parts = parts(&ports.objects, &announced, files).await?;
        found.push(Told {
            number,
            step,
            run: run.clone(),
            parts,
        });
    }
    Ok(found)
}

async fn parts(
    objects: &ObjectStore,
    announced: &[Artifact],
    files: &[StoredArtifact],
) -> Result<Vec<(Uuid, String)>, CallError> {
    let distinct: BTreeSet<Uuid> = files.iter().map(|file| file.artifact).collect();
    if !(1..=MOST_PARTS).contains(&files.len()) || distinct.len() != files.len() {
        return Err(CallError::Invalid(format!(
            "a checkpoint has between 1 and {MOST_PARTS} parts, each once"
        )));
    }
    let mut parts = Vec::with_capacity(files.len());
    for file in files {
        let is_it = |one: &&Artifact| {
            one.id == file.artifact
                && one.kind == kind_name(job_contract::ArtifactKind::Checkpoint)
                && one.name == file.name
                && one.sha256 == file.sha256
                && one.size_bytes.unsigned_abs() == file.size_bytes
        };
        let unknown = || {
            CallError::Invalid(format!(
                "{:.100} is no part of a checkpoint that this attempt announced",
                file.name
            ))
        };
        let artifact = announced.iter().find(is_it).ok_or_else(unknown)?;
        let absent = || CallError::Invalid(format!("{} is not in the store", artifact.name));
        match objects.head(&artifact.object_key).await {
            Ok(head) if head.size_bytes == file.size_bytes => {
                parts.push((artifact.id, head.version));
            }
            Ok(_) => return Err(absent()),
            Err(error) if error.is_missing => return Err(absent()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(parts)
}

/// Keeps what [`look`] found, in the transaction that keeps the events.
///
/// # Errors
/// As [`look`].
pub(super) async fn keep(
    tx: &mut MeterTx,
    attempt: &Attempt,
    told: &[Told],
) -> Result<(), CallError> {
    for one in told {
        let new = NewCheckpoint {
            job: attempt.job,
            attempt: attempt.id,
            number: one.number,
            step: one.step,
            run: &one.run,
            parts: &one.parts,
        };
        if !store::insert_checkpoint(tx, &new).await? {
            return Err(CallError::Invalid("a part was dropped meanwhile".into()));
        }
    }
    Ok(())
}

/// Notes which parts of checkpoints the attempt could not read, in the transaction that keeps the events.
///
/// # Errors
/// Where the database is away.
pub(super) async fn note_damage(
    tx: &mut MeterTx,
    attempt: &Attempt,
    events: &[NumberedEvent],
) -> Result<(), CallError> {
    for event in events {
        if let JobEvent::CheckpointUnreadable { step, file, .. } = &event.event {
            tracing::error!(
                job = %attempt.job, attempt = %attempt.id, step, %file, "a checkpoint cannot be read"
            );
            store::mark_damaged(tx, (attempt.job, attempt.id), *file).await?;
        }
    }
    Ok(())
}

/// Where the next attempt of a job goes on; none: from the start.
///
/// # Errors
/// Where the database is away.
pub(super) async fn resume_of(
    conn: &mut PgConnection,
    job: &Job,
) -> Result<Option<Resume>, JobError> {
    let Some(newest) = store::newest_checkpoint(conn, job.id).await? else {
        return Ok(None);
    };
    let parts = store::checkpoint_parts(conn, newest.id).await?;
    Ok(Some(Resume {
        step: newest.step.unsigned_abs(),
        run: newest.run,
        files: parts
            .into_iter()
            .map(|part| InputFile {
                file: part.artifact,
                name: part.name,
                format: FileFormat::Safetensors,
                size_bytes: part.size_bytes.unsigned_abs(),
                sha256: part.sha256,
                dataset_version: None,
            })
            .collect(),
    }))
}

/// The chore: drops what nobody goes on from, and deletes what was dropped.
///
/// # Errors
/// Where the database is away; an object that stays is tried again.
pub(super) async fn sweep(ports: &Ports) -> Result<(), JobError> {
    let jobs: Vec<JobId> = {
        let mut conn = ports.db.read().await?;
        store::jobs_with_checkpoints(&mut conn).await?
    };
    for job in jobs {
        let mut tx = ports.db.meter().await?;
        store::drop_checkpoints(&mut tx, job).await?;
        tx.commit().await?;
    }
    let dropped = {
        let mut conn = ports.db.read().await?;
        store::to_delete(&mut conn, ports.db.now()).await?
    };
    for (artifact, key) in dropped {
        if let Err(error) = delete(&ports.objects, &key).await {
            tracing::warn!(%artifact, %error, "a checkpoint's object cannot be deleted yet");
            continue;
        }
        let mut tx = ports.db.meter().await?;
        store::set_deleted(&mut tx, artifact).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Deletes every version of an object; twice is harmless.
async fn delete(objects: &ObjectStore, key: &str) -> Result<(), ObjectError> {
    for found in objects.versions(key).await? {
        objects.delete(key, &found.version).await?;
    }
    Ok(())
}
