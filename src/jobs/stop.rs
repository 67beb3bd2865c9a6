//! Jobs are stopped: by a person, or because a permission fell.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::{
    conclude::WITHDRAWN,
    error::JobError,
    happened::Happened,
    job::Job,
    status::{JobStatus, Step},
    store,
};
use crate::{
    datasets,
    db::{Db, StoreError, WriteTx},
    ids::{DatasetId, DatasetVersionId, InstitutionId, JobId, PermissionId, UserId},
    permissions::{self, RecordedPolicy, Territory},
    policy::{self, Action, Actor},
};

/// Cancels a job: at once where it does not run yet, else the program is asked to stop.
///
/// # Errors
/// [`JobError`].
pub async fn cancel(db: &Db, actor: &Actor, id: JobId) -> Result<JobStatus, JobError> {
    let mut tx = db.write(actor).await?;
    let mut job = store::lock(&mut tx, id)
        .await?
        .ok_or(JobError::NotFound(id))?;
    let permit = policy::check(actor, Action::CancelJob, &job.scope())?;
    let reason = if actor.user == job.requested_by {
        "cancelled_by_requester"
    } else if actor.institution == job.institution {
        "cancelled_by_institution"
    } else {
        "cancelled_by_operator"
    };
    job.status = job.status.after(Step::Cancel)?;
    let kind = ask(
        &mut job,
        reason,
        tx.now(),
        ("jobs.cancelled", "jobs.cancel_requested"),
    );
    store::save(&mut tx, &job, None).await?;
    tx.record(&Happened::to(&job, kind, json!({ "reason": reason })))?;
    tx.commit(permit).await?;
    Ok(job.status)
}

/// A job that a withdrawal stopped, as it stands then.
#[derive(Debug, Clone)]
pub struct Stopped {
    pub job: JobId,
    pub institution: InstitutionId,
    pub title: String,
    pub requested_by: UserId,
    /// `blocked`, or `running` where the program was asked to stop.
    pub status: JobStatus,
}

/// Stops those of `jobs` that are not over, in the caller's transaction: those that wait are blocked, those that
/// run are asked to stop. Answers them.
///
/// The caller holds the dataset's row, and the jobs' ([`lock_unfinished`]).
///
/// # Errors
/// Where the database refuses.
pub async fn stop_for_withdrawal(
    tx: &mut WriteTx<'_>,
    jobs: &[JobId],
    dataset: DatasetId,
) -> Result<Vec<Stopped>, JobError> {
    let stopped = store::stop_all(tx, jobs).await?;
    for one in &stopped {
        let kind = if one.status.is_over() {
            "jobs.blocked"
        } else {
            "jobs.cancel_requested"
        };
        tx.record(&Happened::at(
            (one.job, one.institution),
            kind,
            json!({ "reason": WITHDRAWN, "dataset": dataset }),
        ))?;
    }
    Ok(stopped)
}

/// Keeps those of `jobs` that are not over from changing until the caller's transaction ends.
///
/// # Errors
/// Where the database refuses.
pub async fn lock_unfinished(tx: &mut WriteTx<'_>, jobs: &[JobId]) -> Result<(), StoreError> {
    store::lock_unfinished(tx, jobs).await
}

