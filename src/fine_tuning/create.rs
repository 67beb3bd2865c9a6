//! Asking for a job, and calling it off.

use chrono::TimeDelta;
use openai_api::{ApiError, CreateJob, Method};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    ask::Wish,
    failure::refused,
    happened::Happened,
    ids::Of,
    job::{Phase, TuningJob},
    judge,
    store::{self, events::NewEvent, jobs::Request, seen::NamedVersion},
    tell,
};
use crate::{
    config::Config,
    db::{CommitError, Db, StoreError, WriteTx},
    error::AppError,
    ids::{DatasetId, FileId, JobId},
    jobs::{self, Compute, JobError},
    keys::Holder,
    models::{self, Kind, Model},
    policy::{self, Action, Actor, Scope},
    webhooks,
};

/// How long the same request finds the job that it made.
const SAME_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// Who asks, and how the request is known again.
pub(super) struct Asking<'a> {
    pub(super) actor: &'a Actor,
    pub(super) holder: &'a Holder,
    pub(super) body: &'a [u8],
    /// Whether an SDK sends it again after it heard no answer.
    pub(super) is_retry: bool,
    pub(super) idempotency_key: Option<&'a str>,
}

/// Asks for a job; answers its id. The same request again answers the first one's.
pub(super) async fn create(
    db: &Db,
    (config, compute): (&Config, &Compute),
    asking: &Asking<'_>,
) -> Result<JobId, ApiError> {
    let digest = Sha256::digest(asking.body);
    let request = Request {
        key: asking.holder.key,
        body_sha256: &digest,
        idempotency_key: asking.idempotency_key,
        is_retry: asking.is_retry,
    };
    // Before anything is judged: what the first try was allowed to ask for may not be allowed any more.
    let mut tx = db.write(asking.actor).await.map_err(refused)?;
    let made = made_before(&mut tx, request).await?;
    drop(tx);
    if let Some(id) = made {
        return first_came(db, asking, id).await;
    }
    let asked = CreateJob::parse(asking.body)?;
    let wish = Wish::of(&asked, asking.holder)?;
    if compute
        .locations(wish.place.as_deref(), wish.time_limit_seconds)
        .is_empty()
    {
        return Err(no_place(&wish));
    }
    let actor = asking.actor;
    let own = Scope::of(actor.institution).requested_by(Some(actor.user));
    let permit = policy::check(actor, Action::RequestJob, &own).map_err(|_| {
        ApiError::permission_denied(
            "role_missing",
            "Whoever requested this key may not ask for jobs: that takes the role of researcher or manager.",
        )
    })?;
    let base = base(db, &asked.model).await?;
    let training = named(db, actor, ("training_file", &asked.training_file)).await?;
    let validation = match &asked.validation_file {
        None => None,
        Some(file) => Some(named(db, actor, ("validation_file", file)).await?),
    };
    let files = [
        ("training_file", Some(&training)),
        ("validation_file", validation.as_ref()),
    ];
    may_be_used(db, (config, compute), (&wish, &base), files).await?;
    if validation.as_ref().is_some_and(|one| one.id == training.id) {
        let message = "What is learnt from cannot be measured on; name another file.";
        return Err(ApiError::invalid_param("validation_file", message));
    }
    let mut tx = db.write(actor).await.map_err(refused)?;
    // Another try may have made it since.
    if let Some(id) = made_before(&mut tx, request).await? {
        drop(tx);
        return first_came(db, asking, id).await;
    }
    let id = JobId::fresh();
    let job = TuningJob {
        id,
        institution: actor.institution,
        key: asking.holder.key,
        created_by: actor.user,
        created_at: tx.now(),
        base: base.id,
        base_name: base.name,
        base_family: base.family,
        training_file: asked.training_file,
        validation_file: asked.validation_file,
        training_version: training.id,
        validation_version: validation.map(|one| one.id),
        metadata: asked.metadata,
        method: asked.method,
        resolved: None,
        wish,
        phase: Phase::Validating,
        examined_at: None,
        waits_for: Vec::new(),
        error: None,
        ended_at: None,
        told_status: None,
    };
    let written = async {
        store::jobs::insert(&mut tx, &job, request).await?;
        let told = |message| NewEvent {
            level: "info",
            message,
            data: None,
        };
        let events = [
            told(format!("Created fine-tuning job: {}", Of::Job.id(id.0))),
            told(format!("Validating training file: {}", job.training_file)),
        ];
        store::events::insert(&mut tx, id, &events).await?;
        tx.record(&Happened {
            kind: "fine_tuning.job_created",
            subject: ("job", id.0),
            institution: actor.institution,
            facts: json!({
                "job": id, "api_key": job.key, "base_model": job.base,
                "dataset_versions": job.versions().iter().map(|(_, version)| version).collect::<Vec<_>>(),
                "method": match job.method {
                    Method::Supervised { .. } => "supervised",
                    Method::Dpo { .. } => "dpo",
                },
            }),
        })?;
        tx.commit(permit).await?;
        Ok::<_, Written>(())
    };
    written.await.map_err(refused)?;
    Ok(id)
}

