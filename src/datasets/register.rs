//! Registering a dataset, and changing what is said of it while it may still change.

use serde::Serialize;

use super::{
    Dataset, Facts, PublicFacts, Status, store,
    supply::{stated, supply_in},
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject, WriteTx},
    error::AppError,
    ids::{DatasetId, DatasetVersionId, InstitutionId},
    policy::{self, Action, Actor, Denied, Permit, Scope},
    rights_checks,
};

/// Why a dataset was not registered or changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("there is no dataset {0}")]
    NotFound(DatasetId),
    #[error("a version that is {} cannot be changed", .0.name())]
    Frozen(Status),
    #[error("what an approved version relies on cannot be changed")]
    ReliedOn,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for EditError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<EditError> for AppError {
    fn from(error: EditError) -> Self {
        match error {
            EditError::NotFound(_) => Self::NotFound,
            EditError::Frozen(_) => Self::conflict("datasets-frozen"),
            EditError::ReliedOn => Self::conflict("datasets-facts-relied-on"),
            EditError::Denied(why) => why.into(),
            EditError::Store(why) => why.into(),
            EditError::Commit(why) => why.into(),
        }
    }
}

#[derive(Serialize)]
struct Said<'a> {
    #[serde(skip)]
    kind: &'static str,
    #[serde(skip)]
    institution: InstitutionId,
    dataset: DatasetId,
    version: DatasetVersionId,
    facts: &'a Facts,
}

impl Event for Said<'_> {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "dataset",
            id: self.dataset.0,
            institution: self.institution,
        }
    }
}

/// Registers a dataset of the actor's institution, with a first version that is a draft.
///
/// # Errors
/// [`EditError::Denied`] where the actor is no contributor or manager.
pub async fn register(
    db: &Db,
    actor: &Actor,
    facts: &Facts,
    public: &PublicFacts,
) -> Result<DatasetId, EditError> {
    let mut tx = db.write(actor).await?;
    let (dataset, permit) = register_in(&mut tx, facts, public).await?;
    tx.commit(permit).await?;
    Ok(dataset)
}

/// The same within a transaction that the caller commits, with what comes along with it.
///
/// # Errors
/// As [`register`].
pub async fn register_in(
    tx: &mut WriteTx<'_>,
    facts: &Facts,
    public: &PublicFacts,
) -> Result<(DatasetId, Permit), EditError> {
    let institution = tx.actor().institution;
    let scope = Scope::of(institution);
    let permit = policy::check(tx.actor(), Action::RegisterDataset, &scope)?;
    let (dataset, version) = (DatasetId::fresh(), DatasetVersionId::fresh());
    store::insert(tx, dataset, version, facts).await?;
    rights_checks::note_licence(tx, dataset, &facts.license, "").await?;
    tx.record(&Said {
        kind: "datasets.registered",
        institution,
        dataset,
        version,
        facts,
    })?;
    supply_in(tx, dataset, institution, public).await?;
    Ok((dataset, permit))
}

/// Replaces the facts of a dataset whose newest version is a draft or was returned.
///
/// # Errors
/// [`EditError::Frozen`] where it was submitted; [`EditError::ReliedOn`] where an earlier version was approved on
/// a fact that would be another.
pub async fn describe(
    db: &Db,
    actor: &Actor,
    dataset: DatasetId,
    facts: &Facts,
    public: &PublicFacts,
) -> Result<(), EditError> {
    let mut tx = db.write(actor).await?;
    let (found, permit) = lock_editable(&mut tx, dataset).await?;
    if found.is_published && !facts.keeps_what_reviews_rely_on(&found.facts) {
        return Err(EditError::ReliedOn);
    }
    rights_checks::note_licence(&mut tx, dataset, &facts.license, "").await?;
    store::update_facts(&mut tx, dataset, facts).await?;
    tx.record(&Said {
        kind: "datasets.described",
        institution: found.institution,
        dataset,
        version: found.version.id,
        facts,
    })?;
    // The form asks what every dataset is asked; what some kinds are asked alone stays as it was stated.
    let now = tx.now();
    let details = stated(tx.conn(), dataset, now)
        .await?
        .map(|stated| stated.facts.details)
        .unwrap_or_default();
    let public = PublicFacts {
        details,
        ..public.clone()
    };
    supply_in(&mut tx, dataset, found.institution, &public).await?;
    tx.commit(permit).await?;
    Ok(())
}

/// Keeps every other change of a dataset waiting until the caller's transaction ends.
///
/// # Errors
/// Where the database refuses.
pub async fn lock(tx: &mut WriteTx<'_>, dataset: DatasetId) -> Result<(), StoreError> {
    store::lock(tx, dataset).await?;
    Ok(())
}

/// Finds a dataset that the transaction's actor may change now, and keeps every other change of it, its
/// versions and its files waiting until the transaction ends.
///
/// # Errors
/// [`EditError::Frozen`] where its newest version can no longer be changed.
pub async fn lock_editable(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
) -> Result<(Dataset, Permit), EditError> {
    let found = store::lock(tx, dataset)
        .await?
        .ok_or(EditError::NotFound(dataset))?;
    let permit = check_edit(tx.actor(), &found)?;
    if !found.version.status.is_editable() {
        return Err(EditError::Frozen(found.version.status));
    }
    Ok((found, permit))
}

/// Whether `actor` may change the dataset's facts and files, as far as roles go. The worker may do what an
/// upload needs.
///
/// # Errors
/// [`Denied::Role`] for who may see it only, [`Denied::OtherInstitution`] for who may not know of it.
pub fn check_edit(actor: &Actor, dataset: &Dataset) -> Result<Permit, Denied> {
    let scope = dataset.scope();
    if let Ok(permit) = policy::check(actor, Action::RunSystem, &scope) {
        return Ok(permit);
    }
    policy::check(actor, Action::EditDataset, &scope).map_err(|denied| {
        // Whoever may see it is told that it is not theirs to change, instead of "not found".
        if policy::check(actor, Action::ViewDataset, &scope).is_ok() {
            Denied::Role
        } else {
            denied
        }
    })
}
