//! Files that came through the API.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::file::{ApiFile, NewFile};
use crate::{
    datasets::Dataset,
    db::{CorruptRow, StoreError, WriteTx},
    ids::{DatasetId, DatasetVersionId, FileId, InstitutionId},
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
    bad_examples: Option<serde_json::Value>,
    object_key: String,
    object_version: Option<String>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
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
            bad_examples: row
                .bad_examples
                .map(serde_json::from_value)
                .transpose()
                .map_err(|_| corrupt("unreadable lines"))?,
            filename: row.filename,
            size_bytes: row.size_bytes,
            documents: row.documents,
            object_key: row.object_key,
            object_version: row.object_version,
            created_at: row.created_at,
            expires_at: row.expires_at,
        })
    }
}

/// Notes that a dataset's file came through the API.
pub(in super::super) async fn insert(
    tx: &mut WriteTx<'_>,
    id: FileId,
    dataset: &Dataset,
    new: &NewFile<'_>,
) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    let lifetime = |seconds: u32| TimeDelta::seconds(i64::from(seconds));
    sqlx::query!(
        "INSERT INTO api_files (id, institution_id, dataset_id, dataset_version_id, api_key_id, created_by, filename,
             created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        id.0,
        dataset.institution.0,
        dataset.id.0,
        dataset.version.id.0,
        new.key.0,
        user.0,
        new.filename,
        now,
        new.expires_seconds.map(|seconds| now + lifetime(seconds)),
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
        r#"SELECT a.id, a.institution_id, a.dataset_id, a.dataset_version_id, a.filename, f.size_bytes, f.state, f.documents,
                f.problem, f.bad_examples, f.object_key, f.object_version, a.created_at,
                CASE WHEN v.status = 'draft' THEN a.expires_at END AS "expires_at?"
         FROM api_files a JOIN dataset_files f ON f.id = a.id JOIN dataset_versions v ON v.id = a.dataset_version_id
         WHERE a.id = $1 AND a.institution_id = $2 AND a.deleted_at IS NULL"#,
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
        r#"SELECT a.id, a.institution_id, a.dataset_id, a.dataset_version_id, a.filename, f.size_bytes, f.state, f.documents,
                f.problem, f.bad_examples, f.object_key, f.object_version, a.created_at,
                CASE WHEN v.status = 'draft' THEN a.expires_at END AS "expires_at?"
         FROM api_files a JOIN dataset_files f ON f.id = a.id JOIN dataset_versions v ON v.id = a.dataset_version_id
         WHERE a.dataset_version_id = $1"#,
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
        r#"SELECT a.id, a.institution_id, a.dataset_id, a.dataset_version_id, a.filename, f.size_bytes, f.state, f.documents,
                f.problem, f.bad_examples, f.object_key, f.object_version, a.created_at,
                CASE WHEN v.status = 'draft' THEN a.expires_at END AS "expires_at?"
         FROM api_files a JOIN dataset_files f ON f.id = a.id JOIN dataset_versions v ON v.id = a.dataset_version_id
         WHERE a.institution_id = $1 AND a.deleted_at IS NULL
           AND ($2::uuid IS NULL OR CASE WHEN $3 THEN a.id > $2 ELSE a.id < $2 END)
         ORDER BY CASE WHEN $3 THEN a.id END, a.id DESC LIMIT $4"#,
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

/// Files of which the time has come, that no job needs and that were not handed in; the longest due first.
pub(in super::super) async fn to_expire(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<Vec<ApiFile>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT a.id, a.institution_id, a.dataset_id, a.dataset_version_id, a.filename, f.size_bytes, f.state, f.documents,
                f.problem, f.bad_examples, f.object_key, f.object_version, a.created_at, a.expires_at
         FROM api_files a JOIN dataset_files f ON f.id = a.id JOIN dataset_versions v ON v.id = a.dataset_version_id
         WHERE a.deleted_at IS NULL AND a.expires_at <= $1 AND v.status = 'draft'
           AND NOT EXISTS (SELECT 1 FROM fine_tuning_jobs j
                           WHERE NOT j.is_settled
                             AND a.dataset_version_id IN (j.training_version_id, j.validation_version_id))
         ORDER BY a.expires_at LIMIT 100",
        now,
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
