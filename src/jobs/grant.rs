//! Leave to read one file, decided on at that moment.

use std::time::Duration;

use chrono::TimeDelta;
use job_contract::ReadGrant;
use serde_json::json;
use uuid::Uuid;

use super::{
    conclude::{WITHDRAWN, refused_by},
    data_used::tell_right_holder,
    dispatch::rules_of,
    end,
    happened::Happened,
    internal_error::CallError,
    spec::{base_files, files, live},
    store,
};
use crate::{
    datasets,
    db::Db,
    ids::{AttemptId, DatasetVersionId, GrantId},
    objects::ObjectStore,
    permissions,
    policy::{self, Action, Actor, Scope},
};

/// How long an address may be used: long enough to begin a read, and no longer. A withdrawal shows how many were given
/// out and when the last ends.
const LIFETIME: Duration = Duration::from_secs(60);

/// A file that the job may ask for.
struct Wanted {
    version: Option<DatasetVersionId>,
    object_key: String,
    object_version: String,
    size_bytes: i64,
    sha256: String,
}

/// Decides again, keeps the answer, and gives an address that names the exact object.
///
/// # Errors
/// [`CallError::Refused`] with the rules; the job is asked to stop then.
pub(super) async fn grant(
    db: &Db,
    objects: &ObjectStore,
    id: AttemptId,
    file: Uuid,
) -> Result<ReadGrant, CallError> {
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = db.write(&actor).await?;
    let (job, _) = live(tx.conn(), id).await?;
    let wanted = if let Some((version, file)) = files(tx.conn(), &job)
        .await?
        .into_iter()
        .find(|(_, ready)| ready.file.0 == file)
    {
        Wanted {
            version: Some(version),
            object_key: file.object_key,
            object_version: file.object_version,
            size_bytes: file.size_bytes,
            sha256: file.sha256,
        }
    } else {
        let of_base = base_files(tx.conn(), &job).await?;
        let Some(base) = of_base.into_iter().find(|one| one.id == file) else {
            return Err(CallError::Invalid("the job does not read this file".into()));
        };
        Wanted {
            version: None,
            object_key: base.object_key,
            object_version: base.object_version,
            size_bytes: base.size_bytes,
            sha256: base.sha256,
        }
    };
    // Dataset, job, attempt: the order in which everybody takes them.
    if let Some(version) = wanted.version {
        datasets::lock_for_use(&mut tx, version).await?;
    }
    let (mut job, attempt) = end::lock(&mut tx, id).await?.ok_or(CallError::Ended)?;
    let now = tx.now();
    let mut policy_sha256 = None;
    let mut rules = Vec::new();
    if job.cancel() == Some(WITHDRAWN) {
        rules.push("permission-withdrawn".to_owned());
    }
    if let Some(version) = wanted.version {
        match datasets::decide_use(
            tx.conn(),
            version,
            &job.wanted(attempt.processing_location),
            now,
        )
        .await?
        {
            Some(decision) => {
                if !decision.verdict.is_allowed {
                    rules = rules_of(&decision.verdict);
                }
                permissions::keep_policy(&mut tx, &decision.policy, &decision.policy_sha256)
                    .await?;
                policy_sha256 = Some(decision.policy_sha256);
            }
            None => rules.push("not-approved".to_owned()),
        }
    }
    let is_allowed = rules.is_empty();
    let grant = GrantId::fresh();
    let expires_at = if is_allowed {
        now + TimeDelta::seconds(LIFETIME.as_secs().cast_signed())
    } else {
        now
    };
    store::insert_grant(
        &mut tx,
        (grant, attempt.id, file),
        wanted.version,
        policy_sha256.as_deref(),
        (is_allowed, expires_at),
    )
    .await?;
    if let Some(version) = wanted.version
        && is_allowed
    {
        tell_right_holder(&mut tx, &job, version).await?;
    }
    if !is_allowed && job.cancel_requested_at.is_none() {
        job.cancel_requested_at = Some(now);
        job.cancel_reason = Some(refused_by(&rules).to_owned());
        // Kept for whoever asks why; the end of the attempt takes it over.
        job.status_message = Some(rules.join(", "));
        store::save(&mut tx, &job, None).await?;
    }
    tx.record(&Happened::to(
        &job,
        if is_allowed { "jobs.read_granted" } else { "jobs.read_refused" },
        json!({ "attempt": attempt.id, "grant": grant, "file": file, "version": wanted.version, "rules": rules }),
    ))?;
    tx.commit(permit).await?;
    if !is_allowed {
        return Err(CallError::Refused(rules));
    }
    let url = objects
        .presign_get(&wanted.object_key, &wanted.object_version, LIFETIME)
        .await?;
    Ok(ReadGrant {
        grant: grant.0,
        url,
        expires_at,
        size_bytes: wanted.size_bytes.unsigned_abs(),
        sha256: wanted.sha256,
    })
}
