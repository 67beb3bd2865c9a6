//! Tells of what happened to the portal's job since it was last looked at.

use serde_json::json;

use super::{
    advance::AdvanceError,
    create::Written,
    happened::Happened,
    ids::Of,
    job::TuningJob,
    show::{self, Shown},
    store::{self, events::NewEvent, seen::Told},
};
use crate::{
    config::Config,
    db::Db,
    jobs::{self, Job, JobStatus},
    models,
    policy::{self, Action, Actor, Scope},
    webhooks,
};

/// Adds the events of a new state, once.
pub(super) async fn tell(db: &Db, config: &Config, job: &TuningJob) -> Result<(), AdvanceError> {
    let system = Actor::system();
    let Some(mut found) = jobs::find_visible(db, &system, job.id).await? else {
        return Ok(());
    };
    let mut conn = db.read().await?;
    let mut waits = None;
    if found.status == JobStatus::Running {
        let work = store::seen::work(&mut conn, job.id, job.training_version).await?;
        if work.waits_in_slurm {
            // Until Slurm begins it, it is told of as approved.
            found.status = JobStatus::Approved;
            waits = work.told.as_ref().and_then(stands);
        }
    }
    let status = found.status.name();
    if job.told_status.as_deref() == Some(status) {
        drop(conn);
        return match waits {
            Some((number, event)) => tell_number(db, job, &number, event).await,
            None => Ok(()),
        };
    }
    let model = models::of_job(&mut conn, job.id).await?;
    let kept_step = jobs::kept_step(&mut conn, job.id).await?;
    drop(conn);
    let name = model.as_ref().map(|model| model.name.as_str());
    let events = events(config, job, &found, (name, kept_step));
    let mut tx = db.write(&system).await?;
    let Some(now) = store::jobs::lock(&mut tx, job.id).await? else {
        return Ok(());
    };
    if now.told_status != job.told_status {
        return Ok(());
    }
    let permit = policy::check(&system, Action::RunSystem, &Scope::of(job.institution))
        .map_err(|error| AdvanceError::Change(error.to_string()))?;
    store::jobs::set_told(&mut tx, job.id, (status, found.status.is_over())).await?;
    store::events::insert(&mut tx, job.id, &events).await?;
    if let Some(kind) = kind_of(&found) {
        webhooks::tell(&mut tx, job.institution, kind, &about(job)).await?;
    }
    let happened = Happened {
        kind: "fine_tuning.job_told",
        subject: ("job", job.id.0),
        institution: job.institution,
        facts: json!({ "job": job.id, "status": status }),
    };
    tx.record(&happened).map_err(Written::from)?;
    tx.commit(permit).await.map_err(Written::from)?;
    Ok(())
}

/// Adds the number under which a cluster has a job, and where it stands in the cluster's line: once for each number, as
/// soon as the cluster tells.
async fn tell_number(
    db: &Db,
    job: &TuningJob,
    number: &str,
    event: NewEvent,
) -> Result<(), AdvanceError> {
    let mut conn = db.read().await?;
    if store::events::has_number(&mut conn, job.id, number).await? {
        return Ok(());
    }
    drop(conn);
    let system = Actor::system();
    let mut tx = db.write(&system).await?;
    let Some(now) = store::jobs::lock(&mut tx, job.id).await? else {
        return Ok(());
    };
    let was_told = store::events::has_number(tx.conn(), job.id, number).await?;
    if was_told || now.told_status != job.told_status {
        return Ok(());
    }
    let permit = policy::check(&system, Action::RunSystem, &Scope::of(job.institution))
        .map_err(|error| AdvanceError::Change(error.to_string()))?;
    store::events::insert(&mut tx, job.id, &[event]).await?;
    let happened = Happened {
        kind: "fine_tuning.job_told",
        subject: ("job", job.id.0),
        institution: job.institution,
        facts: json!({ "job": job.id, "slurm_job": number }),
    };
    tx.record(&happened).map_err(Written::from)?;
    tx.commit(permit).await.map_err(Written::from)?;
    Ok(())
}

/// Slurm's number of a job that waits there, and what is told of it; none before Slurm told what it waits for.
fn stands(told: &Told) -> Option<(String, NewEvent)> {
    let number = told
        .native_id
        .clone()
        .filter(|_| told.is_slurm && told.is_pending)?;
    let place = match (told.queue_position, &told.reason) {
        (Some(position), _) => format!("position {position}"),
        (None, Some(reason)) => format!("waiting: {reason}"),
        (None, None) => return None,
    };
    let data = json!({
        "code": "slurm.queued", "slurm_job": number, "queue_position": told.queue_position, "reason": told.reason,
        "partition": told.partition,
    });
    let event = NewEvent {
        data: Some(data),
        ..info(format!("Slurm job {number}, {place}"))
    };
    Some((number, event))
}

