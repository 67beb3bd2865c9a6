//! Projects: keys of one institution that share limits.

use sqlx::PgConnection;
use uuid::Uuid;

use super::store;
use crate::{
    db::{StoreError, WriteTx},
    ids::{ApiKeyId, InstitutionId},
};

/// A project of an institution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    pub id: Uuid,
    pub name: String,
}

/// The projects of an institution, by name.
///
/// # Errors
/// Where the database is away.
pub async fn projects_of(
    conn: &mut PgConnection,
    institution: InstitutionId,
) -> Result<Vec<Project>, StoreError> {
    store::projects_of(conn, institution).await
}

/// Puts a key that was just asked for under a project of its institution.
///
/// # Errors
/// Where the database is away.
pub async fn place_new_key(
    tx: &mut WriteTx<'_>,
    key: ApiKeyId,
    project: &Project,
) -> Result<(), StoreError> {
    store::move_key(tx, key.0, project.id).await
}
