//! Pausing a job and letting it go on.

use openai_api::ApiError;

use super::{create::over, failure::refused, ids::Of, job::Phase, job::TuningJob};
use crate::{
    db::Db,
    jobs::{self, JobError},
    policy::Actor,
};

/// Lets a job rest; one that no operator has approved yet has nothing that could rest.
///
/// # Errors
/// 400 where its state does not allow it, 403 where the rules do not.
pub(super) async fn pause(db: &Db, actor: &Actor, job: &TuningJob) -> Result<(), ApiError> {
    requested(job, "paused")?;
    answer(jobs::pause(db, actor, job.id).await, job, "paused")
}

/// Lets a job go on that rests.
///
/// # Errors
/// As [`pause`].
pub(super) async fn resume(db: &Db, actor: &Actor, job: &TuningJob) -> Result<(), ApiError> {
    requested(job, "resumed")?;
    answer(jobs::resume(db, actor, job.id).await, job, "resumed")
}

fn requested(job: &TuningJob, what: &str) -> Result<(), ApiError> {
    match job.phase {
        Phase::Requested => Ok(()),
        Phase::Validating | Phase::Waiting | Phase::Failed | Phase::Cancelled => Err(over(what)),
    }
}

fn answer<T>(done: Result<T, JobError>, job: &TuningJob, what: &str) -> Result<(), ApiError> {
    match done {
        Ok(_) => Ok(()),
        Err(JobError::WrongStatus(_)) => Err(over(what)),
        // It is about to be the portal's.
        Err(JobError::NotFound(_)) => Err(Of::Job.missing(&Of::Job.id(job.id.0))),
        Err(error) => Err(refused(error)),
    }
}
