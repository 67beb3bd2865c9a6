//! What documents wait for whom.

use chrono::{DateTime, Utc};

use super::{store, version::Reason};
use crate::{
    db::{Db, StoreError},
    ids::ModelId,
    policy::{Actor, Role},
};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// Publish or return what was prepared.
    Publication,
    /// Make a published version anew, because of this.
    Update(Reason),
}

/// Documents that wait.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub model: ModelId,
    pub model_name: String,
    pub since: DateTime<Utc>,
    pub what: WaitsFor,
}

/// The documents that wait for `actor`, oldest first.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn waiting_for(db: &Db, actor: &Actor) -> Result<Vec<Waiting>, StoreError> {
    let mut list = Vec::new();
    if actor.is(Role::LegalReviewer) {
        let mut conn = db.read().await?;
        list.extend(
            store::undecided(&mut conn)
                .await?
                .into_iter()
                .filter(|version| version.prepared_by != actor.user)
                .map(|version| Waiting {
                    model: version.model,
                    model_name: version.model_name,
                    since: version.prepared_at,
                    what: WaitsFor::Publication,
                }),
        );
    }
    if actor.is(Role::Operator) {
        let mut conn = db.read().await?;
        list.extend(
            store::due_models(&mut conn)
                .await?
                .into_iter()
                .map(|due| Waiting {
                    model: due.model,
                    model_name: due.model_name,
                    since: due.since,
                    what: WaitsFor::Update(due.reason),
                }),
        );
    }
    list.sort_by_key(|item| item.since);
    Ok(list)
}
