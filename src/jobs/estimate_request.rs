//! Somebody asks what a job would need, without asking for it.

use super::{
    Compute, Draft, Estimate,
    error::JobError,
    estimate::{Asked, check_memory, estimate},
    request::{check_visible, usable_base},
};
use crate::{
    db::Db,
    policy::{self, Action, Actor, Scope},
};

/// What the job of `draft` would need at the first place that fits it. Whether its data may be used for it is not asked.
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
    if let Some(base) = draft.base {
        usable_base(&mut conn, base).await?;
    }
    let where_to = (draft.place.as_deref(), draft.time_limit_seconds);
    let asked = Asked {
        task: &draft.task,
        base: draft.base,
        versions: &draft.versions,
    };
    check_memory(&mut conn, compute, &asked, where_to).await?;
    estimate(&mut conn, compute, &asked, where_to)
        .await?
        .ok_or(JobError::UnknownPlace)
}
