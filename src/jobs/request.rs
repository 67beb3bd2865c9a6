//! Somebody asks for a job.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::{
    compute::Compute,
    draft::Draft,
    error::JobError,
    estimate::{Asked, Estimate, placed},
    happened::Happened,
    job::Job,
    memory::asked_for,
    status::JobStatus,
    store,
};
use crate::{
    datasets::{self, Decision},
    db::{Db, StoreError},
    ids::{DatasetVersionId, JobId, ModelId},
    models::{self, Kind, Model},
    permissions::{self, Territory, Use, Verdict},
    policy::{self, Action, Actor, Scope},
};

/// Asks for a job that will run at one of the places; it waits for an operator then.
///
/// # Errors
/// [`JobError::NotPermitted`] where a dataset may not be used for this now; `UnknownVersion` also for one that
/// the actor may not know of; `DoesNotFit` where no place has the memory of those where the rules let the data be processed.
pub async fn request(
    db: &Db,
    actor: &Actor,
    draft: &Draft,
    compute: &Compute,
) -> Result<JobId, JobError> {
    let given = Given {
        id: JobId::fresh(),
        seed: None,
        validation: None,
    };
    request_as(db, actor, draft, compute, given).await
}

/// What is settled before a job is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Given {
    /// Its id: asking again under the same one fails where it is there already.
    pub id: JobId,
    /// Of its random numbers; one is drawn where it is left open.
    pub seed: Option<i64>,
    /// The one of its versions that it is measured on and does not learn from.
    pub validation: Option<DatasetVersionId>,
}

/// As [`request`], with an id that the caller knows beforehand.
///
/// # Errors
/// As [`request`].
pub async fn request_as(
    db: &Db,
    actor: &Actor,
    draft: &Draft,
    compute: &Compute,
    given: Given,
) -> Result<JobId, JobError> {
    let own = Scope::of(actor.institution).requested_by(Some(actor.user));
    let permit = policy::check(actor, Action::RequestJob, &own)?;
    let mut tx = db.write(actor).await?;
    // Until this is committed no permission falls: what was decided still holds then. In the order of dispatch.
    let mut versions = draft.versions.clone();
    versions.sort_unstable();
    for version in &versions {
        datasets::lock_for_use(&mut tx, *version).await?;
    }
    let base = match draft.base {
        Some(base) if !models::lock_for_use(&mut tx, base).await? => {
            return Err(JobError::UnknownBase);
        }
        Some(base) => Some(usable_base(tx.conn(), base).await?),
        None => None,
    };
    let now = tx.now();
    let Judged {
        wanted,
        verdicts,
        estimate,
    } = judge(tx.conn(), actor, (draft, base.as_ref()), compute, now).await?;
    let id = given.id;
    // 31 bits of a fresh id: a JSON number everywhere.
    let drawn = || {
        let fresh = JobId::fresh();
        i64::from(fresh.0.as_fields().1) << 15 | i64::from(fresh.0.as_fields().2 & 0x7fff)
    };
    let job = Job {
        id,
        institution: actor.institution,
        institution_name: String::new(),
        institution_slug: String::new(),
        title: draft.title.clone(),
        motivation: draft.motivation.clone(),
        purpose: draft.purpose,
        recipients: draft.recipients,
        is_commercial: draft.is_commercial,
        territory: draft.territory,
        base: base.as_ref().map(|base| base.id),
        model_family: wanted.model_family.clone(),
        base_name: base.map(|base| base.name).unwrap_or_default(),
        task: draft.task.clone(),
        seed: given.seed.or(draft.seed).unwrap_or_else(drawn),
        status: JobStatus::Submitted,
        status_code: None,
        status_message: None,
        requested_by: actor.user,
        requested_by_name: String::new(),
        requested_at: tx.now(),
        approved_by_name: None,
        approved_at: None,
        cancel_requested_at: None,
        cancel_reason: None,
        pause_requested_at: None,
        paused_at: None,
        not_before: None,
        ended_at: None,
    };
    for (_, decision) in &verdicts {
        permissions::keep_policy(&mut tx, &decision.policy, &decision.policy_sha256).await?;
    }
    store::insert(&mut tx, &job, &draft.versions).await?;
    if let Some(version) = given.validation {
        store::set_validation(&mut tx, id, version).await?;
    }
    let asked = (draft.place.as_deref(), draft.time_limit_seconds);
    store::set_asked(&mut tx, id, asked).await?;
    store::insert_estimate(&mut tx, id, &estimate).await?;
    tx.record(&Happened::to(
        &job,
        "jobs.requested",
        json!({
            "dataset_versions": draft.versions,
            "base_model": job.base,
            "use": wanted,
            "policies": verdicts.iter().map(|(_, decision)| &decision.policy_sha256).collect::<Vec<_>>(),
        }),
    ))?;
    tx.commit(permit).await?;
    Ok(id)
}