/// What programs hear of a state.
fn kind_of(job: &Job) -> Option<webhooks::Kind> {
    match job.status {
        JobStatus::Submitted => Some(webhooks::Kind::ApprovalRequested),
        JobStatus::Approved | JobStatus::Running | JobStatus::Paused => None,
        _ => Some(match show::shown(job) {
            Shown::Failed(_) => webhooks::Kind::JobFailed,
            Shown::Other("succeeded") => webhooks::Kind::JobSucceeded,
            Shown::Withdrawn | Shown::Other(_) => webhooks::Kind::JobCancelled,
        }),
    }
}

/// The `data` of a message: which job; all else is to be asked for with a key.
pub(super) fn about(job: &TuningJob) -> serde_json::Value {
    json!({ "id": Of::Job.id(job.id.0) })
}

fn info(message: impl Into<String>) -> NewEvent {
    NewEvent {
        level: "info",
        message: message.into(),
        data: None,
    }
}

fn events(
    config: &Config,
    job: &TuningJob,
    found: &Job,
    (model, kept_step): (Option<&str>, Option<u32>),
) -> Vec<NewEvent> {
    let approved = found
        .approved_by_name
        .as_ref()
        .map(|who| info(format!("Approved by {who}")));
    let was_told = job.told_status.as_deref();
    let is_new = matches!(was_told, None | Some("submitted"));
    match found.status {
        JobStatus::Submitted => {
            let url = format!("{}/en/jobs/{}", config.origin(), job.id);
            vec![NewEvent {
                data: Some(json!({
                    "code": "approval.requested",
                    "approvers": [{ "role": "compute", "by": "operator", "url": url }],
                    "url": url,
                })),
                ..info("Waiting for approval by: compute (operator)")
            }]
        }
        JobStatus::Approved if was_told == Some("paused") => {
            vec![info("The job was resumed and is queued again")]
        }
        JobStatus::Paused => {
            let first = approved.filter(|_| is_new);
            let why = match found.status_code.as_deref() {
                Some("exit_124") => "Paused at its time limit",
                _ => "Paused by user",
            };
            let paused = match kept_step {
                Some(step) => info(format!("{why} at step {step}; checkpoint kept")),
                None => info(format!("{why}; it starts anew when resumed")),
            };
            first.into_iter().chain([paused]).collect()
        }
        JobStatus::Approved if was_told == Some("running") => {
            vec![info("The job was interrupted and is queued again")]
        }
        JobStatus::Approved => approved.into_iter().collect(),
        JobStatus::Running => {
            // Approved and begun between two looks.
            let first = approved.filter(|_| is_new);
            first
                .into_iter()
                .chain([info("Fine-tuning job started")])
                .collect()
        }
        JobStatus::Succeeded => {
            let name = model.unwrap_or_default();
            let first = approved.filter(|_| is_new);
            let started = (was_told != Some("running")).then(|| info("Fine-tuning job started"));
            let ended = [
                info(format!("New fine-tuned model created: {name}")),
                info("The job has successfully completed"),
            ];
            first.into_iter().chain(started).chain(ended).collect()
        }
        JobStatus::Failed | JobStatus::Rejected | JobStatus::Cancelled | JobStatus::Blocked => {
            let first = approved.filter(|_| is_new);
            first.into_iter().chain([why_it_ended(found)]).collect()
        }
    }
}

/// Of a job that made nothing.
fn why_it_ended(found: &Job) -> NewEvent {
    match show::shown(found) {
        Shown::Failed(error) => NewEvent {
            level: "error",
            message: error.message,
            data: Some(json!({ "code": error.code, "param": error.param })),
        },
        Shown::Withdrawn => NewEvent {
            level: "warn",
            message: "The data were withdrawn; the job is cancelled.".into(),
            data: Some(json!({ "code": "data_withdrawn" })),
        },
        Shown::Other(_) if found.status_code.as_deref() == Some("paused_too_long") => {
            info("The job was paused for too long and is cancelled.")
        }
        Shown::Other(_) => info("The job was cancelled."),
    }
}
