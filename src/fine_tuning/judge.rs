//! What the rules say to data that a job names.

use super::ask::Wish;
use crate::{
    datasets::{self, Decision},
    db::{Db, StoreError},
    ids::DatasetVersionId,
    jobs::Compute,
    permissions::{Rule, Territory, Use},
};

/// What the rules say now to each of the versions that a job would read: for the first place that fits the wish where they
/// say yes to all, since a job runs at one place, else for the first that fits. Data that wait for nothing but their review
/// count as a yes where `but_for_review` says so. A version that is not there has no decision.
///
/// These are the places that the request is judged for, so a yes to reviewed data is one there too. Their memory is not
/// looked at: nobody's leave makes up for it, and the request says `DoesNotFit` where it is too little.
pub(super) async fn decide(
    db: &Db,
    compute: &Compute,
    (wish, family): (&Wish, &str),
    versions: &[DatasetVersionId],
    but_for_review: bool,
) -> Result<Vec<(DatasetVersionId, Decision)>, StoreError> {
    let mut conn = db.read().await?;
    let mut first = None;
    for location in compute.locations(wish.place.as_deref(), wish.time_limit_seconds) {
        let wanted = wanted(wish, family, location);
        let mut decisions = Vec::with_capacity(versions.len());
        for version in versions {
            let decision = datasets::decide_use(&mut conn, *version, &wanted, db.now()).await?;
            decisions.extend(decision.map(|decision| (*version, decision)));
        }
        let is_yes = |(_, decision): &(_, Decision)| missing(decision, but_for_review).is_empty();
        if decisions.iter().all(is_yes) {
            return Ok(decisions);
        }
        first.get_or_insert(decisions);
    }
    Ok(first.unwrap_or_default())
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
