//! Jobs are stopped: by a person, or because a permission fell.

use serde_json::json;

use super::{
    conclude::WITHDRAWN,
    error::JobError,
    happened::Happened,
    job::{Job, JobBrief},
    status::{JobStatus, Step},
    store,
};
use crate::{
    db::{Db, WriteTx},
    ids::{DatasetId, JobId},
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

/// Stops every job on `dataset` that is not over, in the caller's transaction: those that wait are blocked,
/// those that run are asked to stop. Answers them, as they stand then.
///
/// The caller holds the dataset's row, so that no job starts or finishes on it meanwhile.
///
/// # Errors
/// Where the database refuses.
pub async fn stop_for_withdrawal(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
) -> Result<Vec<JobBrief>, JobError> {
    let mut stopped = Vec::new();
    for id in store::unfinished_of_dataset(tx, dataset).await? {
        let Some(mut job) = store::find(tx.conn(), id).await? else {
            continue;
        };
        job.status = job.status.after(Step::Block)?;
        let kind = ask(
            &mut job,
            WITHDRAWN,
            tx.now(),
            ("jobs.blocked", "jobs.cancel_requested"),
        );
        store::save(tx, &job, None).await?;
        tx.record(&Happened::to(
            &job,
            kind,
            json!({ "reason": WITHDRAWN, "dataset": dataset }),
        ))?;
        stopped.push(brief(job));
    }
    Ok(stopped)
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

fn brief(job: Job) -> JobBrief {
    JobBrief {
        id: job.id,
        title: job.title,
        institution: job.institution,
        institution_name: job.institution_name,
        status: job.status,
        requested_at: job.requested_at,
        requested_by_name: job.requested_by_name,
        base_name: job.base_name,
    }
}