/// The job that the same request made; the next like it waits until the transaction ends.
///
/// # Errors
/// 400 for an `Idempotency-Key` that was used for another request.
async fn made_before(
    tx: &mut WriteTx<'_>,
    request: Request<'_>,
) -> Result<Option<JobId>, ApiError> {
    store::jobs::lock_request(tx, request)
        .await
        .map_err(refused)?;
    let made = store::jobs::made_by(tx, request, SAME_WITHIN)
        .await
        .map_err(refused)?;
    match made {
        Some((_, false)) => {
            let message = "This Idempotency-Key was used for another request.";
            let code = Some("idempotency_key_reused");
            Err(ApiError::new(400, "invalid_request_error", code, message))
        }
        Some((id, true)) => Ok(Some(id)),
        None => Ok(None),
    }
}

/// Notes, where a repetition made the job, that the first request has come now.
async fn first_came(db: &Db, asking: &Asking<'_>, id: JobId) -> Result<JobId, ApiError> {
    if !asking.is_retry {
        let mut tx = db.meter().await.map_err(refused)?;
        store::jobs::set_first(&mut tx, id).await.map_err(refused)?;
        tx.commit().await.map_err(refused)?;
    }
    Ok(id)
}

fn no_place(wish: &Wish) -> ApiError {
    let (field, message) = match &wish.place {
        Some(_) => (
            "gptnl.place",
            "There is no place of this name where jobs run, or none where one may run that long.",
        ),
        None => (
            "gptnl.time_limit_seconds",
            "There is no place where a job may run that long.",
        ),
    };
    ApiError::invalid_param(field, message)
}

