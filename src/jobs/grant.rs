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
    error::JobError,
    happened::Happened,
    internal_error::CallError,
    job::{Attempt, Job},
    spec::{base_files, files, live},
    store,
};
use crate::{
    datasets,
    db::{Db, WriteTx},
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
    /// What is in it: the version that it belongs to, every version of the job where it is a part of a checkpoint, none
    /// where it is of the base.
    versions: Vec<DatasetVersionId>,
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
            versions: vec![version],
            object_key: file.object_key,
            object_version: file.object_version,
            size_bytes: file.size_bytes,
            sha256: file.sha256,
        }
    } else {
        let of_base = base_files(tx.conn(), &job).await?;
        if let Some(base) = of_base.into_iter().find(|one| one.id == file) {
            Wanted {
                versions: Vec::new(),
                object_key: base.object_key,
                object_version: base.object_version,
                size_bytes: base.size_bytes,
                sha256: base.sha256,
            }
        } else if let Some(part) = store::part_of_job(tx.conn(), job.id, file).await? {
            Wanted {
                versions: store::input_versions(tx.conn(), job.id).await?,
                object_key: part.object_key,
                object_version: part.object_version,
                size_bytes: part.size_bytes,
                sha256: part.sha256,
            }
        } else {
            return Err(CallError::Invalid("the job does not read this file".into()));
        }
    };
    // Datasets, job, attempt: the order in which everybody takes them.
    for version in &wanted.versions {
        datasets::lock_for_use(&mut tx, *version).await?;
    }
    let (mut job, attempt) = end::lock(&mut tx, id).await?.ok_or(CallError::Ended)?;
    let now = tx.now();
    let mut rules = Vec::new();
    let is_withdrawn = job.cancel() == Some(WITHDRAWN);
    if is_withdrawn {
        rules.push("permission-withdrawn".to_owned());
    }
    let mut decided = Vec::with_capacity(wanted.versions.len());
    for version in &wanted.versions {
        let own = decide(&mut tx, &job, &attempt, *version).await?;
        decided.push((*version, own.0, !is_withdrawn && own.1.is_empty()));
        rules.extend(own.1);
    }
    rules.dedup();
    let is_allowed = rules.is_empty();
    let grant = GrantId::fresh();
    // No address is given out where one of them says no.
    let expires_at = if is_allowed {
        now + TimeDelta::seconds(LIFETIME.as_secs().cast_signed())
    } else {
        now
    };
    if decided.is_empty() {
        let of = (grant, attempt.id, file);
        store::insert_grant(&mut tx, of, None, None, (is_allowed, expires_at)).await?;
    }
    for (number, (version, policy_sha256, is_yes)) in decided.iter().enumerate() {
        // A row for each of several; the first has the name that the program hears.
        let id = if number == 0 { grant } else { GrantId::fresh() };
        store::insert_grant(
            &mut tx,
            (id, attempt.id, file),
            Some(*version),
            policy_sha256.as_deref(),
            (*is_yes, expires_at),
        )
        .await?;
        if is_allowed {
            tell_right_holder(&mut tx, &job, *version).await?;
        }
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
        if is_allowed {
            "jobs.read_granted"
        } else {
            "jobs.read_refused"
        },
        json!({
            "attempt": attempt.id, "grant": grant, "file": file, "version": wanted.versions.first(),
            "versions": wanted.versions, "rules": rules,
        }),
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

/// The hash of the policy that was decided by, and the rules that say no to reading one version now.
async fn decide(
    tx: &mut WriteTx<'_>,
    job: &Job,
    attempt: &Attempt,
    version: DatasetVersionId,
) -> Result<(Option<String>, Vec<String>), JobError> {
    let now = tx.now();
    let wanted = job.wanted(attempt.processing_location);
    let Some(decision) = datasets::decide_use(tx.conn(), version, &wanted, now).await? else {
        return Ok((None, vec!["not-approved".to_owned()]));
    };
    permissions::keep_policy(tx, &decision.policy, &decision.policy_sha256).await?;
    let rules = if decision.verdict.is_allowed {
        Vec::new()
    } else {
        rules_of(&decision.verdict)
    };
    Ok((Some(decision.policy_sha256), rules))
}
