//! Finding an upload that its asker may work on.

use super::{store, upload::Upload};
use crate::{
    datasets,
    db::{Db, StoreError},
    error::AppError,
    ids::FileId,
    policy::{Actor, Denied},
};

/// Why an upload was not found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error("there is no upload {0}")]
    NotFound(FileId),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for FindError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<FindError> for AppError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::NotFound(_) => Self::NotFound,
            FindError::Denied(why) => why.into(),
            FindError::Store(why) => why.into(),
        }
    }
}

/// An upload into a dataset that `actor` may edit.
pub(super) async fn find(db: &Db, actor: &Actor, id: FileId) -> Result<Upload, FindError> {
    let mut conn = db.read().await?;
    let upload = store::find(&mut conn, id)
        .await?
        .ok_or(FindError::NotFound(id))?;
    drop(conn);
    let dataset = datasets::find(db, upload.dataset)
        .await?
        .ok_or(FindError::NotFound(id))?;
    let _permit = datasets::check_edit(actor, &dataset)?;
    Ok(upload)
}
