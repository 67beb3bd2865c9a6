//! The versions of a dataset, one after the other.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Status, version_store};
use crate::{
    db::{Db, StoreError},
    ids::{DatasetId, DatasetVersionId},
};

/// One version, as a line of the history.
#[derive(Debug, Clone)]
pub struct VersionRow {
    /// Its id.
    pub id: DatasetVersionId,
    /// From 1.
    pub number: i32,
    /// Where it stands.
    pub status: Status,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Documents in its verified files.
    pub documents: i64,
    /// Documents that were left out when files were carried into it.
    pub dropped: i64,
    /// SHA-256 over the list of its files; from the first submission on.
    pub manifest_sha256: Option<String>,
}

/// Every version of a dataset, newest first.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn history(db: &Db, dataset: DatasetId) -> Result<Vec<VersionRow>, StoreError> {
    let mut conn = db.read().await?;
    version_store::history(&mut conn, dataset).await
}

/// Whether a later approved version took the place of this one because documents had to go: nothing new is made
/// from it then.
///
/// # Errors
/// Where the database is away.
pub async fn is_superseded(
    conn: &mut PgConnection,
    version: DatasetVersionId,
) -> Result<bool, StoreError> {
    version_store::is_superseded(conn, version).await
}
