//! Files that came through the API.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::file::ApiFile;
use crate::{
    datasets::Dataset,
    db::{CorruptRow, StoreError, WriteTx},
    ids::{ApiKeyId, DatasetId, DatasetVersionId, FileId, InstitutionId},
};

struct Row {
    id: Uuid,
    institution_id: Uuid,
    dataset_id: Uuid,
    dataset_version_id: Uuid,
    filename: String,
    size_bytes: i64,
    state: String,
    documents: Option<i64>,
    problem: Option<serde_json::Value>,
    object_key: String,
    object_version: Option<String>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for ApiFile {
    type Error = CorruptRow;

    fn try_from(row: Row) -> Result<Self, CorruptRow> {
        let corrupt = |problem| CorruptRow {
            table: "dataset_files",
            id: row.id,
            problem,
        };
        Ok(Self {
            id: FileId(row.id),
            institution: InstitutionId(row.institution_id),
            dataset: DatasetId(row.dataset_id),
            version: DatasetVersionId(row.dataset_version_id),
            state: row.state.parse().map_err(|_| corrupt("unknown state"))?,
            problem: row
                .problem
                .map(serde_json::from_value)
                .transpose()
                .map_err(|_| corrupt("unreadable problem"))?,
            filename: row.filename,
            size_bytes: row.size_bytes,
            documents: row.documents,
            object_key: row.object_key,
            object_version: row.object_version,
            created_at: row.created_at,
        })
    }
}

/// Notes that a dataset's file came through the API.
pub(in super::super) async fn insert(
    tx: &mut WriteTx<'_>,
    id: FileId,
    dataset: &Dataset,
    (key, filename): (ApiKeyId, &str),
) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    sqlx::query!(
        "INSERT INTO api_files (id, institution_id, dataset_id, dataset_version_id, api_key_id, created_by, filename,
             created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        id.0,
        dataset.institution.0,
        dataset.id.0,
        dataset.version.id.0,
        key.0,
        user.0,
        filename,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// One file of an institution.
pub(in super::super) async fn find(
    conn: &mut PgConnection,
    institution: InstitutionId,
    id: FileId,
) -> Result<Option<ApiFile>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT a.id, a.institution_id, a.dataset_id, a.dataset_version_id, a.filename, f.size_bytes, f.state, f.documents,
                f.problem, f.object_key, f.object_version, a.created_at
         FROM api_files a JOIN dataset_files f ON f.id = a.id
         WHERE a.id = $1 AND a.institution_id = $2 AND a.deleted_at IS NULL",
        id.0,
        institution.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(ApiFile::try_from).transpose()?)
}

/// The file that is a dataset version, where one came through the API.
pub(in super::super) async fn of_version(
    conn: &mut PgConnection,
    version: DatasetVersionId,
) -> Result<Option<ApiFile>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT a.id, a.institution_id, a.dataset_id, a.dataset_version_id, a.filename, f.size_bytes, f.state, f.documents,
                f.problem, f.object_key, f.object_version, a.created_at
         FROM api_files a JOIN dataset_files f ON f.id = a.id
         WHERE a.dataset_version_id = $1",
        version.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(ApiFile::try_from).transpose()?)
}

/// The files of an institution, by id; `after` is the last of the page before.
pub(in super::super) async fn list(
    conn: &mut PgConnection,
    institution: InstitutionId,
    after: Option<Uuid>,
    (limit, is_ascending): (i64, bool),
) -> Result<Vec<ApiFile>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT a.id, a.institution_id, a.dataset_id, a.dataset_version_id, a.filename, f.size_bytes, f.state, f.documents,
                f.problem, f.object_key, f.object_version, a.created_at
         FROM api_files a JOIN dataset_files f ON f.id = a.id
         WHERE a.institution_id = $1 AND a.deleted_at IS NULL
           AND ($2::uuid IS NULL OR CASE WHEN $3 THEN a.id > $2 ELSE a.id < $2 END)
         ORDER BY CASE WHEN $3 THEN a.id END, a.id DESC LIMIT $4",
        institution.0,
        after,
        is_ascending,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok(ApiFile::try_from(row)?))
        .collect()
}

pub(in super::super) async fn set_deleted(
    tx: &mut WriteTx<'_>,
    id: FileId,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "UPDATE api_files SET deleted_at = $2 WHERE id = $1",
        id.0,
        now
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
