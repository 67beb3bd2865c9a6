//! Approved dataset versions, as jobs ask for them.

use sqlx::PgConnection;

use crate::{
    db::{CorruptRow, Db, StoreError},
    ids::{DatasetId, DatasetVersionId, FileId},
};

/// An approved version that every signed-in partner may see.
#[derive(Debug, Clone)]
pub struct PublishedVersion {
    pub dataset: DatasetId,
    pub version: DatasetVersionId,
    pub number: i32,
    pub title: String,
    /// Name of the institution that it belongs to.
    pub institution: String,
    pub language: String,
    pub license: String,
    pub documents: i64,
    pub characters: i64,
    pub manifest_sha256: String,
}

/// A verified file of a frozen version.
#[derive(Debug, Clone)]
pub struct ReadyFile {
    pub file: FileId,
    pub path: String,
    pub format: String,
    pub size_bytes: i64,
    pub sha256: String,
    pub object_key: String,
    /// The exact object that was verified.
    pub object_version: String,
}

/// Every approved version, newest first.
///
/// # Errors
/// Where the database is away.
pub async fn published(db: &Db) -> Result<Vec<PublishedVersion>, StoreError> {
    let mut conn = db.read().await?;
    let rows = sqlx::query!(
        r#"SELECT d.id AS dataset_id, v.id, v.number, d.title, i.name, d.language, d.license,
                  v.manifest_sha256 AS "manifest!",
                  (SELECT coalesce(sum(f.documents), 0)::bigint FROM dataset_files f
                   WHERE f.dataset_version_id = v.id AND f.state = 'ready') AS "documents!",
                  (SELECT coalesce(sum(f.characters), 0)::bigint FROM dataset_files f
                   WHERE f.dataset_version_id = v.id AND f.state = 'ready') AS "characters!"
           FROM dataset_versions v
           JOIN datasets d ON d.id = v.dataset_id
           JOIN institutions i ON i.id = d.institution_id
           WHERE v.status = 'approved'
             -- Nothing new is made from a version whose successor is without documents that had to go.
             AND NOT EXISTS (
                 SELECT 1 FROM dataset_versions l
                 JOIN exclusions x ON x.dataset_id = v.dataset_id AND x.documents > 0 AND x.made_at > v.submitted_at
                 WHERE l.dataset_id = v.dataset_id AND l.number > v.number AND l.status = 'approved')
           ORDER BY v.id DESC LIMIT 500"#
    )
    .fetch_all(&mut *conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| PublishedVersion {
            dataset: DatasetId(row.dataset_id),
            version: DatasetVersionId(row.id),
            number: row.number,
            title: row.title,
            institution: row.name,
            language: row.language,
            license: row.license,
            documents: row.documents,
            characters: row.characters,
            manifest_sha256: row.manifest,
        })
        .collect())
}

/// The verified files of a version, by path.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn ready_files(
    conn: &mut PgConnection,
    version: DatasetVersionId,
) -> Result<Vec<ReadyFile>, StoreError> {
    let rows = sqlx::query!(
        "SELECT id, path, format, size_bytes, sha256, object_key, object_version FROM dataset_files
         WHERE dataset_version_id = $1 AND state = 'ready' ORDER BY path",
        version.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = || CorruptRow {
                table: "dataset_files",
                id: row.id,
                problem: "ready, but not verified",
            };
            Ok(ReadyFile {
                file: FileId(row.id),
                path: row.path,
                format: row.format.ok_or_else(corrupt)?,
                size_bytes: row.size_bytes,
                sha256: row.sha256.ok_or_else(corrupt)?,
                object_key: row.object_key,
                object_version: row.object_version.ok_or_else(corrupt)?,
            })
        })
        .collect()
}
