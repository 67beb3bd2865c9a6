//! Which documents hold what is searched for, and where each stands.

use sqlx::PgConnection;

use super::{store, term::Term};
use crate::{
    datasets::{Format, Status},
    db::StoreError,
    ids::{DatasetId, DatasetVersionId, FileId, InstitutionId},
};

/// A document of a dataset, whatever its file and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentKey {
    /// The dataset.
    pub dataset: DatasetId,
    /// Over its text.
    pub sha256: [u8; 32],
}

/// What to search for, and where.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// One of these has to be in it.
    pub terms: &'a [Term],
    /// Only in datasets of these institutions; none: in all.
    pub within: Option<&'a [InstitutionId]>,
    /// Only after this one.
    pub after: Option<DocumentKey>,
    /// At most so many.
    pub limit: i64,
}

/// A document with every place where it stands.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Which.
    pub key: DocumentKey,
    /// Title of its dataset.
    pub title: String,
    /// Whose that is.
    pub institution: InstitutionId,
    /// By name.
    pub institution_name: String,
    /// Newest version first.
    pub places: Vec<Place>,
}

/// Where a document stands.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// Its name.
    pub path: String,
    /// The version it belongs to.
    pub version: DatasetVersionId,
    /// Number of that version.
    pub version_number: i32,
    /// Where that version stands.
    pub version_status: Status,
    /// The line at which the document begins.
    pub number: i64,
    pub(super) format: Format,
    pub(super) offset_bytes: u64,
    pub(super) size_bytes: u64,
    pub(super) object_key: String,
    pub(super) object_version: String,
}

/// The documents that hold one of the terms, by dataset and hash.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn search(
    conn: &mut PgConnection,
    search: Search<'_>,
) -> Result<Vec<DocumentKey>, StoreError> {
    if search.terms.is_empty() {
        return Ok(Vec::new());
    }
    store::search(conn, search).await
}

/// How many documents hold one of the terms.
///
/// # Errors
/// Where the database is away.
pub async fn count(
    conn: &mut PgConnection,
    terms: &[Term],
    within: Option<&[InstitutionId]>,
) -> Result<i64, StoreError> {
    if terms.is_empty() {
        return Ok(0);
    }
    store::count(conn, terms, within).await
}

/// Where these documents stand; those that stand nowhere any more are left out.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn describe(
    conn: &mut PgConnection,
    keys: &[DocumentKey],
) -> Result<Vec<Listed>, StoreError> {
    store::describe(conn, keys).await
}

/// Verified files that are not in the index yet: what is in them is not found.
///
/// # Errors
/// Where the database is away.
pub async fn unindexed(
    conn: &mut PgConnection,
    within: Option<&[InstitutionId]>,
) -> Result<i64, StoreError> {
    store::unindexed(conn, within).await
}
