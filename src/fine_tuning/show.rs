//! A job as the SDKs read it.

use openai_api::{FineTuningJob, JobProblem};
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::{
    ids::Of,
    job::{Phase, TuningJob},
    store::{
        self,
        seen::{Reviewed, Work},
    },
};
use crate::{
    config::Config,
    db::{Db, StoreError},
    ids::{DatasetId, JobId},
    jobs::{self, Estimate, Job, JobStatus},
    models,
    policy::Actor,
};

/// What of a portal's job is shown as its status.
pub(super) enum Shown {
    Failed(JobProblem),
    /// Data under it were withdrawn.
    Withdrawn,
    /// One of the words that typed clients know.
    Other(&'static str),
}

/// How the portal's job reads in OpenAI's six words.
pub(super) fn shown(job: &Job) -> Shown {
    let problem = |code: &str, fallback: &str, param: Option<&str>| {
        let message = job.status_message.clone().filter(|text| !text.is_empty());
        Shown::Failed(JobProblem {
            code: code.to_owned(),
            message: message.unwrap_or_else(|| fallback.to_owned()),
            param: param.map(str::to_owned),
        })
    };
    let code = job.status_code.as_deref().unwrap_or("failed");
    match job.status {
        // Typed clients know no word for one that rests.
        JobStatus::Submitted | JobStatus::Approved | JobStatus::Paused => Shown::Other("queued"),
        JobStatus::Running => Shown::Other("running"),
        JobStatus::Succeeded => Shown::Other("succeeded"),
        JobStatus::Cancelled => Shown::Other("cancelled"),
        JobStatus::Failed => problem(code, "The job failed.", None),
        JobStatus::Rejected => problem(
            "approval_rejected",
            "An operator did not allow the job.",
            None,
        ),
        JobStatus::Blocked if code == jobs::WITHDRAWN => Shown::Withdrawn,
        JobStatus::Blocked => problem(
            "permission_denied",
            "The data may not be used for this any more.",
            Some("training_file"),
        ),
    }
}

/// One job with all that is known of it; `line` is what waits in the portal.
pub(super) async fn as_wire(
    db: &Db,
    conn: &mut PgConnection,
    (config, line): (&Config, &[JobId]),
    row: &TuningJob,
) -> Result<FineTuningJob, StoreError> {
    let job = match row.phase {
        Phase::Requested => jobs::find_visible(db, &Actor::system(), row.id).await?,
        Phase::Validating | Phase::Waiting | Phase::Failed | Phase::Cancelled => None,
    };
    let model = match &job {
        Some(job) if job.status == JobStatus::Succeeded => models::of_job(conn, row.id).await?,
        _ => None,
    };
    let work = match &job {
        Some(_) => Some(store::seen::work(conn, row.id, row.training_version).await?),
        None => None,
    };
    let (estimate, joules) = match &job {
        Some(job) => jobs::needs(conn, job.id).await?,
        None => (None, None),
    };
    let queue = waits_in(job.as_ref(), work.as_ref(), line);
    let mut manifests = Vec::new();
    let mut approvals = Vec::new();
    let mut is_read = true;
    for (_, version) in row.versions() {
        if let Some(found) = store::seen::version(conn, Some(version), (None, None)).await? {
            let url = dataset_url(config, found.dataset);
            let reviews = store::seen::reviews(conn, version).await?;
            let is_own = found.institution == row.institution;
            approvals.extend(reviews.iter().map(|review| reviewed(review, &url, is_own)));
            manifests.extend(found.manifest_sha256);
        }
        if row.phase == Phase::Validating {
            let file = store::files::of_version(conn, version).await?;
            is_read &= file.is_none_or(|file| !file.is_being_read());
        }
    }
    approvals.extend(others(config, row, job.as_ref()));
    let phase = match &job {
        Some(job) => phase_of(job, work.as_ref()),
        None => phase_before(row, is_read),
    };
    let (status, error, reason) = match status_of(row, job.as_ref()) {
        // It has a place, where it waits like before.
        ("running", ..) if matches!(phase, "queued_slurm" | "requeued") => ("queued", None, None),
        known => known,
    };
    let method = row.resolved.map_or(row.method, |all| row.method.with(all));
    let has_figures = work
        .as_ref()
        .is_some_and(|work| work.last_step_at.is_some());
    let is_over = job.as_ref().is_some_and(|job| job.status.is_over());
    Ok(FineTuningJob {
        id: Of::Job.id(row.id.0),
        object: FineTuningJob::OBJECT.into(),
        created_at: row.created_at.timestamp(),
        finished_at: row
            .ended_at
            .or(job.as_ref().and_then(|job| job.ended_at))
            .map(|at| at.timestamp()),
        model: row.base_name.clone(),
        fine_tuned_model: model.as_ref().map(|model| model.name.clone()),
        organization_id: Of::Organisation.id(row.institution.0),
        status: status.into(),
        training_file: row.training_file.clone(),
        validation_file: row.validation_file.clone(),
        result_files: if has_figures && is_over {
            vec![Of::Results.id(row.id.0)]
        } else {
            Vec::new()
        },
        hyperparameters: *method.hyperparameters(),
        method,
        seed: job
            .as_ref()
            .map(|job| job.seed)
            .or(row.wish.seed)
            .unwrap_or(0),
        trained_tokens: work
            .as_ref()
            .and_then(|work| work.tokens)
            .map(i64::unsigned_abs),
        estimated_finish: work
            .as_ref()
            .filter(|_| !is_over)
            .and_then(|work| Some(work.last_step_at?.timestamp() + work.seconds_left?)),
        integrations: Vec::new(),
        metadata: row.metadata.clone(),
        error,
        gptnl: json!({
            "phase": phase,
            "reason": reason,
            "pause_requested": job.as_ref().is_some_and(|job| job.pause_requested_at.is_some()),
            "cancel_requested": job.as_ref().is_some_and(|job| job.cancel_requested_at.is_some()),
            "approvals": approvals,
            "permission": permission(row, work.as_ref()),
            "dataset_versions": manifests,
            "problems": row.error.as_ref().map(|error| error.problems.clone()).unwrap_or_default(),
            "slurm": work.as_ref().and_then(slurm),
            "queue_position": queue.as_ref().map(|queue| &queue["position"]),
            "queue": queue,
            "estimate": estimate.as_ref().map(estimated),
            "energy_kwh": joules.map(kilowatt_hours),
            "url": url(config, row, job.is_some()),
            "receipt_url": model.map(|model| format!("{}/api/v1/models/{}/receipt", config.origin(), model.id)),
        }),
    })
}

/// Where people look at it: the job's page, or where they decide before there is one.
fn url(config: &Config, row: &TuningJob, is_there: bool) -> Option<String> {
    if is_there {
        return Some(format!("{}/en/jobs/{}", config.origin(), row.id));
    }
    row.waits_for.first().map(|one| one.url.clone())
}

/// The status, why it failed, and why it was cancelled.
fn status_of(
    row: &TuningJob,
    job: Option<&Job>,
) -> (&'static str, Option<JobProblem>, Option<&'static str>) {
    match (row.phase, job) {
        (Phase::Validating, _) => ("validating_files", None, None),
        (Phase::Waiting, _) | (Phase::Requested, None) => ("queued", None, None),
        (Phase::Cancelled, _) => ("cancelled", None, None),
        (Phase::Failed, _) => {
            let error = row.error.as_ref().map(|error| JobProblem {
                code: error.code.clone(),
                message: error.message.clone(),
                param: error.param.clone(),
            });
            ("failed", error, None)
        }
        (Phase::Requested, Some(job)) => match shown(job) {
            Shown::Failed(error) => ("failed", Some(error), None),
            Shown::Withdrawn => ("cancelled", None, Some("data_withdrawn")),
            Shown::Other(word) => (word, None, None),
        },
    }
}

/// Where a job stands that is not the portal's yet, in more words than OpenAI has; `is_read`: whether its own files are
/// there and were read.
fn phase_before(row: &TuningJob, is_read: bool) -> &'static str {
    match row.phase {
        Phase::Validating if row.examined_at.is_some() => "permission_check",
        Phase::Validating if is_read => "validating",
        Phase::Validating => "received",
        Phase::Waiting | Phase::Requested => "awaiting_approval",
        Phase::Failed => match row.error.as_ref().map(|error| error.code.as_str()) {
            Some("approval_rejected") => "rejected",
            Some("permission_denied") => "permission_denied",
            _ => "failed",
        },
        Phase::Cancelled => "cancelled",
    }
}

