//! An attempt ends without a model: what follows for the attempt and its job, in one transaction.

use serde_json::json;

use super::{
    conclude::{Ending, NOT_PERMITTED, conclude},
    error::JobError,
    happened::Happened,
    job::{Attempt, Job},
    status::{JobEnd, Step},
    store, used,
};
use crate::{
    app::Ports,
    db::WriteTx,
    ids::AttemptId,
    policy::{self, Action, Actor, Scope},
};

/// What is known of an end.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// A stable word: `bad_data`, `exit_137`.
    pub(super) code: Option<String>,
    /// What happened, in the program's words.
    pub(super) message: Option<String>,
    /// `job_contract::Outcome`.
    pub(super) outcome: Option<serde_json::Value>,
}

/// Ends a live attempt; false where it is over already.
pub(super) async fn end(
    ports: &Ports,
    attempt: AttemptId,
    ending: Ending,
    told: Told,
) -> Result<bool, JobError> {
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = ports.db.write(&actor).await?;
    let Some((mut job, mut attempt)) = lock(&mut tx, attempt).await? else {
        return Ok(false);
    };
    conclude_in(
        &mut tx,
        (&mut job, &mut attempt),
        ending,
        told,
        ports.config.training.max_attempts,
    )
    .await?;
    tx.commit(permit).await?;
    Ok(true)
}

/// A live attempt with its job, both kept from changing, the job first.
pub(super) async fn lock(
    tx: &mut WriteTx<'_>,
    id: AttemptId,
) -> Result<Option<(Job, Attempt)>, JobError> {
    let Some(found) = store::attempt(tx.conn(), id).await? else {
        return Ok(None);
    };
    let Some(job) = store::lock(tx, found.job).await? else {
        return Ok(None);
    };
    let attempt = store::lock_attempt(tx, id).await?;
    Ok(attempt
        .filter(|attempt| attempt.status.is_live())
        .map(|attempt| (job, attempt)))
}

/// Writes the conclusion down, for the caller to commit.
pub(super) async fn conclude_in(
    tx: &mut WriteTx<'_>,
    (job, attempt): (&mut Job, &mut Attempt),
    ending: Ending,
    told: Told,
    max_attempts: i32,
) -> Result<(), JobError> {
    let conclusion = conclude(ending, job.cancel(), attempt.number, max_attempts);
    attempt.status = conclusion.attempt;
    attempt.ended_at = Some(tx.now());
    attempt.outcome = told.outcome;
    attempt.failure_code = told
        .code
        .clone()
        .or_else(|| job.cancel().map(str::to_owned));
    attempt.failure_message = told.message.clone();
    store::end_attempt(tx, attempt).await?;
    store::keep_tokens_last_told(tx, attempt.id).await?;
    used::settle(tx, attempt).await?;
    job.status = job.status.after(Step::Conclude(conclusion.job))?;
    if conclusion.job == JobEnd::Again {
        job.status_code = None;
        job.status_message = None;
    } else {
        let by_person = matches!(conclusion.job, JobEnd::Cancelled | JobEnd::Blocked);
        job.status_code = match job.cancel() {
            Some(reason) if by_person => Some(reason.to_owned()),
            _ => told.code,
        };
        job.status_message = match conclusion.job {
            // Which rules stood in the way.
            JobEnd::Blocked if job.cancel() == Some(NOT_PERMITTED) => {
                told.message.or(job.status_message.take())
            }
            JobEnd::Blocked | JobEnd::Cancelled => None,
            _ => told.message,
        };
        job.ended_at = Some(tx.now());
    }
    store::save(tx, job, None).await?;
    let kind = match conclusion.job {
        JobEnd::Succeeded => "jobs.succeeded",
        JobEnd::Failed => "jobs.failed",
        JobEnd::Cancelled => "jobs.cancelled",
        JobEnd::Blocked => "jobs.blocked",
        JobEnd::Again => "jobs.attempt_lost",
    };
    tx.record(&Happened::to(
        job,
        kind,
        json!({
            "attempt": attempt.id,
            "number": attempt.number,
            "attempt_status": attempt.status.name(),
            "code": attempt.failure_code,
        }),
    ))?;
    Ok(())
}
