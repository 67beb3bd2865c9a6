//! Stating what public summaries say of a dataset: at registration, or later, also of one that is frozen. The
//! statement is about the dataset and not part of what was reviewed, so it may be added and corrected; what was
//! stated before stays.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use super::{PublicFacts, check_edit, public_store, register::EditError, store};
use crate::{
    db::{Db, Event, StoreError, Subject, WriteTx},
    ids::{DatasetId, FactId, InstitutionId, UserId},
    policy::Actor,
};

/// A statement on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedFacts {
    /// Of the statement.
    pub id: FactId,
    /// What was stated.
    pub facts: PublicFacts,
    /// By whom.
    pub recorded_by: UserId,
    /// When.
    pub recorded_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct Supplied<'a> {
    statement: FactId,
    facts: &'a PublicFacts,
    #[serde(skip)]
    dataset: DatasetId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Supplied<'_> {
    fn kind(&self) -> &'static str {
        "datasets.public_facts_supplied"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "dataset",
            id: self.dataset.0,
            institution: self.institution,
        }
    }
}

/// States the facts of a dataset of one's own institution. The same facts again change nothing.
///
/// # Errors
/// [`EditError::NotFound`] where there is none, [`EditError::Denied`] where it is not the actor's to describe.
pub async fn supply(
    db: &Db,
    actor: &Actor,
    dataset: DatasetId,
    facts: &PublicFacts,
) -> Result<(), EditError> {
    let mut tx = db.write(actor).await?;
    let found = store::lock(&mut tx, dataset)
        .await?
        .ok_or(EditError::NotFound(dataset))?;
    let permit = check_edit(actor, &found)?;
    if supply_in(&mut tx, dataset, found.institution, facts).await? {
        tx.commit(permit).await?;
    }
    Ok(())
}

/// As [`supply`], within another change of the dataset; answers whether anything is new.
pub(super) async fn supply_in(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
    institution: InstitutionId,
    facts: &PublicFacts,
) -> Result<bool, EditError> {
    let now = tx.now();
    let known = public_store::as_at(tx.conn(), dataset, now).await?;
    let is_known = known.map_or_else(|| facts.is_empty(), |stated| stated.facts == *facts);
    if is_known {
        return Ok(false);
    }
    let statement = public_store::insert(tx, dataset, facts).await?;
    tx.record(&Supplied {
        statement,
        facts,
        dataset,
        institution,
    })?;
    Ok(true)
}

/// What was last stated of a dataset at or before `at`.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn stated(
    conn: &mut PgConnection,
    dataset: DatasetId,
    at: DateTime<Utc>,
) -> Result<Option<StatedFacts>, StoreError> {
    public_store::as_at(conn, dataset, at).await
}
