//! Somebody asks what a job would need, without asking for it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    Compute, Draft, Estimate,
    compute::Site,
    error::JobError,
    estimate::{Asked, placed},
    memory::{WhereTo, asked_for},
    request::{check_visible, decide_now, usable_base, wanted},
};
use crate::{
    db::{Db, StoreError},
    ids::DatasetVersionId,
    permissions::{Territory, Use},
    policy::{self, Action, Actor, Scope},
};

/// What the job of `draft` would need at the place where a request would send it. Whether its data may be used for it is not
/// asked: where the rules let them be processed nowhere, all places that fit count.
///
/// # Errors
/// As for a request, but for the rules on data.
pub(super) async fn estimate_for(
    db: &Db,
    actor: &Actor,
    draft: &Draft,
    compute: &Compute,
) -> Result<Estimate, JobError> {
    let own = Scope::of(actor.institution).requested_by(Some(actor.user));
    let _permit = policy::check(actor, Action::RequestJob, &own)?;
    let mut conn = db.read().await?;
    for version in &draft.versions {
        check_visible(&mut conn, actor, *version).await?;
    }
    let base = match draft.base {
        Some(base) => Some(usable_base(&mut conn, base).await?),
        None => None,
    };
    let where_to = (draft.place.as_deref(), draft.time_limit_seconds);
    let wanted = |location| Some(wanted(draft, base.as_ref(), location));
    let of = (draft.versions.as_slice(), wanted);
    let sites = places_allowed(&mut conn, (compute, where_to), of, db.now()).await?;
    let asked = Asked {
        task: &draft.task,
        base: draft.base,
        versions: &draft.versions,
    };
    let (_, estimate) = placed(&mut conn, sites, &asked)
        .await?
        .ok_or(JobError::UnknownPlace)?;
    Ok(estimate)
}

/// Of the places that fit, those where the rules let all of the data be used as is `wanted` there; all of them where they do
/// nowhere, or where it is not known yet what is wanted.
pub(super) async fn places_allowed<'a>(
    conn: &mut PgConnection,
    (compute, (place, limit)): (&'a Compute, WhereTo<'_>),
    (versions, wanted): (&[DatasetVersionId], impl Fn(Territory) -> Option<Use>),
    at: DateTime<Utc>,
) -> Result<Vec<&'a Site>, StoreError> {
    let all = asked_for(compute, (place, limit));
    let mut allowed = all.clone();
    for location in compute.locations(place, limit) {
        let Some(wanted) = wanted(location) else {
            return Ok(all);
        };
        for version in versions {
            let verdict = decide_now(conn, *version, &wanted, at).await?;
            if verdict.is_none_or(|verdict| !verdict.is_allowed) {
                allowed.retain(|site| site.location != location);
                break;
            }
        }
    }
    Ok(if allowed.is_empty() { all } else { allowed })
}
