//! Training jobs: asked for, approved, dispatched to compute, followed to their one end.
//!
//! Who reads data does so by leave that is decided on at that moment: when a job is asked for, when it is
//! dispatched (in the transaction that starts it), at each file, and once more when its model is registered.
//! A job's program runs elsewhere and speaks to the portal through `job_contract`; the backend's word on how it
//! ended and the program's own are joined in [`conclude`].

mod approve;
mod artifact;
mod checkpoints;
mod clone;
mod closed;
mod compute;
mod conclude;
mod data_used;
mod dispatch;
mod draft;
mod end;
mod error;
mod estimate;
mod estimate_request;
mod evaluate;
mod evaluate_request;
mod evaluation;
mod finish;
mod follow;
mod grant;
mod happened;
mod internal_error;
mod job;
mod logs;
mod made;
mod memory;
mod method;
mod pause;
mod place_alarm;
mod places;
mod prioritise;
mod progress;
mod queue;
mod raw_settings;
mod reads;
mod remaining;
mod request;
mod rest_ends;
mod setting;
mod settings;
mod shape;
mod spec;
mod status;
mod stop;
mod store;
mod submit;
mod tell;
mod token;
mod used;
mod verify;
pub mod web;

use std::time::Duration;

pub use self::{
    approve::{approve, reject},
    compute::{Compute, OpenError},
    conclude::WITHDRAWN,
    draft::{Draft, RawDraft},
    error::JobError,
    estimate::{Basis, Estimate},
    evaluate::report_file,
    evaluate_request::request_evaluation,
    job::{Attempt, Job, JobBrief},
    memory::DoesNotFit,
    method::Method,
    pause::{pause, resume},
    places::{PlaceState, place_warnings, places},
    prioritise::prioritise,
    queue::Priority,
    raw_settings::RawSettings,
    request::{Given, request, request_as},
    status::{AttemptStatus, JobStatus, WrongStatus},
    stop::{Stopped, cancel, lock_unfinished, not_covered, stop_for_withdrawal},
    verify::{Difference, Verification, verify_verdicts},
};
use crate::{
    app::Ports,
    config::Config,
    db::{Db, StoreError},
    ids::JobId,
    policy::{self, Action, Actor, Role},
    worker::Chore,
};

/// What recurs for jobs.
#[must_use]
pub fn chores() -> [Chore<Ports>; 8] {
    [
        Chore {
            name: "jobs.dispatch",
            every: Duration::from_millis(500),
            run: |ports| Box::pin(async move { Ok(dispatch::sweep(ports).await?) }),
        },
        Chore {
            name: "jobs.follow",
            every: Duration::from_secs(1),
            run: |ports| Box::pin(async move { Ok(follow::sweep(ports).await?) }),
        },
        Chore {
            name: "jobs.checkpoints",
            every: Duration::from_secs(5),
            run: |ports| Box::pin(async move { Ok(checkpoints::sweep(ports).await?) }),
        },
        Chore {
            name: "jobs.logs",
            every: Duration::from_secs(3),
            run: |ports| Box::pin(async move { Ok(logs::sweep(ports).await?) }),
        },
        Chore {
            name: "jobs.logs.forget",
            every: Duration::from_secs(3600),
            run: |ports| Box::pin(async move { Ok(logs::forget(ports).await?) }),
        },
        Chore {
            name: "jobs.places",
            every: Duration::from_secs(30),
            run: |ports| Box::pin(async move { Ok(place_alarm::sweep(ports).await?) }),
        },
        Chore {
            name: "jobs.pauses",
            every: Duration::from_secs(300),
            run: |ports| Box::pin(async move { Ok(rest_ends::sweep(ports).await?) }),
        },
        Chore {
            name: "jobs.strays",
            every: Duration::from_secs(600),
            run: |ports| Box::pin(async move { Ok(places::strays(ports).await?) }),
        },
    ]
}

/// The newest hundred of these jobs, newest first, whoever asks.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn newest_of(
    conn: &mut sqlx::PgConnection,
    jobs: &[JobId],
) -> Result<Vec<JobBrief>, StoreError> {
    store::newest_of(conn, jobs).await
}

/// The step that a job would go on from, where something is kept of it.
///
/// # Errors
/// Where the database is away.
pub async fn kept_step(
    conn: &mut sqlx::PgConnection,
    job: JobId,
) -> Result<Option<u32>, StoreError> {
    let newest = store::newest_checkpoint(conn, job).await?;
    Ok(newest.map(|one| one.step.unsigned_abs()))
}

/// The jobs that wait for a place, in the order in which they would start now.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn line(db: &Db, config: &Config, compute: &Compute) -> Result<Vec<JobId>, StoreError> {
    dispatch::line(db, config, compute).await
}

/// What a job was expected to need, and the joules that it used once an attempt of it ended; none of what is not known.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn needs(
    conn: &mut sqlx::PgConnection,
    job: JobId,
) -> Result<(Option<Estimate>, Option<f64>), StoreError> {
    let estimate = store::estimate(conn, job).await?;
    let used = used::joules(conn, job).await?;
    Ok((estimate, used))
}

/// How many of these jobs there are in each state, in the order of a job's life.
///
/// # Errors
/// Where the database is away.
pub async fn count_by_status(
    conn: &mut sqlx::PgConnection,
    jobs: &[JobId],
) -> Result<Vec<(JobStatus, usize)>, StoreError> {
    store::count_by_status(conn, jobs).await
}

/// The jobs that wait for a decision of `actor`, oldest first.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn waiting_for(db: &Db, actor: &Actor) -> Result<Vec<JobBrief>, StoreError> {
    if !actor.is(Role::Operator) {
        return Ok(Vec::new());
    }
    let mut conn = db.read().await?;
    store::submitted_for(&mut conn, actor.user).await
}

/// One job, where `actor` may see it.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn find_visible(db: &Db, actor: &Actor, id: JobId) -> Result<Option<Job>, StoreError> {
    let mut conn = db.read().await?;
    let found = store::find(&mut conn, id).await?;
    Ok(found.filter(|job| policy::check(actor, Action::ViewJob, &job.scope()).is_ok()))
}
