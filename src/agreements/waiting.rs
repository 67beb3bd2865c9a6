//! What waits for somebody in agreements.

use chrono::{DateTime, Utc};

use super::{
    agreement::Status,
    confirm,
    line::{Party, Progress},
    store,
};
use crate::{
    db::{Db, StoreError},
    ids::AgreementId,
    policy::{Actor, Role},
};

/// Something that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub agreement: AgreementId,
    pub title: String,
    /// The name of the institution that it belongs to.
    pub institution: String,
    pub waits_for: WaitsFor,
    pub since: DateTime<Utc>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// A draft is to be coded and handed in.
    Coding,
    /// The legal reviewer asked for changes.
    Changes,
    /// Lines are to be confirmed.
    Confirming,
    /// Something could not be coded; a person returns or rejects it.
    Human,
    /// All is confirmed by both: it can be put into force.
    Force,
}

/// Everything in agreements that waits for `actor`, oldest first.
///
/// # Errors
/// Where the database is away, or a row makes no sense.
pub async fn waiting_for(db: &Db, actor: &Actor) -> Result<Vec<Waiting>, StoreError> {
    let mut waiting = Vec::new();
    let is_own = actor.is(Role::Contributor) || actor.is(Role::Manager);
    let is_legal = actor.is(Role::LegalReviewer);
    if !is_own && !is_legal {
        return Ok(waiting);
    }
    let mut conn = db.read().await?;
    let of = |one: &store::Waits, waits_for| Waiting {
        agreement: one.id,
        title: one.title.clone(),
        institution: one.institution.clone(),
        waits_for,
        since: one.since,
    };
    if is_own {
        for one in store::drafts(&mut conn, actor.institution).await? {
            let what = match one.status {
                Status::Returned => WaitsFor::Changes,
                Status::Draft
                | Status::InReview
                | Status::InForce
                | Status::Rejected
                | Status::Withdrawn => WaitsFor::Coding,
            };
            waiting.push(of(&one, what));
        }
    }
    if !actor.is(Role::Manager) && !is_legal {
        return Ok(waiting);
    }
    let within = (!is_legal).then_some(actor.institution);
    for one in store::in_review(&mut conn, within).await? {
        let Some(agreement) = store::find(&mut conn, one.id).await? else {
            continue;
        };
        let lines = store::standing(&mut conn, one.id).await?;
        let progress = Progress::of(&lines);
        let Some(party) = confirm::party_of(actor, &agreement, &lines) else {
            continue;
        };
        let what = match party {
            _ if progress.left_for(party) > 0 => Some(WaitsFor::Confirming),
            Party::Platform if progress.needs_human > 0 => Some(WaitsFor::Human),
            Party::Institution if progress.is_complete() => Some(WaitsFor::Force),
            Party::Institution | Party::Platform => None,
        };
        waiting.extend(what.map(|what| of(&one, what)));
    }
    waiting.sort_by_key(|item| (item.since, item.agreement));
    Ok(waiting)
}
