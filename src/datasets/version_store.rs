//! The SQL of next versions and of documents that stay out.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::{Status, history::VersionRow};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{DatasetId, DatasetVersionId, ExclusionId, FileId},
};

pub(super) async fn newest_approved(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Option<DatasetVersionId>, StoreError> {
    let id = sqlx::query_scalar!(
        "SELECT id FROM dataset_versions WHERE dataset_id = $1 AND status = 'approved'
         ORDER BY number DESC LIMIT 1",
        dataset.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(id.map(DatasetVersionId))
}

pub(super) async fn insert(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
    version: DatasetVersionId,
    number: i32,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO dataset_versions (id, dataset_id, number, status, created_at) VALUES ($1, $2, $3, $4, $5)",
        version.0,
        dataset.0,
        number,
        Status::Draft.name(),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn ready_file_ids(
    conn: &mut PgConnection,
    version: DatasetVersionId,
) -> Result<Vec<FileId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM dataset_files WHERE dataset_version_id = $1 AND state = 'ready' ORDER BY path",
        version.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(FileId).collect())
}

/// A row for the file to come; size and parts are those of its source until it is there.
pub(super) async fn insert_place(
    tx: &mut WriteTx<'_>,
    (dataset, version): (DatasetId, DatasetVersionId),
    source: FileId,
    file: FileId,
) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    sqlx::query!(
        "INSERT INTO dataset_files (id, dataset_version_id, path, size_bytes, media_type, fingerprint, state,
             object_key, part_size_bytes, created_by, created_at, expires_at)
         SELECT $1, $2, path, size_bytes, media_type, $3, 'uploading', $4, part_size_bytes, $5, $6, $7
         FROM dataset_files WHERE id = $8",
        file.0,
        version.0,
        format!("carried:{source}"),
        format!("datasets/{dataset}/{file}"),
        user.0,
        now,
        now + TimeDelta::days(7),
        source.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes a file out of its version, with every word that was kept of it.
pub(super) async fn retire(tx: &mut WriteTx<'_>, file: FileId) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE dataset_files SET state = 'aborted', problem = NULL, bad_examples = NULL WHERE id = $1",
        file.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The files of a version that hold one of these documents; those not indexed yet may. Files that are on their way
/// are read later, against all that is excluded then; one that was carried over is made anew, since nobody could send
/// it again without the documents.
pub(super) async fn files_with(
    conn: &mut PgConnection,
    version: DatasetVersionId,
    sha256: &[[u8; 32]],
) -> Result<Vec<FileId>, StoreError> {
    let hashes: Vec<Vec<u8>> = sha256.iter().map(|hash| hash.to_vec()).collect();
    let ids = sqlx::query_scalar!(
        "SELECT f.id FROM dataset_files f
         LEFT JOIN indexed_files i ON i.file_id = f.id AND i.indexed_at IS NOT NULL
         WHERE f.dataset_version_id = $1
           AND (f.state = 'ready' OR (f.state = 'verifying' AND f.fingerprint LIKE 'carried:%'))
           AND (i.file_id IS NULL
                OR EXISTS (SELECT 1 FROM documents d WHERE d.file_id = f.id AND d.sha256 = ANY($2)))
         ORDER BY f.id",
        version.0,
        &hashes,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(FileId).collect())
}

/// Notes the exclusion; answers how many of the documents were not out already.
pub(super) async fn insert_exclusion(
    tx: &mut WriteTx<'_>,
    id: ExclusionId,
    dataset: DatasetId,
    sha256: &[[u8; 32]],
) -> Result<i64, StoreError> {
    let hashes: Vec<Vec<u8>> = sha256.iter().map(|hash| hash.to_vec()).collect();
    let (now, user) = (tx.now(), tx.actor().user);
    let documents = sqlx::query_scalar!(
        r#"SELECT count(DISTINCT h) AS "documents!" FROM unnest($2::bytea[]) AS h
           WHERE NOT EXISTS (SELECT 1 FROM excluded_documents x WHERE x.dataset_id = $1 AND x.sha256 = h)"#,
        dataset.0,
        &hashes,
    )
    .fetch_one(tx.conn())
    .await?;
    sqlx::query!(
        "INSERT INTO exclusions (id, dataset_id, documents, made_by, made_at) VALUES ($1, $2, $3, $4, $5)",
        id.0,
        dataset.0,
        documents,
        user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "INSERT INTO excluded_documents (dataset_id, sha256, exclusion_id)
         SELECT $1, h, $3 FROM unnest($2::bytea[]) AS h ON CONFLICT DO NOTHING",
        dataset.0,
        &hashes,
        id.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(documents)
}

pub(super) async fn excluded(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<HashSet<[u8; 32]>, StoreError> {
    let hashes = sqlx::query_scalar!(
        "SELECT sha256 FROM excluded_documents WHERE dataset_id = $1",
        dataset.0,
    )
    .fetch_all(conn)
    .await?;
    hashes
        .into_iter()
        .map(|hash| {
            hash.try_into().map_err(|_| {
                StoreError::from(CorruptRow {
                    table: "excluded_documents",
                    id: dataset.0,
                    problem: "a hash of another length",
                })
            })
        })
        .collect()
}

/// Every version of a dataset, newest first.
pub(super) async fn history(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Vec<VersionRow>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT v.id, v.number, v.status, v.created_at, v.submitted_at, v.decided_at, v.manifest_sha256,
                  coalesce(f.documents, 0)::bigint AS "documents!", coalesce(f.dropped, 0)::bigint AS "dropped!"
           FROM dataset_versions v
           LEFT JOIN LATERAL (
               SELECT sum(f.documents) FILTER (WHERE f.state = 'ready') AS documents,
                      sum(c.documents_dropped) AS dropped
               FROM dataset_files f LEFT JOIN carried_files c ON c.file_id = f.id
               WHERE f.dataset_version_id = v.id) f ON true
           WHERE v.dataset_id = $1 ORDER BY v.number DESC"#,
        dataset.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let since: DateTime<Utc> = row
                .decided_at
                .or(row.submitted_at)
                .unwrap_or(row.created_at);
            Ok(VersionRow {
                id: DatasetVersionId(row.id),
                number: row.number,
                status: row.status.parse().map_err(|_| CorruptRow {
                    table: "dataset_versions",
                    id: row.id,
                    problem: "unknown status",
                })?,
                since,
                documents: row.documents,
                dropped: row.dropped,
                manifest_sha256: row.manifest_sha256,
            })
        })
        .collect()
}

/// Whether a later approved version took this one's place because documents had to go.
pub(super) async fn is_superseded(
    conn: &mut PgConnection,
    version: DatasetVersionId,
) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT 1 FROM dataset_versions v
               JOIN dataset_versions l ON l.dataset_id = v.dataset_id AND l.number > v.number
                   AND l.status = 'approved'
               JOIN exclusions x ON x.dataset_id = v.dataset_id AND x.documents > 0 AND x.made_at > v.submitted_at
               WHERE v.id = $1) AS "is_superseded!""#,
        version.0,
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}
