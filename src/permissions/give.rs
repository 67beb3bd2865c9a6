//! Giving permission: what the manager of the right holder's institution does.

use serde::Serialize;

use super::{Layer, Terms, sha256_hex, store};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
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

/// Gives permissions for a dataset, one for each layer.
///
/// # Errors
/// [`GiveError::Denied`] where `actor` is no manager of the dataset's institution.
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
    let row = store::lock_dataset(&mut tx, dataset)
        .await?
        .ok_or(GiveError::NotFound(dataset))?;
    let institution = row.institution;
    let permit = policy::check(actor, Action::GivePermission, &Scope::of(institution))?;
    let mut ids = Vec::new();
    for new in permissions {
        let terms = new.terms.canonical().map_err(CommitError::from)?;
        let terms_sha256 = sha256_hex(&terms);
        let id = store::insert(&mut tx, dataset, new, &terms, &terms_sha256).await?;
        tx.record(&Given {
            dataset,
            permission: id,
            layer: new.layer,
            terms_sha256,
            institution,
        })?;
        ids.push(id);
    }
    tx.commit(permit).await?;
    Ok(ids)
}
