//! A job is let go before or after others.

use serde_json::json;

use super::{error::JobError, happened::Happened, queue::Priority, status::WrongStatus, store};
use crate::{
    db::Db,
    ids::JobId,
    policy::{self, Action, Actor},
};

/// Changes how urgent a job is that has not started: up by an operator only, down by its institution too.
///
/// # Errors
/// [`JobError`].
pub async fn prioritise(
    db: &Db,
    actor: &Actor,
    id: JobId,
    priority: Priority,
) -> Result<(), JobError> {
    let mut tx = db.write(actor).await?;
    let job = store::lock(&mut tx, id)
        .await?
        .ok_or(JobError::NotFound(id))?;
    let before = store::asked_of_queue(tx.conn(), id)
        .await?
        .ok_or(JobError::NotFound(id))?
        .priority;
    let action = if priority > before {
        Action::RaiseJob
    } else {
        Action::LowerJob
    };
    let permit = policy::check(actor, action, &job.scope())?;
    if job.status.is_over() {
        return Err(WrongStatus { status: job.status }.into());
    }
    store::set_priority(&mut tx, id, priority).await?;
    tx.record(&Happened::to(
        &job,
        "jobs.prioritised",
        json!({ "before": before.name(), "after": priority.name() }),
    ))?;
    tx.commit(permit).await?;
    Ok(())
}
