//! What an attempt really read, as its program tells, against what was verified when it came in.
//!
//! This is what lineage is made of: not what was asked for, but what came. A file that is not as it was verified
//! ends the attempt, whatever became of it.

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    conclude::Ending,
    end::{self, Told, conclude_in},
    happened::Happened,
    internal_error::CallError,
    job::Job,
    spec::{base_files, files},
    store,
};
use crate::{
    app::Ports,
    datasets::ReadyFile,
    ids::{AttemptId, DatasetVersionId},
    policy::{self, Action, Actor, Scope},
};

/// How the failure is called, as programs call it that notice it themselves.
pub(super) const CODE: &str = "hash_mismatch";
/// The same where the base model alone is not as it was: other people look into that.
const BASE_CODE: &str = "base_altered";

/// A file that a program says it read.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) file: Uuid,
    /// None for the base model.
    pub(super) version: Option<DatasetVersionId>,
    /// Its name, for who may know it: what is written down of what came of the data.
    pub(super) path: String,
    /// What it is called before whoever asked for the job; see [`numbered`].
    called: String,
    /// As the program found it.
    pub(super) sha256: String,
    /// As it was verified when it came in.
    pub(super) expected: String,
}

/// Whether every file was what it should be.
pub(super) fn is_as_verified(readings: &[Reading]) -> bool {
    readings
        .iter()
        .all(|reading| reading.sha256 == reading.expected)
}

/// What each of these files is called before whoever asked for the job, and in logs that they read: its number in the order of
/// the names, with the dataset version where there are several. The names themselves are their owner's, and may tell
/// something.
pub(super) fn numbered(ready: &[(DatasetVersionId, ReadyFile)]) -> Vec<String> {
    let is_one_version = ready
        .first()
        .is_none_or(|(first, _)| ready.iter().all(|(version, _)| version == first));
    let (mut last, mut number) = (None, 0);
    ready
        .iter()
        .map(|(version, _)| {
            number = if last == Some(*version) {
                number + 1
            } else {
                1
            };
            last = Some(*version);
            if is_one_version {
                format!("file {number}")
            } else {
                format!("file {number} of dataset version {version}")
            }
        })
        .collect()
}

/// Looks up what the files that were told should have been.
///
/// # Errors
/// [`CallError::Invalid`] for what is no file of the job, no hash, or was read without leave.
pub(super) async fn compare(
    conn: &mut PgConnection,
    job: &Job,
    attempt: AttemptId,
    told: &[(Uuid, String)],
) -> Result<Vec<Reading>, CallError> {
    if told.is_empty() {
        return Ok(Vec::new());
    }
    let granted = store::files_granted(conn, attempt).await?;
    let base = base_files(conn, job).await?;
    let ready = files(conn, job).await?;
    let called = numbered(&ready);
    told.iter()
        .map(|(file, sha256)| {
            let is_hash = sha256.len() == 64
                && sha256
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if !is_hash {
                return Err(CallError::Invalid(format!("{sha256:.64} is no SHA-256")));
            }
            let of_base = base.iter().find(|one| one.id == *file);
            let (version, path, called, expected) = if let Some(one) = of_base {
                (None, &one.name, &one.name, &one.sha256)
            } else {
                ready
                    .iter()
                    .zip(&called)
                    .find(|((_, ready), _)| ready.file.0 == *file)
                    .map(|((version, ready), called)| {
                        (Some(*version), &ready.path, called, &ready.sha256)
                    })
                    .ok_or_else(|| {
                        CallError::Invalid(format!("the job does not read the file {file}"))
                    })?
            };
            if !granted.contains(file) {
                return Err(CallError::Invalid(format!(
                    "{called} was read without leave"
                )));
            }
            Ok(Reading {
                file: *file,
                version,
                path: path.clone(),
                called: called.clone(),
                sha256: sha256.clone(),
                expected: expected.clone(),
            })
        })
        .collect()
}

/// Ends the attempt as failed because of these readings, and says in the audit log which file it was.
pub(super) async fn fail(
    ports: &Ports,
    id: AttemptId,
    readings: &[Reading],
    told: Told,
) -> Result<bool, CallError> {
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = ports.db.write(&actor).await?;
    let Some((mut job, mut attempt)) = end::lock(&mut tx, id).await? else {
        return Ok(false);
    };
    let now = tx.now();
    let mut altered = Vec::new();
    let mut code = BASE_CODE;
    for reading in readings {
        store::insert_read(tx.conn(), id, reading, now).await?;
        if reading.sha256 != reading.expected {
            altered.push(reading.called.clone());
            if reading.version.is_some() {
                code = CODE;
            }
            tx.record(&Happened::to(
                &job,
                "jobs.read_mismatch",
                json!({
                    "attempt": id, "file": reading.file, "version": reading.version,
                    "sha256": reading.sha256, "expected_sha256": reading.expected,
                }),
            ))?;
        }
    }
    let told = Told {
        code: Some(code.to_owned()),
        message: Some(altered.join(", ")),
        ..told
    };
    conclude_in(
        &mut tx,
        (&mut job, &mut attempt),
        Ending::Failed,
        told,
        &ports.config.training,
    )
    .await?;
    tx.commit(permit).await?;
    Ok(true)
}