/// The jobs on these versions that stand on the permissions `without`. One that is over is judged by the verdicts of
/// its own time, made again as if these had been withdrawn: what expired since, and what else changed, is not the
/// withdrawal's. One that waits or runs also has to be covered by what is left now; those that have not begun would
/// run in one of `locations`.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn not_covered(
    conn: &mut PgConnection,
    versions: &[DatasetVersionId],
    without: &[PermissionId],
    (at, locations): (DateTime<Utc>, &[Territory]),
) -> Result<Vec<JobId>, StoreError> {
    let mut found = Vec::new();
    let bound = Bound::read(conn, versions, without).await?;
    for same in store::uses_of_versions(conn, versions).await? {
        let (settled, open): (Vec<JobId>, Vec<JobId>) = same
            .jobs
            .iter()
            .partition(|job| bound.is_settled(same.version, **job));
        found.extend(
            settled
                .iter()
                .filter(|job| bound.falls(same.version, **job)),
        );
        if open.is_empty() {
            continue;
        }
        let Some(example) = store::find(conn, same.example).await? else {
            continue;
        };
        let own = same.location.as_ref().map(std::slice::from_ref);
        let mut is_covered = false;
        for location in own.unwrap_or(locations) {
            let wanted = example.wanted(*location);
            let decision =
                datasets::decide_use_without(conn, same.version, &wanted, at, without).await?;
            is_covered |= decision.is_some_and(|decision| decision.verdict.is_allowed);
        }
        if !is_covered {
            found.extend(open);
        } else {
            found.extend(open.iter().filter(|job| bound.falls(same.version, **job)));
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// What the verdicts that jobs were started on come to without some permissions.
struct Bound {
    /// By version and job: whether the job is over, and whether one of its verdicts turns to no. Jobs that never
    /// began, and those of which a verdict's text was not kept, are not in it.
    verdicts: BTreeMap<(DatasetVersionId, JobId), (bool, bool)>,
}

impl Bound {
    async fn read(
        conn: &mut PgConnection,
        versions: &[DatasetVersionId],
        without: &[PermissionId],
    ) -> Result<Self, StoreError> {
        let kept = store::verdicts_of_versions(conn, versions).await?;
        let mut names: Vec<String> = kept.iter().map(|one| one.policy_sha256.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let policies: BTreeMap<String, RecordedPolicy> = permissions::kept_policies(conn, &names)
            .await?
            .into_iter()
            .filter_map(|(name, text)| {
                let policy = RecordedPolicy::parse(&text).ok()?;
                Some((name, policy.without(without)))
            })
            .collect();
        let mut verdicts = BTreeMap::new();
        let mut unknown = BTreeSet::new();
        for one in kept {
            let at = (one.version, one.job);
            let Some(policy) = policies.get(&one.policy_sha256) else {
                unknown.insert(at);
                continue;
            };
            let falls = !policy.decide(one.decided_at).is_allowed;
            let entry = verdicts.entry(at).or_insert((one.is_over, false));
            entry.1 |= falls;
        }
        verdicts.retain(|at, _| !unknown.contains(at));
        Ok(Self { verdicts })
    }

    /// Whether the job is over and its verdicts alone say whether it is touched.
    fn is_settled(&self, version: DatasetVersionId, job: JobId) -> bool {
        self.verdicts
            .get(&(version, job))
            .is_some_and(|(is_over, _)| *is_over)
    }

    fn falls(&self, version: DatasetVersionId, job: JobId) -> bool {
        self.verdicts
            .get(&(version, job))
            .is_some_and(|(_, falls)| *falls)
    }
}

/// Notes the request on a running job, or why one that waited is over; answers which of the two it was.
fn ask(
    job: &mut Job,
    reason: &str,
    now: chrono::DateTime<chrono::Utc>,
    (over, asked): (&'static str, &'static str),
) -> &'static str {
    // The law's reason is kept over a person's.
    if job.cancel_requested_at.is_none() || reason == WITHDRAWN {
        job.cancel_reason = Some(reason.to_owned());
    }
    job.cancel_requested_at = job.cancel_requested_at.or(Some(now));
    if job.status.is_over() {
        job.status_code = Some(reason.to_owned());
        job.ended_at = Some(now);
        over
    } else {
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_database_blocks_is_what_the_rules_block() {
        for status in JobStatus::ALL {
            let by_rule = status.after(Step::Block).ok();
            // The words of `store::stop_all`.
            let by_statement = match status {
                JobStatus::Submitted | JobStatus::Approved | JobStatus::Paused => {
                    Some(JobStatus::Blocked)
                }
                JobStatus::Running => Some(JobStatus::Running),
                _ => None,
            };
            assert_eq!(by_rule, by_statement, "{status:?}");
        }
    }
}
