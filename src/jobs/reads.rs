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
    /// Its name, for people.
    pub(super) path: String,
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
            let (version, path, expected) = if let Some(one) = of_base {
                (None, &one.name, &one.sha256)
            } else {
                ready
                    .iter()
                    .find(|(_, ready)| ready.file.0 == *file)
                    .map(|(version, ready)| (Some(*version), &ready.path, &ready.sha256))
                    .ok_or_else(|| {
                        CallError::Invalid(format!("the job does not read the file {file}"))
                    })?
            };
            if !granted.contains(file) {
                return Err(CallError::Invalid(format!("{path} was read without leave")));
            }
            Ok(Reading {
                file: *file,
                version,
                path: path.clone(),
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
    let mut paths = Vec::new();
    let mut code = BASE_CODE;
    for reading in readings {
        store::insert_read(tx.conn(), id, reading, now).await?;
        if reading.sha256 != reading.expected {
            paths.push(reading.path.clone());
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
        message: Some(paths.join(", ")),
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
