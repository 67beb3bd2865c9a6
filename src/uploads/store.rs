//! The SQL of uploads.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    check::BadExamples,
    upload::{Part, Upload},
};
use crate::{
    datasets::{Format, Problem},
    db::{CorruptRow, MeterTx, StoreError, WriteTx},
    ids::{DatasetId, DatasetVersionId, FileId},
};

struct Row {
    id: uuid::Uuid,
    dataset_id: uuid::Uuid,
    path: String,
    size_bytes: i64,
    fingerprint: String,
    state: String,
    part_size_bytes: i64,
    tree_sha256: Option<String>,
    documents: Option<i64>,
    characters: Option<i64>,
    problem: Option<serde_json::Value>,
    object_key: String,
    object_version: Option<String>,
    s3_upload_id: Option<String>,
}

impl TryFrom<Row> for Upload {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let corrupt = |problem| CorruptRow {
            table: "dataset_files",
            id: row.id,
            problem,
        };
        Ok(Self {
            id: FileId(row.id),
            dataset: DatasetId(row.dataset_id),
            path: row.path,
            size_bytes: row.size_bytes,
            fingerprint: row.fingerprint,
            state: row.state.parse().map_err(|_| corrupt("unknown state"))?,
            part_size_bytes: row.part_size_bytes,
            tree_sha256: row.tree_sha256,
            documents: row.documents,
            characters: row.characters,
            problem: row
                .problem
                .map(serde_json::from_value)
                .transpose()
                .map_err(|_| corrupt("unreadable problem"))?,
            object_key: row.object_key,
            object_version: row.object_version,
            s3_upload_id: row.s3_upload_id,
        })
    }
}

pub(super) async fn find(
    conn: &mut PgConnection,
    id: FileId,
) -> Result<Option<Upload>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT f.id, v.dataset_id, f.path, f.size_bytes, f.fingerprint, f.state, f.part_size_bytes, f.tree_sha256,
             f.documents, f.characters, f.problem, f.object_key, f.object_version, f.s3_upload_id
         FROM dataset_files f JOIN dataset_versions v ON v.id = f.dataset_version_id
         WHERE f.id = $1",
        id.0,
    )
    .fetch_optional(conn)
    .await?
    .map(Upload::try_from)
    .transpose()
}

/// The file that has this name in the version, unless it was rejected or given up.
pub(super) async fn find_live(
    conn: &mut PgConnection,
    version: DatasetVersionId,
    path: &str,
) -> Result<Option<Upload>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT f.id, v.dataset_id, f.path, f.size_bytes, f.fingerprint, f.state, f.part_size_bytes, f.tree_sha256,
             f.documents, f.characters, f.problem, f.object_key, f.object_version, f.s3_upload_id
         FROM dataset_files f JOIN dataset_versions v ON v.id = f.dataset_version_id
         WHERE f.dataset_version_id = $1 AND f.path = $2 AND f.state IN ('uploading', 'verifying', 'ready')",
        version.0,
        path,
    )
    .fetch_optional(conn)
    .await?
    .map(Upload::try_from)
    .transpose()
}

/// How many files a version has, whatever became of them, and how many bytes its live ones take.
pub(super) async fn taken(
    conn: &mut PgConnection,
    version: DatasetVersionId,
) -> Result<(i64, i64), StoreError> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "files!",
                  coalesce(sum(size_bytes) FILTER (WHERE state IN ('uploading', 'verifying', 'ready')), 0)::bigint
                      AS "bytes!"
           FROM dataset_files WHERE dataset_version_id = $1"#,
        version.0,
    )
    .fetch_one(conn)
    .await?;
    Ok((row.files, row.bytes))
}

/// A file to be written down.
pub(super) struct NewFile<'a> {
    pub(super) id: FileId,
    pub(super) version: DatasetVersionId,
    pub(super) path: &'a str,
    pub(super) size_bytes: i64,
    pub(super) part_size_bytes: i64,
    pub(super) media_type: &'a str,
    pub(super) fingerprint: &'a str,
    pub(super) object_key: &'a str,
    pub(super) expires_at: DateTime<Utc>,
}

pub(super) async fn insert(tx: &mut WriteTx<'_>, new: &NewFile<'_>) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    sqlx::query!(
        "INSERT INTO dataset_files (id, dataset_version_id, path, size_bytes, media_type, fingerprint, state,
             object_key, part_size_bytes, created_by, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'uploading', $7, $8, $9, $10, $11)",
        new.id.0,
        new.version.0,
        new.path,
        new.size_bytes,
        new.media_type,
        new.fingerprint,
        new.object_key,
        new.part_size_bytes,
        user.0,
        now,
        new.expires_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes the store's upload id in place of `before`; says whether nobody else did.
