//! What the rules say to data that a job names.

use super::ask::Wish;
use crate::{
    datasets::{self, Decision},
    db::{Db, StoreError},
    ids::DatasetVersionId,
    jobs::Compute,
    permissions::{Rule, Territory, Use},
};

/// What the rules say now: for the first place that fits the wish where they say yes, else for the first that fits. None
/// where there is no such version.
pub(super) async fn decide(
    db: &Db,
    compute: &Compute,
    (wish, family): (&Wish, &str),
    version: DatasetVersionId,
) -> Result<Option<Decision>, StoreError> {
    let mut conn = db.read().await?;
    let mut first = None;
    for location in compute.locations(wish.place.as_deref(), wish.time_limit_seconds) {
        let wanted = wanted(wish, family, location);
        let decision = datasets::decide_use(&mut conn, version, &wanted, db.now()).await?;
        let is_allowed = decision
            .as_ref()
            .is_some_and(|decision| decision.verdict.is_allowed);
        if is_allowed {
            return Ok(decision);
        }
        first = first.or(decision);
    }
    Ok(first)
}

/// The rules that say no; none where the answer is yes. Without a review that is not done where `but_for_review` says so.
pub(super) fn missing(decision: &Decision, but_for_review: bool) -> Vec<String> {
    if decision.verdict.is_allowed {
        return Vec::new();
    }
    let says_no =
        |rule: Rule| rule != Rule::Covered && !(but_for_review && rule == Rule::NotApproved);
    let mut rules: Vec<String> = decision
        .verdict
        .reasons
        .iter()
        .filter(|reason| says_no(reason.rule))
        .map(|reason| reason.rule.name().to_owned())
        .collect();
    rules.dedup();
    rules
}

/// What is asked of the permissions.
fn wanted(wish: &Wish, family: &str, processing_location: Territory) -> Use {
    Use {
        purpose: wish.purpose,
        recipients: wish.recipients,
        is_commercial: wish.is_commercial,
        model_family: family.to_owned(),
        processing_location,
        territory: wish.territory,
    }
}
