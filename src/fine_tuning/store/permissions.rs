//! Leave to use checkpoints.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    db::{StoreError, WriteTx},
    ids::JobId,
};

/// Leave of one project.
pub(in super::super) struct Kept {
    pub(in super::super) id: Uuid,
    pub(in super::super) project: String,
    pub(in super::super) created_at: DateTime<Utc>,
}

/// Gives leave, where it was not given.
pub(in super::super) async fn insert(
    tx: &mut WriteTx<'_>,
    (job, step): (JobId, i32),
    project: &str,
) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    sqlx::query!(
        "INSERT INTO checkpoint_permissions (id, job_id, step, project, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        Uuid::now_v7(),
        job.0,
        step,
        project,
        user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// All of a checkpoint, newest first.
pub(in super::super) async fn list(
    conn: &mut PgConnection,
    (job, step): (JobId, i32),
) -> Result<Vec<Kept>, StoreError> {
    Ok(sqlx::query_as!(
        Kept,
        "SELECT id, project, created_at FROM checkpoint_permissions
         WHERE job_id = $1 AND step = $2 AND deleted_at IS NULL ORDER BY id DESC",
        job.0,
        step,
    )
    .fetch_all(conn)
    .await?)
}

/// Takes it back; false where there is none.
pub(in super::super) async fn delete(
    tx: &mut WriteTx<'_>,
    (job, step): (JobId, i32),
    id: Uuid,
) -> Result<bool, StoreError> {
    let now = tx.now();
    let done = sqlx::query!(
        "UPDATE checkpoint_permissions SET deleted_at = $4
         WHERE id = $1 AND job_id = $2 AND step = $3 AND deleted_at IS NULL",
        id,
        job.0,
        step,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}
