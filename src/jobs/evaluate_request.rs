//! Somebody asks for a model to be measured.

use chrono::{DateTime, Utc};
use job_contract::Task;
use serde_json::json;

use super::{
    error::JobError,
    evaluate::{asked, is_measurable, needs_data, settings, title},
    happened::Happened,
    job::Job,
    request::verdicts,
    status::JobStatus,
    store,
};
use crate::{
    config, datasets,
    db::Db,
    ids::{JobId, ModelId},
    models::{self, Kind, Model, Status},
    permissions::{self, Purpose, Recipients, Territory},
    policy::{self, Action, Actor},
};

/// Asks for a model to be measured, as it is measured by itself once it is made; it waits for an operator then. It would
/// run in `location`.
///
/// # Errors
/// [`JobError::UnknownModel`] where there is none, [`JobError::UnknownBase`] where it or its base may not be used, [`JobError::UnderWay`] where it is
/// being measured, [`JobError::NotPermitted`] where a dataset may not be read for this now.
pub async fn request_evaluation(
    db: &Db,
    actor: &Actor,
    config: &config::Evaluation,
    (id, location): (ModelId, Territory),
) -> Result<JobId, JobError> {
    let mut tx = db.write(actor).await?;
    let model = models::find(tx.conn(), id)
        .await?
        .ok_or(JobError::UnknownModel(id))?;
    // Who may not see it is told that there is none.
    let _seen = policy::check(actor, Action::ViewModel, &model.scope())?;
    let permit = policy::check(actor, Action::EvaluateModel, &model.scope())?;
    let training = match job_of(&model.kind) {
        Some(job) => store::find(tx.conn(), job).await?,
        None => None,
    };
    let settings = settings(training.as_ref().map(|job| (&job.task, job.seed)), config);
    let versions = match &training {
        Some(job) if needs_data(&settings) => store::input_versions(tx.conn(), job.id).await?,
        _ => Vec::new(),
    };
    // In the order of dispatch: datasets, models.
    for version in &versions {
        datasets::lock_for_use(&mut tx, *version).await?;
    }
    // Adapters are measured over their base; other models stand by themselves.
    let base = match &model.kind {
        Kind::Adapter { base, .. } => *base,
        Kind::Base | Kind::Whole { .. } => model.id,
    };
    let is_base_usable = models::lock_for_use(&mut tx, base).await?;
    if !is_base_usable || !is_fit(&model) {
        return Err(JobError::UnknownBase);
    }
    if let Some(job) = store::newest_evaluation_job(tx.conn(), model.id).await?
        && let Some(job) = store::find(tx.conn(), job).await?
        && !job.status.is_over()
    {
        return Err(JobError::UnderWay);
    }
    let now = tx.now();
    let like = match training {
        Some(job) => job,
        None => {
            let task = Task::Evaluate {
                evaluation: settings.clone(),
            };
            of_base(actor, &model, task, now)
        }
    };
    let job = Job {
        title: title(&like.title),
        requested_by: actor.user,
        base: Some(base),
        ..asked(&like, settings, now)
    };
    let decided = verdicts(tx.conn(), actor, &versions, &job.wanted(location), now).await?;
    if decided
        .iter()
        .any(|(_, decision)| !decision.verdict.is_allowed)
    {
        return Err(JobError::NotPermitted(decided));
    }
    for (_, decision) in &decided {
        permissions::keep_policy(&mut tx, &decision.policy, &decision.policy_sha256).await?;
    }
    store::insert(&mut tx, &job, &versions).await?;
    store::insert_evaluation_job(&mut tx, job.id, model.id, None).await?;
    tx.record(&Happened::to(
        &job,
        "jobs.requested",
        json!({
            "measures": model.id,
            "base_model": job.base,
            "dataset_versions": versions,
            "use": job.wanted(location),
            "policies": decided.iter().map(|(_, decision)| &decision.policy_sha256).collect::<Vec<_>>(),
        }),
    ))?;
    tx.commit(permit).await?;
    Ok(job.id)
}

fn job_of(kind: &Kind) -> Option<JobId> {
    match kind {
        Kind::Base => None,
        Kind::Adapter { job, .. } | Kind::Whole { job, .. } => Some(*job),
    }
}

/// Whether a model is still in use, or may come into use.
fn is_fit(model: &Model) -> bool {
    is_measurable(model) && model.status != Status::Retired && model.quarantine.is_none()
}

/// What stands in the place of the job that made a base: nothing of it is anybody's data, so the narrowest use will do.
fn of_base(actor: &Actor, model: &Model, task: Task, now: DateTime<Utc>) -> Job {
    let id = JobId::fresh();
    Job {
        id,
        institution: model.institution,
        institution_name: String::new(),
        institution_slug: String::new(),
        title: model.name.clone(),
        motivation: model.name.clone(),
        purpose: Purpose::FineTuning,
        recipients: Recipients::Consortium,
        is_commercial: false,
        territory: Territory::NETHERLANDS,
        base: Some(model.id),
        base_name: model.name.clone(),
        model_family: model.family.clone(),
        task,
        // 31 bits of a fresh id: a JSON number everywhere.
        seed: i64::from(id.0.as_fields().1) << 15 | i64::from(id.0.as_fields().2 & 0x7fff),
        status: JobStatus::Submitted,
        status_code: None,
        status_message: None,
        requested_by: actor.user,
        requested_by_name: String::new(),
        requested_at: now,
        approved_by_name: None,
        approved_at: None,
        cancel_requested_at: None,
        cancel_reason: None,
        ended_at: None,
    }
}
