//! A pause has an end: a job that nobody lets go on is cancelled, and whoever asked for it hears of that a week before.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{error::JobError, happened::Happened, job::Job, status::Step, store};
use crate::{
    app::Ports,
    db::WriteTx,
    ids::JobId,
    notices::{About, Notice, Recipient, tell},
    policy::{self, Action, Actor, Scope},
};

/// The reason for a cancel that comes by itself.
pub(super) const PAUSED_TOO_LONG: &str = "paused_too_long";
/// So long before the end somebody is told.
const NOTICE: TimeDelta = TimeDelta::days(7);

/// When a job that is paused since `since` is cancelled.
pub(super) fn ends_at(since: DateTime<Utc>, paused_days: u32) -> DateTime<Utc> {
    since + TimeDelta::days(i64::from(paused_days))
}

/// The chore: tells of pauses that end within a week, and ends those that lasted too long.
///
/// # Errors
/// Where the database is away.
pub(super) async fn sweep(ports: &Ports) -> Result<(), JobError> {
    let days = ports.config.training.paused_days;
    let now = ports.db.now();
    let due = {
        let before = now + NOTICE - TimeDelta::days(i64::from(days));
        let mut conn = ports.db.read().await?;
        store::paused_before(&mut conn, before).await?
    };
    for job in due {
        if let Err(error) = one(ports, job).await {
            tracing::warn!(%job, %error, "the pause of a job cannot be ended yet");
        }
    }
    Ok(())
}

async fn one(ports: &Ports, id: JobId) -> Result<(), JobError> {
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = ports.db.write(&actor).await?;
    let Some(mut job) = store::lock(&mut tx, id).await? else {
        return Ok(());
    };
    let Some(since) = job.paused_at else {
        return Ok(());
    };
    let end = ends_at(since, ports.config.training.paused_days);
    if tx.now() < end {
        if say(&mut tx, &job, "job-pause-ends", end).await? {
            let facts = json!({ "ends_at": end });
            tx.record(&Happened::to(&job, "jobs.pause_ends_told", facts))?;
            tx.commit(permit).await?;
        }
        return Ok(());
    }
    let now = tx.now();
    job.status = job.status.after(Step::Cancel)?;
    job.cancel_requested_at = Some(now);
    job.cancel_reason = Some(PAUSED_TOO_LONG.to_owned());
    job.status_code = Some(PAUSED_TOO_LONG.to_owned());
    job.status_message = None;
    job.ended_at = Some(now);
    store::save(&mut tx, &job, None).await?;
    say(&mut tx, &job, "job-pause-ended", since).await?;
    let facts = json!({ "reason": PAUSED_TOO_LONG, "paused_at": since });
    tx.record(&Happened::to(&job, "jobs.cancelled", facts))?;
    tx.commit(permit).await?;
    Ok(())
}

/// Tells whoever asked for the job; false where they were told of this pause before.
async fn say(
    tx: &mut WriteTx<'_>,
    job: &Job,
    kind: &'static str,
    day: DateTime<Utc>,
) -> Result<bool, JobError> {
    let to = Recipient::User {
        institution: job.institution,
        user: job.requested_by,
    };
    let about = About {
        kind: "job",
        id: job.id.0,
    };
    let since = job.paused_at.unwrap_or(day).timestamp_micros();
    let notice = Notice::new(kind, to, about)
        .with("title", &job.title)
        .with_day("day", day)
        .link(format!("/jobs/{}", job.id))
        .once(format!("{kind}:{}:{since}", job.id));
    Ok(tell(tx, &notice).await?.is_some())
}
