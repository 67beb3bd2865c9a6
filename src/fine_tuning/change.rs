//! How jobs change that are not the portal's yet: each change once, with its event, its message and its line in the log.

use serde_json::json;

use super::{
    advance::AdvanceError,
    create::Written,
    happened::Happened,
    ids::Of,
    job::{Failed, Phase, TuningJob, WaitsFor},
    store::{self, events::NewEvent},
    tell,
};
use crate::{
    db::Db,
    policy::{self, Action, Actor, Scope},
    webhooks,
};

/// A failure of the job as a whole.
pub(super) fn failed(code: &str, message: &str) -> Failed {
    Failed {
        code: code.into(),
        message: message.into(),
        param: None,
        problems: Vec::new(),
    }
}

/// Notes whose word a job waits for, where that is new.
pub(super) async fn wait(
    db: &Db,
    job: &TuningJob,
    waits_for: Vec<WaitsFor>,
) -> Result<(), AdvanceError> {
    if job.phase == Phase::Waiting && job.waits_for == waits_for {
        return Ok(());
    }
    let who: Vec<&str> = waits_for.iter().map(|one| one.by.as_str()).collect();
    let event = NewEvent {
        level: "info",
        message: format!("Waiting for approval by: {}", who.join(", ")),
        data: Some(json!({
            "code": "approval.requested",
            "approvers": waits_for,
            "url": waits_for.first().map(|one| one.url.clone()),
        })),
    };
    change(
        db,
        job,
        Change {
            kind: "fine_tuning.job_waits",
            facts: json!({ "waits_for": waits_for }),
            events: vec![event],
            to: To::Waiting(waits_for),
        },
    )
    .await
}

/// Notes that the portal has the job now.
pub(super) async fn requested(
    db: &Db,
    job: &TuningJob,
    resolved: openai_api::Hyperparameters,
) -> Result<(), AdvanceError> {
    let to = Change {
        kind: "fine_tuning.job_requested",
        facts: json!({ "resolved": resolved }),
        events: Vec::new(),
        to: To::Requested(resolved),
    };
    change(db, job, to).await
}

/// Ends a job that cannot become one of the portal.
pub(super) async fn end(db: &Db, job: &TuningJob, failed: Failed) -> Result<(), AdvanceError> {
    let event = NewEvent {
        level: "error",
        message: failed.message.clone(),
        data: Some(json!({
            "code": failed.code, "param": failed.param, "problems": failed.problems,
        })),
    };
    change(
        db,
        job,
        Change {
            kind: "fine_tuning.job_failed",
            facts: json!({ "code": failed.code, "param": failed.param }),
            events: vec![event],
            to: To::Ended(Phase::Failed, Some(failed)),
        },
    )
    .await
}

/// Ends a job of which the data were withdrawn.
pub(super) async fn withdrawn(db: &Db, job: &TuningJob) -> Result<(), AdvanceError> {
    let event = NewEvent {
        level: "warn",
        message: "The data were withdrawn; the job is cancelled.".into(),
        data: Some(json!({ "code": "data_withdrawn" })),
    };
    change(
        db,
        job,
        Change {
            kind: "fine_tuning.job_cancelled",
            facts: json!({ "reason": "data_withdrawn" }),
            events: vec![event],
            to: To::Ended(Phase::Cancelled, None),
        },
    )
    .await
}

struct Change {
    kind: &'static str,
    facts: serde_json::Value,
    events: Vec<NewEvent>,
    to: To,
}

enum To {
    Waiting(Vec<WaitsFor>),
    Requested(openai_api::Hyperparameters),
    Ended(Phase, Option<Failed>),
}

/// Makes a change of a job that is still as it was read.
async fn change(db: &Db, job: &TuningJob, change: Change) -> Result<(), AdvanceError> {
    let system = Actor::system();
    let mut tx = db.write(&system).await?;
    let Some(now) = store::jobs::lock(&mut tx, job.id).await? else {
        return Ok(());
    };
    if now.phase != job.phase || now.waits_for != job.waits_for {
        return Ok(());
    }
    let permit = policy::check(&system, Action::RunSystem, &Scope::of(job.institution))
        .map_err(|error| AdvanceError::Change(error.to_string()))?;
    let Change {
        kind,
        facts,
        events,
        to,
    } = change;
    match &to {
        To::Waiting(waits_for) => store::jobs::set_waiting(&mut tx, job.id, waits_for).await?,
        To::Requested(resolved) => store::jobs::set_requested(&mut tx, job.id, resolved).await?,
        To::Ended(phase, error) => {
            store::jobs::set_ended(&mut tx, job.id, (*phase, error.as_ref())).await?;
        }
    }
    store::events::insert(&mut tx, job.id, &events).await?;
    let heard = match &to {
        To::Waiting(_) => Some(webhooks::Kind::ApprovalRequested),
        To::Requested(_) => None,
        To::Ended(Phase::Failed, _) => Some(webhooks::Kind::JobFailed),
        To::Ended(..) => Some(webhooks::Kind::JobCancelled),
    };
    if let Some(heard) = heard {
        webhooks::tell(&mut tx, job.institution, heard, &tell::about(job)).await?;
    }
    let happened = Happened {
        kind,
        subject: ("job", job.id.0),
        institution: job.institution,
        facts: json!({ "job": job.id, "id": Of::Job.id(job.id.0), "more": facts }),
    };
    tx.record(&happened).map_err(Written::from)?;
    tx.commit(permit).await.map_err(Written::from)?;
    Ok(())
}
