//! Giving permission: what the manager of the right holder's institution does.

use serde::Serialize;

use super::{Layer, Terms, sha256_hex, store};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject, WriteTx},
    error::AppError,
    ids::{DatasetId, InstitutionId, PermissionId},
    policy::{self, Action, Actor, Denied, Scope},
};

/// Which versions of a dataset a permission is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// All, also later ones.
    AllVersions,
    /// The newest one alone.
    NewestVersion,
}

/// A permission to be given.
#[derive(Debug, Clone)]
pub struct NewPermission {
    /// Which question it answers.
    pub layer: Layer,
    /// Which versions it is about.
    pub coverage: Coverage,
    /// What it says.
    pub terms: Terms,
}

/// Why no permission was given.
#[derive(Debug, thiserror::Error)]
pub enum GiveError {
    #[error("there is no dataset {0}")]
    NotFound(DatasetId),
    #[error("no layer was chosen")]
    Empty,
    #[error("this is no document of an agreement in force about the dataset")]
    UnknownDocument,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for GiveError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<GiveError> for AppError {
    fn from(error: GiveError) -> Self {
        match error {
            GiveError::NotFound(_) => Self::NotFound,
            GiveError::UnknownDocument => Self::invalid("permission-document-wrong"),
            GiveError::Empty => Self::invalid("permission-no-layer"),
            GiveError::Denied(why) => why.into(),
            GiveError::Store(why) => why.into(),
            GiveError::Commit(why) => why.into(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Given {
    dataset: DatasetId,
    permission: PermissionId,
    layer: Layer,
    terms_sha256: String,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Given {
    fn kind(&self) -> &'static str {
        "permissions.given"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "dataset",
            id: self.dataset.0,
            institution: self.institution,
        }
    }
}

/// Gives permissions for a dataset, one for each layer. A document proves them only where it was read here and its
/// agreement is in force: a hash that somebody types is no proof.
///
/// # Errors
/// [`GiveError::Denied`] where `actor` is no manager of the dataset's institution, [`GiveError::UnknownDocument`] for
/// a document that no agreement in force about the dataset rests on.
pub async fn give(
    db: &Db,
    actor: &Actor,
    dataset: DatasetId,
    permissions: &[NewPermission],
) -> Result<Vec<PermissionId>, GiveError> {
    if permissions.is_empty() {
        return Err(GiveError::Empty);
    }
    let mut tx = db.write(actor).await?;
    let institution = lock(&mut tx, dataset).await?;
    let permit = policy::check(actor, Action::GivePermission, &Scope::of(institution))?;
    let proofs = store::documents(tx.conn(), dataset).await?;
    let is_proof = |sha256: &String| proofs.iter().any(|proof| proof.sha256 == *sha256);
    let named = permissions
        .iter()
        .filter_map(|new| new.terms.evidence.document_sha256.as_ref());
    if !named.into_iter().all(is_proof) {
        return Err(GiveError::UnknownDocument);
    }
    let mut ids = Vec::new();
    for new in permissions {
        ids.push(give_in(&mut tx, dataset, new).await?);
    }
    tx.commit(permit).await?;
    Ok(ids)
}

/// Keeps everybody who decides on a use of the dataset waiting until the transaction ends; answers whose it is.
///
/// # Errors
/// [`GiveError::NotFound`] where there is no such dataset.
pub async fn lock(tx: &mut WriteTx<'_>, dataset: DatasetId) -> Result<InstitutionId, GiveError> {
    let row = store::lock_dataset(tx, dataset)
        .await?
        .ok_or(GiveError::NotFound(dataset))?;
    Ok(row.institution)
}

/// Gives one permission within a transaction that does more, where `tx`'s actor may give it; the caller commits.
///
/// # Errors
/// [`GiveError::Denied`] where the actor is no manager of the dataset's institution.
pub async fn give_in(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
    new: &NewPermission,
) -> Result<PermissionId, GiveError> {
    let institution = lock(tx, dataset).await?;
    let _permit = policy::check(tx.actor(), Action::GivePermission, &Scope::of(institution))?;
    let terms = new.terms.canonical().map_err(CommitError::from)?;
    let terms_sha256 = sha256_hex(&terms);
    let permission = store::insert(tx, dataset, new, &terms, &terms_sha256).await?;
    tx.record(&Given {
        dataset,
        permission,
        layer: new.layer,
        terms_sha256,
        institution,
    })?;
    Ok(permission)
}
