//! What waits for somebody about personal data.

use chrono::{DateTime, Utc};

use super::store;
use crate::{
    db::{Db, StoreError},
    ids::DatasetId,
    policy::{Action, Actor, Visibility, visible},
};

/// Something that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which dataset.
    pub dataset: DatasetId,
    /// Its title.
    pub title: String,
    /// The name of its institution.
    pub institution: String,
    /// What is to be done.
    pub waits_for: WaitsFor,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// An assessment is to be filled in.
    Filling,
    /// One is to be signed.
    Signing,
}

/// Everything about personal data that waits for `actor`.
///
/// # Errors
/// Where the database is away.
pub async fn waiting_for(db: &Db, actor: &Actor) -> Result<Vec<Waiting>, StoreError> {
    let mut conn = db.read().await?;
    let mut waiting = Vec::new();
    let may = |action| visible(actor, action) != Visibility::Nothing;
    let mut add = |rows: Vec<store::WaitingRow>, waits_for| {
        waiting.extend(rows.into_iter().map(|row| Waiting {
            dataset: row.dataset,
            title: row.title,
            institution: row.institution,
            waits_for,
            since: row.since,
        }));
    };
    if may(Action::SignPrivacy) {
        add(store::unsigned(&mut conn, actor).await?, WaitsFor::Signing);
    }
    if may(Action::FillPrivacy) {
        add(store::unfilled(&mut conn, actor).await?, WaitsFor::Filling);
    }
    Ok(waiting)
}
