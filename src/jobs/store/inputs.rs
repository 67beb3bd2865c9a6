//! What jobs ask for.

use sqlx::PgConnection;

use super::super::job::Input;
use crate::{
    db::{StoreError, WriteTx},
    ids::{DatasetId, DatasetVersionId, InstitutionId, JobId, ModelId},
};

/// The dataset versions of a job, always in the same order: the one in which they are locked and read.
pub(in super::super) async fn input_versions(
    conn: &mut PgConnection,
    job: JobId,
) -> Result<Vec<DatasetVersionId>, StoreError> {
    let rows = sqlx::query_scalar!(
        "SELECT dataset_version_id FROM job_datasets WHERE job_id = $1 ORDER BY dataset_version_id",
        job.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(DatasetVersionId).collect())
}

/// The model that a job starts from, if it does; the outer none: there is no such job.
pub(in super::super) async fn base_of(
    conn: &mut PgConnection,
    job: JobId,
) -> Result<Option<Option<ModelId>>, StoreError> {
    let id = sqlx::query_scalar!("SELECT base_model_id FROM jobs WHERE id = $1", job.0)
        .fetch_optional(conn)
        .await?;
    Ok(id.map(|base| base.map(ModelId)))
}

/// The same, with what people call them.
pub(in super::super) async fn inputs(
    conn: &mut PgConnection,
    job: JobId,
) -> Result<Vec<Input>, StoreError> {
    let versions = input_versions(conn, job).await?;
    versions_named(conn, &versions).await
}

/// Versions with what people call them, by id.
async fn versions_named(
    conn: &mut PgConnection,
    versions: &[DatasetVersionId],
) -> Result<Vec<Input>, StoreError> {
    let versions: Vec<_> = versions.iter().map(|version| version.0).collect();
    let rows = sqlx::query!(
        "SELECT v.id, v.dataset_id, d.title, i.name, v.manifest_sha256
         FROM dataset_versions v JOIN datasets d ON d.id = v.dataset_id
         JOIN institutions i ON i.id = d.institution_id
         WHERE v.id = ANY($1) ORDER BY v.id",
        &versions,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Input {
            version: DatasetVersionId(row.id),
            dataset: DatasetId(row.dataset_id),
            title: row.title,
            institution_name: row.name,
            manifest_sha256: row.manifest_sha256,
        })
        .collect())
}

/// Whose a version is, and whether everybody may know of it.
pub(in super::super) struct VersionOwner {
    pub(in super::super) institution: InstitutionId,
    pub(in super::super) is_published: bool,
}

/// Whose a version is.
pub(in super::super) async fn owner_of(
    conn: &mut PgConnection,
    version: DatasetVersionId,
) -> Result<Option<VersionOwner>, StoreError> {
    let row = sqlx::query!(
        "SELECT d.institution_id, v.status, v.withdrawn_from FROM dataset_versions v JOIN datasets d ON d.id = v.dataset_id
         WHERE v.id = $1",
        version.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| VersionOwner {
        institution: InstitutionId(row.institution_id),
        is_published: row.status == "approved" || row.withdrawn_from.as_deref() == Some("approved"),
    }))
}

/// Says that a job is measured on a version and does not learn from it.
pub(in super::super) async fn set_validation(
    tx: &mut WriteTx<'_>,
    job: JobId,
    version: DatasetVersionId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE job_datasets SET is_validation = true WHERE job_id = $1 AND dataset_version_id = $2",
        job.0,
        version.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The versions that a job is measured on alone.
pub(in super::super) async fn validation_versions(
    conn: &mut PgConnection,
    job: JobId,
) -> Result<Vec<DatasetVersionId>, StoreError> {
    let rows = sqlx::query_scalar!(
        "SELECT dataset_version_id FROM job_datasets WHERE job_id = $1 AND is_validation",
        job.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(DatasetVersionId).collect())
}