/// Where a job of the portal stands.
fn phase_of(job: &Job, work: Option<&Work>) -> &'static str {
    match job.status {
        JobStatus::Submitted => "awaiting_approval",
        JobStatus::Approved if work.is_some_and(|work| work.was_begun) => "requeued",
        JobStatus::Approved => "approved",
        JobStatus::Paused => "paused",
        // Slurm puts jobs back by itself, too.
        JobStatus::Running if work.is_some_and(|work| work.waits_in_slurm) => {
            match work.and_then(|work| work.last_step_at) {
                Some(_) => "requeued",
                None => "queued_slurm",
            }
        }
        JobStatus::Running => match work.and_then(|work| work.phase.as_deref()) {
            Some("training") => "training",
            Some("evaluating") => "evaluating",
            Some("exporting") => "exporting",
            _ => "staging",
        },
        JobStatus::Succeeded => "done",
        JobStatus::Failed => "failed",
        JobStatus::Cancelled => "cancelled",
        JobStatus::Rejected => "rejected",
        JobStatus::Blocked if job.status_code.as_deref() == Some(jobs::WITHDRAWN) => "withdrawn",
        JobStatus::Blocked => "permission_denied",
    }
}

/// Where people decide on a dataset.
fn dataset_url(config: &Config, dataset: DatasetId) -> String {
    format!("{}/en/datasets/{dataset}", config.origin())
}

