//! Jobs rest and go on.

use job_contract::Task;
use serde_json::json;

use super::{
    error::JobError,
    happened::Happened,
    job::PAUSED,
    status::{JobStatus, Step, WrongStatus},
    store,
};
use crate::{
    db::Db,
    ids::JobId,
    policy::{self, Action, Actor},
};

/// Lets a job rest: at once where it waits, else its program is asked to put down what it has and leave. It holds no
/// place and no budget then. Whoever may cancel it may do this, which is less.
///
/// # Errors
/// [`JobError`]; `WrongStatus` also where it is about to stop for good.
pub async fn pause(db: &Db, actor: &Actor, id: JobId) -> Result<JobStatus, JobError> {
    let mut tx = db.write(actor).await?;
    let mut job = store::lock(&mut tx, id)
        .await?
        .ok_or(JobError::NotFound(id))?;
    let permit = policy::check(actor, Action::CancelJob, &job.scope())?;
    // An evaluation keeps nothing that it could go on from.
    if job.cancel_requested_at.is_some() || !can_rest(&job.task) {
        return Err(WrongStatus { status: job.status }.into());
    }
    job.status = job.status.after(Step::Pause)?;
    let kind = if job.status == JobStatus::Running {
        job.pause_requested_at = job.pause_requested_at.or(Some(tx.now()));
        "jobs.pause_requested"
    } else {
        job.status_code = Some(PAUSED.to_owned());
        job.not_before = None;
        "jobs.paused"
    };
    store::save(&mut tx, &job, None).await?;
    tx.record(&Happened::to(&job, kind, json!({})))?;
    tx.commit(permit).await?;
    Ok(job.status)
}

/// Whether such work can be put down and taken up again.
pub(super) fn can_rest(task: &Task) -> bool {
    !matches!(task, Task::Evaluate { .. })
}

/// Lets a job go on from its last checkpoint, in its old place in the queue. Whether its data may still be used is decided
/// when it starts, as for every attempt.
///
/// # Errors
/// [`JobError`].
pub async fn resume(db: &Db, actor: &Actor, id: JobId) -> Result<JobStatus, JobError> {
    let mut tx = db.write(actor).await?;
    let mut job = store::lock(&mut tx, id)
        .await?
        .ok_or(JobError::NotFound(id))?;
    let permit = policy::check(actor, Action::CancelJob, &job.scope())?;
    let rests = job.status == JobStatus::Paused || job.pause_requested_at.is_some();
    if !rests {
        return Err(WrongStatus { status: job.status }.into());
    }
    job.status = job.status.after(Step::Resume)?;
    job.pause_requested_at = None;
    job.status_code = None;
    job.status_message = None;
    store::save(&mut tx, &job, None).await?;
    tx.record(&Happened::to(&job, "jobs.resumed", json!({})))?;
    tx.commit(permit).await?;
    Ok(job.status)
}
