//! An operator decides on a job.

use serde_json::json;

use super::{error::JobError, happened::Happened, status::Step, store};
use crate::{
    db::Db,
    ids::JobId,
    policy::{self, Action, Actor},
};

/// Lets a job run, once there is room. Never one's own.
///
/// # Errors
/// [`JobError`].
pub async fn approve(db: &Db, actor: &Actor, id: JobId) -> Result<(), JobError> {
    let mut tx = db.write(actor).await?;
    let mut job = store::lock(&mut tx, id)
        .await?
        .ok_or(JobError::NotFound(id))?;
    let permit = policy::check(actor, Action::ApproveJob, &job.scope())?;
    job.status = job.status.after(Step::Approve)?;
    job.approved_at = Some(tx.now());
    store::save(&mut tx, &job, Some(actor.user)).await?;
    tx.record(&Happened::to(&job, "jobs.approved", json!({})))?;
    tx.commit(permit).await?;
    Ok(())
}

/// Does not let a job run; `reason` is for the requester, at most 2000 characters.
///
/// # Errors
/// [`JobError`].
pub async fn reject(db: &Db, actor: &Actor, id: JobId, reason: &str) -> Result<(), JobError> {
    let mut tx = db.write(actor).await?;
    let mut job = store::lock(&mut tx, id)
        .await?
        .ok_or(JobError::NotFound(id))?;
    let permit = policy::check(actor, Action::ApproveJob, &job.scope())?;
    job.status = job.status.after(Step::Reject)?;
    job.status_code = Some("rejected".into());
    job.status_message = Some(reason.to_owned());
    job.ended_at = Some(tx.now());
    store::save(&mut tx, &job, None).await?;
    tx.record(&Happened::to(
        &job,
        "jobs.rejected",
        json!({ "reason": reason }),
    ))?;
    tx.commit(permit).await?;
    Ok(())
}