pub(super) async fn set_multipart(
    tx: &mut MeterTx,
    id: FileId,
    before: Option<&str>,
    upload_id: &str,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE dataset_files f SET s3_upload_id = $3
         FROM dataset_versions v
         WHERE f.id = $1 AND f.s3_upload_id IS NOT DISTINCT FROM $2 AND f.state = 'uploading'
           AND v.id = f.dataset_version_id AND v.status IN ('draft', 'changes_requested')",
        id.0,
        before,
        upload_id,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes the checksums that the sender gives for parts, where the upload still takes some; says whether.
pub(super) async fn declare_parts(
    tx: &mut MeterTx,
    id: FileId,
    parts: &[Part],
    expires_at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    // Locks the row, so that putting together does not begin meanwhile.
    let open = sqlx::query!(
        "UPDATE dataset_files f SET expires_at = $2
         FROM dataset_versions v
         WHERE f.id = $1 AND f.state = 'uploading'
           AND v.id = f.dataset_version_id AND v.status IN ('draft', 'changes_requested')",
        id.0,
        expires_at,
    )
    .execute(tx.conn())
    .await?;
    if open.rows_affected() == 0 {
        return Ok(false);
    }
    for part in parts {
        sqlx::query!(
            "INSERT INTO upload_parts (file_id, number, size_bytes, sha256) VALUES ($1, $2, $3, $4)
             ON CONFLICT (file_id, number) DO UPDATE SET sha256 = EXCLUDED.sha256",
            id.0,
            part.number,
            part.size_bytes,
            part.sha256,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(true)
}

/// The parts that the sender gave checksums for, by number.
pub(super) async fn parts(conn: &mut PgConnection, id: FileId) -> Result<Vec<Part>, StoreError> {
    let rows = sqlx::query!(
        "SELECT number, size_bytes, sha256 FROM upload_parts WHERE file_id = $1 ORDER BY number",
        id.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Part {
            number: row.number,
            size_bytes: row.size_bytes,
            sha256: row.sha256,
        })
        .collect())
}

pub(super) async fn set_verifying(
    tx: &mut WriteTx<'_>,
    id: FileId,
    tree_sha256: &str,
    object_version: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE dataset_files SET state = 'verifying', tree_sha256 = $2, object_version = $3 WHERE id = $1",
        id.0,
        tree_sha256,
        object_version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What reading a file showed.
pub(super) struct Verified {
    pub(super) sha256: String,
    pub(super) format: Format,
    pub(super) documents: i64,
    pub(super) characters: i64,
}

pub(super) async fn set_ready(
    tx: &mut WriteTx<'_>,
    id: FileId,
    verified: &Verified,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE dataset_files SET state = 'ready', sha256 = $2, format = $3, documents = $4, characters = $5
         WHERE id = $1",
        id.0,
        verified.sha256,
        verified.format.name(),
        verified.documents,
        verified.characters,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes why a file was rejected; `bad_examples`: all that is wrong with its lines, where it is JSONL.
pub(super) async fn set_rejected(
    tx: &mut WriteTx<'_>,
    id: FileId,
    problem: &Problem,
    bad_examples: Option<&BadExamples>,
) -> Result<(), StoreError> {
    let json = |e: serde_json::Error| sqlx::Error::Encode(e.into());
    let problem = serde_json::to_value(problem).map_err(json)?;
    let bad_examples = bad_examples
        .map(serde_json::to_value)
        .transpose()
        .map_err(json)?;
    sqlx::query!(
        "UPDATE dataset_files SET state = 'rejected', problem = $2, bad_examples = $3 WHERE id = $1",
        id.0,
        problem,
        bad_examples,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn set_aborted(tx: &mut WriteTx<'_>, id: FileId) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE dataset_files SET state = 'aborted', problem = NULL, bad_examples = NULL WHERE id = $1",
        id.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A file that was carried over, as it is in the object store.
pub(super) struct Carried {
    pub(super) size_bytes: i64,
    pub(super) part_size_bytes: i64,
    pub(super) tree_sha256: String,
    pub(super) object_version: String,
}

/// The place of a carried file has its bytes now, to be verified.
pub(super) async fn set_carried(
    tx: &mut WriteTx<'_>,
    id: FileId,
    carried: &Carried,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE dataset_files SET state = 'verifying', size_bytes = $2, part_size_bytes = $3, tree_sha256 = $4,
             object_version = $5, s3_upload_id = NULL
         WHERE id = $1",
        id.0,
        carried.size_bytes,
        carried.part_size_bytes,
        carried.tree_sha256,
        carried.object_version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps what went along and what did not.
pub(super) async fn insert_carried(
    tx: &mut WriteTx<'_>,
    (source, file): (FileId, FileId),
    kept: i64,
    dropped: &[[u8; 32]],
) -> Result<(), StoreError> {
    let now = tx.now();
    let hashes: Vec<Vec<u8>> = dropped.iter().map(|hash| hash.to_vec()).collect();
    sqlx::query!(
        "INSERT INTO carried_files (source_file_id, file_id, documents_kept, documents_dropped, dropped_sha256,
             carried_at)
         VALUES ($1, $2, $3, cardinality($4::bytea[]), $4, $5)",
        source.0,
        file.0,
        kept,
        &hashes,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Uploads that nothing came in for until `now`, oldest first.
pub(super) async fn expired(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<FileId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "SELECT f.id FROM dataset_files f JOIN dataset_versions v ON v.id = f.dataset_version_id
         WHERE f.state = 'uploading' AND f.expires_at <= $1 AND v.status IN ('draft', 'changes_requested')
         ORDER BY f.expires_at LIMIT $2",
        now,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(FileId).collect())
}
