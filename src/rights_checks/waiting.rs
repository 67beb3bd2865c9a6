//! Changes at sources that wait for somebody.

use chrono::{DateTime, Utc};

use super::{acknowledge::Side, store};
use crate::{
    db::{Db, StoreError},
    ids::DatasetId,
    policy::{self, Action, Actor, Visibility, visible},
};

/// A dataset of which something changed at its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Which dataset.
    pub dataset: DatasetId,
    /// Its title.
    pub title: String,
    /// The name of its institution.
    pub institution: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// How many changes of one dataset wait for `actor`.
///
/// # Errors
/// Where the database is away.
pub async fn open_for(db: &Db, actor: &Actor, dataset: DatasetId) -> Result<i64, StoreError> {
    let mut conn = db.read().await?;
    let Some(subject) = store::subject(&mut conn, dataset).await? else {
        return Ok(0);
    };
    if policy::check(actor, Action::CheckRights, &subject.scope()).is_err() {
        return Ok(0);
    }
    store::count_open(&mut conn, dataset, Side::of(actor)).await
}

/// The datasets with changes that `actor`'s side has not noted, oldest first.
///
/// # Errors
/// Where the database is away.
pub async fn waiting_for(db: &Db, actor: &Actor) -> Result<Vec<Waiting>, StoreError> {
    let visibility = visible(actor, Action::CheckRights);
    if visibility == Visibility::Nothing {
        return Ok(Vec::new());
    }
    let mut conn = db.read().await?;
    let rows = store::open_for(&mut conn, Side::of(actor), visibility.filter()).await?;
    Ok(rows
        .into_iter()
        .map(|row| Waiting {
            dataset: row.dataset,
            title: row.title,
            institution: row.institution,
            since: row.since,
        })
        .collect())
}