/// The base that a draft names, where it may be tuned.
pub(super) async fn usable_base(conn: &mut PgConnection, base: ModelId) -> Result<Model, JobError> {
    models::find(conn, base)
        .await?
        .filter(|model| model.kind == Kind::Base && model.is_usable())
        .ok_or(JobError::UnknownBase)
}

/// What holds for a job at the place where it would go.
struct Judged {
    wanted: Use,
    verdicts: Vec<(DatasetVersionId, Decision)>,
    estimate: Estimate,
}

/// For the first place that fits, where the rules say yes, and that has the memory.
///
/// # Errors
/// [`JobError::NotPermitted`] where the rules say yes nowhere, with what they say for the first place that fits;
/// `DoesNotFit` where no place has the memory of those where they say yes.
async fn judge(
    conn: &mut PgConnection,
    actor: &Actor,
    (draft, base): (&Draft, Option<&Model>),
    compute: &Compute,
    at: DateTime<Utc>,
) -> Result<Judged, JobError> {
    let (place, limit) = (draft.place.as_deref(), draft.time_limit_seconds);
    let mut sites = asked_for(compute, (place, limit));
    let (mut allowed, mut first) = (Vec::new(), None);
    // In every location: the first where the rules say yes may be too small, and what is large enough where they say no.
    for location in compute.locations(place, limit) {
        let wanted = wanted(draft, base, location);
        let verdicts = verdicts(conn, actor, &draft.versions, &wanted, at).await?;
        if verdicts
            .iter()
            .all(|(_, decision)| decision.verdict.is_allowed)
        {
            allowed.push((wanted, verdicts));
        } else {
            sites.retain(|site| site.location != location);
            first.get_or_insert(verdicts);
        }
    }
    if allowed.is_empty() {
        return Err(first.map_or(JobError::UnknownPlace, JobError::NotPermitted));
    }
    let asked = Asked {
        task: &draft.task,
        base: draft.base,
        versions: &draft.versions,
    };
    let (location, estimate) = placed(conn, sites, &asked)
        .await?
        .ok_or(JobError::UnknownPlace)?;
    allowed
        .into_iter()
        .find(|(wanted, _)| wanted.processing_location == location)
        .map(|(wanted, verdicts)| Judged {
            wanted,
            verdicts,
            estimate,
        })
        .ok_or(JobError::UnknownPlace)
}

/// What a draft asks of the permissions.
pub(super) fn wanted(draft: &Draft, base: Option<&Model>, processing_location: Territory) -> Use {
    Use {
        purpose: draft.purpose,
        recipients: draft.recipients,
        is_commercial: draft.is_commercial,
        model_family: base
            .map_or(models::NEW_FAMILY, |base| base.family.as_str())
            .to_owned(),
        processing_location,
        territory: draft.territory,
    }
}

/// What the rules say now to each version.
///
/// # Errors
/// [`JobError::UnknownVersion`] for one that is not there or that `actor` may not know of.
pub(super) async fn verdicts(
    conn: &mut PgConnection,
    actor: &Actor,
    versions: &[DatasetVersionId],
    wanted: &Use,
    at: DateTime<Utc>,
) -> Result<Vec<(DatasetVersionId, Decision)>, JobError> {
    let mut verdicts = Vec::with_capacity(versions.len());
    for version in versions {
        let unknown = || JobError::UnknownVersion(*version);
        check_visible(conn, actor, *version).await?;
        if datasets::is_superseded(conn, *version).await? {
            return Err(JobError::Superseded(*version));
        }
        let decision = datasets::decide_use(conn, *version, wanted, at)
            .await?
            .ok_or_else(unknown)?;
        verdicts.push((*version, decision));
    }
    Ok(verdicts)
}

/// Whether `actor` may know of a version.
///
/// # Errors
/// [`JobError::UnknownVersion`] where there is none, or they may not.
pub(super) async fn check_visible(
    conn: &mut PgConnection,
    actor: &Actor,
    version: DatasetVersionId,
) -> Result<(), JobError> {
    let unknown = || JobError::UnknownVersion(version);
    let owner = store::owner_of(conn, version).await?.ok_or_else(unknown)?;
    let scope = Scope {
        is_published: owner.is_published,
        ..Scope::of(owner.institution)
    };
    let _permit = policy::check(actor, Action::ViewDataset, &scope).map_err(|_| unknown())?;
    Ok(())
}

/// What the rules say now to one version; none where there is none.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub(super) async fn decide_now(
    conn: &mut PgConnection,
    version: DatasetVersionId,
    wanted: &Use,
    at: DateTime<Utc>,
) -> Result<Option<Verdict>, StoreError> {
    let decision = datasets::decide_use(conn, version, wanted, at).await?;
    Ok(decision.map(|decision| decision.verdict))
}
