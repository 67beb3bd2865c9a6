//! What waits for somebody in the registry.

use chrono::{DateTime, Utc};

use super::{review::Kind, review_store};
use crate::{
    db::{Db, StoreError},
    ids::DatasetId,
    policy::{Actor, Role},
};

/// Something that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which dataset.
    pub dataset: DatasetId,
    /// Its title.
    pub title: String,
    /// The name of the institution that it belongs to.
    pub institution: String,
    /// What is to be done.
    pub waits_for: WaitsFor,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// A draft is to be finished and submitted.
    Submission,
    /// A reviewer asked for changes.
    Changes,
    /// A steward is to review the data.
    DataReview,
    /// A legal reviewer is to review the rights.
    LegalReview,
}

/// Everything in the registry that waits for `actor`, oldest first.
///
/// # Errors
/// Where the database is away.
pub async fn waiting_for(db: &Db, actor: &Actor) -> Result<Vec<Waiting>, StoreError> {
    let mut conn = db.read().await?;
    let mut waiting = Vec::new();
    if actor.is(Role::Contributor) || actor.is(Role::Manager) {
        waiting.extend(review_store::unfinished(&mut conn, actor).await?);
    }
    for (role, kind) in [
        (Role::Steward, Kind::Data),
        (Role::LegalReviewer, Kind::Legal),
    ] {
        if actor.is(role) {
            waiting.extend(review_store::unreviewed(&mut conn, actor, kind).await?);
        }
    }
    waiting.sort_by_key(|item| (item.since, item.dataset));
    Ok(waiting)
}
