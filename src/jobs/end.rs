//! An attempt ends without a model: what follows for the attempt and its job, in one transaction.

use chrono::TimeDelta;
use serde_json::json;

use super::{
    conclude::{Ending, NOT_PERMITTED, Standing, conclude},
    error::JobError,
    happened::Happened,
    job::{Attempt, Job},
    status::{JobEnd, Step},
    store, used,
};
use crate::{
    app::Ports,
    config::Training,
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
        &ports.config.training,
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
    settings: &Training,
) -> Result<(), JobError> {
    let standing = Standing {
        cancel: job.cancel(),
        is_pause_asked: job.pause_requested_at.is_some(),
        tries: store::lost_in_a_row(tx.conn(), job.id).await? + 1,
        max_tries: settings.max_attempts.into(),
        has_checkpoint: store::newest_checkpoint(tx.conn(), job.id).await?.is_some(),
    };
    let tries = standing.tries;
    let conclusion = conclude(ending, &standing);
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
    job.pause_requested_at = None;
    job.not_before = None;
    if matches!(conclusion.job, JobEnd::Again | JobEnd::Paused) {
        job.status_code = told.code.filter(|_| conclusion.job == JobEnd::Paused);
        job.status_message = None;
        if conclusion.job == JobEnd::Again {
            job.not_before = Some(tx.now() + wait(settings.retry_seconds, tries));
        }
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
        JobEnd::Paused => "jobs.paused",
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

/// How long a job waits after so many tries in a row: twice as long each time, an hour at most.
fn wait(first: u32, tries: i64) -> TimeDelta {
    let doublings = u32::try_from(tries.clamp(1, 20) - 1).unwrap_or(0);
    TimeDelta::seconds((i64::from(first) << doublings).min(3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_try_waits_twice_as_long_up_to_an_hour() {
        let seconds: Vec<i64> = [1, 2, 3, 10, 11, 1000]
            .into_iter()
            .map(|tries| wait(5, tries).num_seconds())
            .collect();
        assert_eq!(seconds, [5, 10, 20, 2560, 3600, 3600]);
    }
}
