//! Withdrawing permission: everything it touches is found first, then stopped, kept from use and told about in one
//! transaction ([`withdraw`]); afterwards copies go, with proof, and what has to be decided is decided. And the page
//! on which contributors see where their data is used.
//!
//! `docs/withdrawal.md` says what follows when, and how that is checked.

mod cascade;
mod decide;
mod duty;
mod error;
mod lost_place;
mod purge;
mod reach;
mod scope;
mod store;
mod tell;
pub mod web;

use std::time::Duration;

pub use self::{
    cascade::{Request, withdraw},
    decide::{
        Decision, confirm_lift, decide_model, documents_updated, propose_lift, report_overdue,
    },
    duty::Kind as DutyKind,
    error::WithdrawError,
    lost_place::declare_lost,
    purge::{Purge, PurgeError, purge, purge_again, purge_artifacts, purge_folders},
    reach::{Preview, Reach, Sibling, preview, uses},
    scope::{Consequence, Extent, Target, UnknownExtent},
};
use crate::{
    db::{Db, StoreError},
    ids::WithdrawalId,
    policy::{Actor, Role},
};

/// Between two looks for work folders that have to go.
pub const FOLDERS_EVERY: Duration = Duration::from_secs(5);
/// Between two tries at a purge that its task gave up on.
pub const AGAIN_EVERY: Duration = Duration::from_secs(600);
/// Between two looks for duties that are overdue.
pub const OVERDUE_EVERY: Duration = Duration::from_secs(300);

/// Something that has to follow a withdrawal and waits for a person.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub withdrawal: WithdrawalId,
    /// Of the dataset.
    pub title: String,
    pub kind: DutyKind,
    pub withdrawn_at: chrono::DateTime<chrono::Utc>,
    pub due_at: chrono::DateTime<chrono::Utc>,
}

/// What has to follow withdrawals and waits for `actor`, the earliest due first. The purge waits for nobody unless
/// it is late.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn waiting_for(db: &Db, actor: &Actor) -> Result<Vec<Waiting>, StoreError> {
    let mut found = Vec::new();
    for role in [Role::Operator, Role::LegalReviewer] {
        if !actor.is(role) {
            continue;
        }
        let mut conn = db.read().await?;
        let open = store::open_duties(&mut conn, role, db.now()).await?;
        found.extend(open.into_iter().map(|duty| Waiting {
            withdrawal: duty.withdrawal,
            title: duty.title,
            kind: duty.kind,
            withdrawn_at: duty.withdrawn_at,
            due_at: duty.due_at,
        }));
    }
    Ok(found)
}