/// A decision on the data. Who made it is told to the people of the institution on their pages, not to programs; why, to
/// the institution whose data they are.
fn reviewed(review: &Reviewed, url: &str, is_own: bool) -> Value {
    let (role, by) = match review.kind.as_str() {
        "data" => ("data_review", "data steward"),
        _ => ("legal_review", "legal reviewer"),
    };
    json!({
        "role": role, "by": by, "decision": review.decision,
        "reason": Some(&review.reason).filter(|reason| is_own && !reason.is_empty()),
        "at": review.at.timestamp(), "url": url, "rules": null,
    })
}

/// The approvals that are waited for, and that of the computing time.
fn others(config: &Config, row: &TuningJob, job: Option<&Job>) -> Vec<Value> {
    let mut approvals: Vec<Value> = row
        .waits_for
        .iter()
        .map(|one| {
            json!({
                "role": one.role, "by": one.by, "decision": null, "reason": null, "at": null, "url": one.url,
                "rules": one.rules,
            })
        })
        .collect();
    if let Some(job) = job {
        let decision = match job.status {
            JobStatus::Submitted => None,
            JobStatus::Rejected => Some("rejected"),
            _ => job.approved_at.map(|_| "approved"),
        };
        let at = if job.status == JobStatus::Rejected {
            job.ended_at
        } else {
            job.approved_at
        };
        approvals.push(json!({
            "role": "compute",
            "by": job.approved_by_name.as_deref().unwrap_or("operator"),
            "decision": decision,
            "reason": job.status_message.as_ref().filter(|_| job.status == JobStatus::Rejected),
            "at": at.map(|at| at.timestamp()),
            "url": format!("{}/en/jobs/{}", config.origin(), job.id),
        }));
    }
    approvals
}

fn permission(row: &TuningJob, work: Option<&Work>) -> Value {
    let waits: Vec<&String> = row.waits_for.iter().flat_map(|one| &one.rules).collect();
    if !waits.is_empty() {
        return json!({ "decision": "deny", "rules": waits, "policy_hash": null });
    }
    let Some((verdict, hash)) =
        work.and_then(|work| Some((work.rules.as_ref()?, work.policy_sha256.as_ref()?)))
    else {
        return Value::Null;
    };
    let decision = if verdict["is_allowed"] == true {
        "permit"
    } else {
        "deny"
    };
    let rules: Vec<&Value> = verdict["reasons"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|reason| &reason["rule"])
        .collect();
    json!({ "decision": decision, "rules": rules, "policy_hash": hash })
}

/// The cluster's own number, where a cluster has it.
fn slurm(work: &Work) -> Option<Value> {
    let told = work.told.as_ref().filter(|told| told.is_slurm)?;
    let job = told.native_id.as_ref()?;
    Some(json!({
        "job_id": job,
        "partition": told.partition,
        "queue_position": told.queue_position.filter(|_| told.is_pending),
        "reason": told.reason.as_ref().filter(|_| told.is_pending),
    }))
}

/// What a job waits in, and how far it is: the portal's own line, or that of the place that has it.
fn waits_in(job: Option<&Job>, work: Option<&Work>, line: &[JobId]) -> Option<Value> {
    let job = job?;
    if job.status == JobStatus::Approved {
        let at = line.iter().position(|one| *one == job.id)?;
        return Some(json!({
            "line": "portal", "position": at + 1, "of": line.len(), "reason": null,
        }));
    }
    let told = work?.told.as_ref().filter(|told| told.is_pending)?;
    Some(json!({
        "line": "place", "position": told.queue_position, "of": null, "reason": told.reason,
    }))
}

/// What it was expected to need, in the units that people reckon with; no energy where no power is known.
fn estimated(estimate: &Estimate) -> Value {
    let cost = &estimate.cost;
    json!({
        "seconds": cost.seconds,
        "sbu": cost.milli_sbu as f64 / 1000.0,
        "energy_kwh": (cost.joules > 0).then(|| kilowatt_hours(cost.joules as f64)),
        "place": estimate.place,
        "basis": estimate.basis.name(),
    })
}

/// To a thousandth of a watt-hour.
fn kilowatt_hours(joules: f64) -> f64 {
    (joules / 3.6).round() / 1_000_000.0
}
