//! Somebody asks for a model to be measured.

use chrono::{DateTime, Utc};
use job_contract::Task;
use serde_json::json;

use super::{
    error::JobError,
    evaluate::{asked, insert, settings_after, stands_on, title, versions_read},
    happened::Happened,
    job::Job,
    request::verdicts,
    status::JobStatus,
    store,
};
use crate::{
    config,
    datasets::{self, Decision},
    db::{Db, WriteTx},
    ids::{DatasetVersionId, JobId, ModelId},
    models::{self, Model},
    permissions::{self, Purpose, Recipients, Territory, Use},
    policy::{self, Action, Actor},
};

/// Asks for a model to be measured, as it is measured by itself once it is made; it waits for an operator then. It would
/// run in one of `locations`.
///
/// # Errors
/// [`JobError::UnknownModel`] where there is none, [`JobError::UnknownBase`] where it or its base may not be used,
/// [`JobError::UnderWay`] where it is being measured, [`JobError::NotPermitted`] where a dataset may not be read for this
/// now.
pub async fn request_evaluation(
    db: &Db,
    actor: &Actor,
    config: &config::Evaluation,
    (id, locations): (ModelId, &[Territory]),
) -> Result<JobId, JobError> {
    let mut tx = db.write(actor).await?;
    let model = models::find(tx.conn(), id)
        .await?
        .ok_or(JobError::UnknownModel(id))?;
    // Who may not see it is told that there is none.
    let _seen = policy::check(actor, Action::ViewModel, &model.scope())?;
    let permit = policy::check(actor, Action::EvaluateModel, &model.scope())?;
    let trained = match model.kind.job() {
        Some(job) => store::find(tx.conn(), job).await?,
        None => None,
    };
    let settings = settings_after(&mut tx, trained.as_ref(), config).await?;
    let versions = versions_read(&mut tx, trained.as_ref(), &settings).await?;
    // In the order of dispatch: datasets, models.
    for version in &versions {
        datasets::lock_for_use(&mut tx, *version).await?;
    }
    let base = stands_on(&model);
    let is_base_usable = base == model.id || models::lock_for_use(&mut tx, base).await?;
    if !models::lock_to_measure(&mut tx, model.id).await? || !is_base_usable {
        return Err(JobError::UnknownBase);
    }
    if let Some(job) = store::newest_evaluation_job(tx.conn(), model.id).await?
        && let Some(job) = store::find(tx.conn(), job).await?
        && !job.status.is_over()
    {
        return Err(JobError::UnderWay);
    }
    let now = tx.now();
    let like = match &trained {
        Some(job) => job.clone(),
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
    let (wanted, decided) = permitted(&mut tx, (&job, &versions), locations).await?;
    for (_, decision) in &decided {
        permissions::keep_policy(&mut tx, &decision.policy, &decision.policy_sha256).await?;
    }
    insert(&mut tx, &job, trained.as_ref(), &versions).await?;
    store::insert_evaluation_job(&mut tx, job.id, model.id, None).await?;
    tx.record(&Happened::to(
        &job,
        "jobs.requested",
        json!({
            "measures": model.id,
            "base_model": job.base,
            "dataset_versions": versions,
            "use": wanted,
            "policies": decided.iter().map(|(_, decision)| &decision.policy_sha256).collect::<Vec<_>>(),
        }),
    ))?;
    tx.commit(permit).await?;
    Ok(job.id)
}

/// What the rules say, for the first place where they say yes.
async fn permitted(
    tx: &mut WriteTx<'_>,
    (job, versions): (&Job, &[DatasetVersionId]),
    locations: &[Territory],
) -> Result<(Use, Vec<(DatasetVersionId, Decision)>), JobError> {
    let (now, actor) = (tx.now(), tx.actor());
    let mut first = None;
    for location in locations {
        let wanted = job.wanted(*location);
        let decided = verdicts(tx.conn(), actor, versions, &wanted, now).await?;
        if decided
            .iter()
            .all(|(_, decision)| decision.verdict.is_allowed)
        {
            return Ok((wanted, decided));
        }
        first.get_or_insert(decided);
    }
    Err(first.map_or(JobError::UnknownPlace, JobError::NotPermitted))
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
        pause_requested_at: None,
        paused_at: None,
        not_before: None,
        ended_at: None,
    }
}