/// What writing can fail with.
#[derive(Debug, thiserror::Error)]
pub(super) enum Written {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for Written {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Written> for AppError {
    fn from(error: Written) -> Self {
        match error {
            Written::Store(why) => why.into(),
            Written::Commit(why) => why.into(),
        }
    }
}

/// The base model of that name, where it may be tuned.
async fn base(db: &Db, name: &str) -> Result<Model, ApiError> {
    let mut conn = db.read().await.map_err(refused)?;
    models::find_by_name(&mut conn, name)
        .await
        .map_err(refused)?
        .filter(|model| model.kind == Kind::Base && model.is_usable())
        .ok_or_else(|| {
            let mut error = ApiError::model_not_found(name);
            error.body.message = format!(
                "{} Jobs start from a base model; client.models.list() names them.",
                error.body.message
            );
            error
        })
}

/// The dataset version that a request names, as `file-…` or `dataset:{id}@{version}`.
async fn named(
    db: &Db,
    actor: &Actor,
    (param, text): (&str, &str),
) -> Result<NamedVersion, ApiError> {
    let missing = || Of::File.missing(text).with_param(param);
    let mut conn = db.read().await.map_err(refused)?;
    if let Some(rest) = text.strip_prefix("dataset:") {
        let (dataset, number) = rest.split_once('@').ok_or_else(|| {
            let message = format!("'{param}' names a dataset as dataset:{{id}}@{{version}}.");
            ApiError::invalid_param(param, message)
        })?;
        let dataset: DatasetId = dataset.parse().map_err(|_| missing())?;
        let number: i32 = number.parse().map_err(|_| missing())?;
        let found = store::seen::version(&mut conn, None, (Some(dataset), Some(number)))
            .await
            .map_err(refused)?
            .ok_or_else(missing)?;
        let is_approved = found.status == "approved";
        let scope = Scope {
            // Of others' datasets only what was approved is there to be known of.
            is_published: found.is_published && is_approved,
            ..Scope::of(found.institution)
        };
        let _permit = policy::check(actor, Action::ViewDataset, &scope).map_err(|_| missing())?;
        if !is_approved {
            let message = "This version of the dataset is not approved.";
            return Err(ApiError::invalid_param(param, message));
        }
        return Ok(found);
    }
    let id = Of::File.parse(text).map(FileId).ok_or_else(missing)?;
    let file = store::files::find(&mut conn, actor.institution, id)
        .await
        .map_err(refused)?
        .ok_or_else(missing)?;
    store::seen::version(&mut conn, Some(file.version), (None, None))
        .await
        .map_err(refused)?
        .ok_or_else(missing)
}

/// 403 where the rules say no to data that others already decided on. Data that people still decide on may wait.
async fn may_be_used(
    db: &Db,
    (config, compute): (&Config, &Compute),
    (wish, base): (&Wish, &Model),
    files: [(&str, Option<&NamedVersion>); 2],
) -> Result<(), ApiError> {
    let mut conn = db.read().await.map_err(refused)?;
    let mut named = Vec::new();
    for (param, version) in files {
        let Some(version) = version else {
            continue;
        };
        let own = store::files::of_version(&mut conn, version.id).await;
        if own.map_err(refused)?.is_none() {
            named.push((param, version));
        }
    }
    drop(conn);
    let versions: Vec<_> = named.iter().map(|(_, version)| version.id).collect();
    let decisions = judge::decide(db, compute, (wish, &base.family), &versions, false)
        .await
        .map_err(refused)?;
    for (param, version) in named {
        let decision = decisions.iter().find(|(id, _)| *id == version.id);
        let (_, decision) = decision.ok_or_else(|| Of::File.missing(param))?;
        let rules = judge::missing(decision, false);
        if !rules.is_empty() {
            return Err(not_permitted(config, (param, version), &rules));
        }
    }
    Ok(())
}

fn not_permitted(
    config: &Config,
    (param, version): (&str, &NamedVersion),
    rules: &[String],
) -> ApiError {
    let message = format!(
        "The data may not be used for this: {}. See {}/en/datasets/{}.",
        rules.join(", "),
        config.origin(),
        version.dataset
    );
    ApiError::permission_denied("purpose_not_permitted", message).with_param(param)
}

/// Calls a job off; at once where it does not run.
pub(super) async fn cancel(db: &Db, actor: &Actor, id: JobId) -> Result<(), ApiError> {
    let mut tx = db.write(actor).await.map_err(refused)?;
    let job = store::jobs::lock(&mut tx, id)
        .await
        .map_err(refused)?
        .filter(|job| job.institution == actor.institution)
        .ok_or_else(|| Of::Job.missing(&Of::Job.id(id.0)))?;
    let scope = Scope::of(job.institution).requested_by(Some(job.created_by));
    let permit = policy::check(actor, Action::CancelJob, &scope).map_err(refused)?;
    match job.phase {
        Phase::Validating | Phase::Waiting => {}
        Phase::Requested => {
            drop(tx);
            return match jobs::cancel(db, actor, id).await {
                Ok(_) => Ok(()),
                Err(JobError::WrongStatus(_)) => Err(over("cancelled")),
                Err(error) => Err(refused(error)),
            };
        }
        Phase::Failed | Phase::Cancelled => return Err(over("cancelled")),
    }
    let written = async {
        store::jobs::set_ended(&mut tx, id, (Phase::Cancelled, None)).await?;
        let event = NewEvent {
            level: "info",
            message: "The job was cancelled.".into(),
            data: None,
        };
        store::events::insert(&mut tx, id, &[event]).await?;
        let about = tell::about(&job);
        webhooks::tell(
            &mut tx,
            job.institution,
            webhooks::Kind::JobCancelled,
            &about,
        )
        .await?;
        tx.record(&Happened {
            kind: "fine_tuning.job_cancelled",
            subject: ("job", id.0),
            institution: job.institution,
            facts: json!({ "job": id }),
        })?;
        tx.commit(permit).await?;
        Ok::<_, Written>(())
    };
    written.await.map_err(refused)
}

/// 400 for what cannot happen to a job as it stands: the SDKs would send a 409 again.
pub(super) fn over(what: &str) -> ApiError {
    let message = format!("The job cannot be {what} as it stands.");
    ApiError::new(
        400,
        "invalid_request_error",
        Some("invalid_job_state"),
        message,
    )
}
