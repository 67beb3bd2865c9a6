//! What waits for somebody among the cases.

use chrono::{DateTime, Utc};

use super::{
    case::Status,
    store::{self, Brief},
};
use crate::{
    db::{Db, StoreError},
    ids::{ComplaintId, InstitutionId, UserId},
    policy::{self, Action, Actor, Scope},
};

/// A case that waits for a person.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Which.
    pub id: ComplaintId,
    /// The number that people use.
    pub number: String,
    /// What is to be done.
    pub waits_for: WaitsFor,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When the answer is due.
    pub due_at: DateTime<Utc>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// Somebody has to take it up.
    Handler,
    /// Its handler has to decide.
    Decision,
    /// A second person has to agree with what is no full yes.
    Second,
    /// The institution has to look at its documents.
    Institution,
}

/// Whether `actor` sees this case in their list, as a handler or as the second person.
pub(super) fn is_listed(actor: &Actor, brief: &Brief, platform: InstitutionId) -> bool {
    let own = policy::check(actor, action(brief), &Scope::of(platform)).is_ok();
    let is_second = brief.status == Status::Prepared || brief.decided_by == Some(actor.user);
    own || (is_second && is_second_person(actor, platform, None))
}

fn action(brief: &Brief) -> Action {
    if brief.kind.is_of_data_subject() {
        Action::HandlePrivacyRequest
    } else {
        Action::HandleRightsComplaint
    }
}

fn is_second_person(actor: &Actor, platform: InstitutionId, prepared_by: Option<UserId>) -> bool {
    let scope = Scope::of(platform).requested_by(prepared_by);
    policy::check(actor, Action::DecideOnRefusal, &scope).is_ok()
}

/// Everything that waits for `actor`, by when it is due.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn waiting_for(db: &Db, actor: &Actor) -> Result<Vec<Waiting>, StoreError> {
    let mut conn = db.read().await?;
    let mut list = Vec::new();
    let own = Scope::of(actor.institution);
    if policy::check(actor, Action::AdviseOnComplaint, &own).is_ok() {
        let waiting = store::waiting_for_institution(&mut conn, actor.institution).await?;
        list.extend(
            waiting
                .into_iter()
                .map(|(id, number, since, due_at)| Waiting {
                    id,
                    number,
                    waits_for: WaitsFor::Institution,
                    since,
                    due_at,
                }),
        );
    }
    let Some(platform) = store::platform(&mut conn).await? else {
        return Ok(list);
    };
    if !is_second_person(actor, platform, None) {
        return Ok(list);
    }
    for brief in store::briefs(&mut conn, None, true).await? {
        let handles = policy::check(actor, action(&brief), &Scope::of(platform)).is_ok();
        let (waits_for, since) = match brief.status {
            Status::Received if handles => (WaitsFor::Handler, brief.received_at),
            Status::Handling if handles && brief.owner == Some(actor.user) => {
                (WaitsFor::Decision, brief.received_at)
            }
            Status::Prepared if is_second_person(actor, platform, brief.prepared_by) => (
                WaitsFor::Second,
                brief.prepared_at.unwrap_or(brief.received_at),
            ),
            Status::Received | Status::Handling | Status::Prepared | Status::Decided => continue,
        };
        list.push(Waiting {
            id: brief.id,
            number: brief.number,
            waits_for,
            since,
            due_at: brief.due_at,
        });
    }
    Ok(list)
}
