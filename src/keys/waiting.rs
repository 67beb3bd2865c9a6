//! What waits for a person: requests to decide on, and keys to be shown.

use chrono::{DateTime, Utc};

use super::{key::Status, store};
use crate::{
    db::{Db, StoreError},
    ids::ApiKeyId,
    policy::{self, Action, Actor, visible},
};

/// What a key waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// To be approved or rejected.
    Decision,
    /// To be shown to who asked for it.
    Reveal,
}

/// A key that waits for somebody.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub id: ApiKeyId,
    pub name: String,
    /// Whose key it is, for people.
    pub institution: String,
    pub what: What,
    pub since: DateTime<Utc>,
}

/// The keys that wait for `actor`, oldest first.
///
/// # Errors
/// Where the database is away.
pub async fn waiting_for(db: &Db, actor: &Actor) -> Result<Vec<Waiting>, StoreError> {
    let mut conn = db.read().await?;
    let keys = store::list_waiting(&mut conn, visible(actor, Action::ViewKey)).await?;
    Ok(keys
        .into_iter()
        .filter_map(|key| {
            let may = |action| policy::check(actor, action, &key.scope()).is_ok();
            let (what, since) = match key.status {
                Status::Requested if may(Action::ApproveKey) => (What::Decision, key.requested_at),
                Status::Approved if may(Action::RevealKey) => {
                    (What::Reveal, key.decided_at.unwrap_or(key.requested_at))
                }
                _ => return None,
            };
            Some(Waiting {
                id: key.id,
                name: key.name,
                institution: key.institution_name,
                what,
                since,
            })
        })
        .collect())
}
