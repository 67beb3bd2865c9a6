//! Jobs that measure a model.

use sqlx::PgConnection;

use crate::{
    db::{StoreError, WriteTx},
    ids::{JobId, ModelId, UserId},
};

/// Says that a job measures `model`; `follows` is the job that made it, where nobody asked for this one.
pub(in super::super) async fn insert_evaluation_job(
    tx: &mut WriteTx<'_>,
    job: JobId,
    model: ModelId,
    follows: Option<JobId>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO evaluation_jobs (job_id, model_id, follows_job_id) VALUES ($1, $2, $3)",
        job.0,
        model.0,
        follows.map(|job| job.0),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The model that a job measures; none where it makes one.
pub(in super::super) async fn measured_model(
    conn: &mut PgConnection,
    job: JobId,
) -> Result<Option<ModelId>, StoreError> {
    let model = sqlx::query_scalar!(
        "SELECT model_id FROM evaluation_jobs WHERE job_id = $1",
        job.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(model.map(ModelId))
}

/// The newest job that measures a model, over or not.
pub(in super::super) async fn newest_evaluation_job(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<Option<JobId>, StoreError> {
    let job = sqlx::query_scalar!(
        "SELECT job_id FROM evaluation_jobs WHERE model_id = $1 ORDER BY job_id DESC LIMIT 1",
        model.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(job.map(JobId))
}

/// Who approved a job.
pub(in super::super) async fn approver_of(
    conn: &mut PgConnection,
    job: JobId,
) -> Result<Option<UserId>, StoreError> {
    let user = sqlx::query_scalar!("SELECT approved_by FROM jobs WHERE id = $1", job.0)
        .fetch_optional(conn)
        .await?;
    Ok(user.flatten().map(UserId))
}
