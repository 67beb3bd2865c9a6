//! Files that attempts leave behind.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    db::{MeterTx, StoreError, WriteTx},
    ids::{ArtifactId, AttemptId, JobId},
};

/// A file that was announced.
#[derive(Debug, Clone)]
pub(in super::super) struct Artifact {
    pub(in super::super) id: Uuid,
    pub(in super::super) kind: String,
    pub(in super::super) name: String,
    pub(in super::super) size_bytes: i64,
    pub(in super::super) sha256: String,
    pub(in super::super) object_key: String,
}

/// Writes a file down that is about to come; the same again changes nothing.
pub(in super::super) async fn insert_artifact(
    tx: &mut MeterTx,
    attempt: AttemptId,
    new: &Artifact,
    put_until: DateTime<Utc>,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO artifacts (id, attempt_id, kind, name, size_bytes, sha256, object_key, created_at, put_until)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (attempt_id, name, sha256) WHERE dropped_at IS NULL DO NOTHING",
        new.id,
        attempt.0,
        new.kind,
        new.name,
        new.size_bytes,
        new.sha256,
        new.object_key,
        now,
        put_until,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes until when the program of a live attempt may be putting a file; false where the file was dropped, or the attempt is
/// over.
pub(in super::super) async fn put_until(
    tx: &mut MeterTx,
    id: Uuid,
    until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE artifacts f SET put_until = greatest(f.put_until, $2) FROM attempts a
         WHERE f.id = $1 AND f.dropped_at IS NULL AND a.id = f.attempt_id AND a.ended_at IS NULL",
        id,
        until,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps the job from being stopped until the transaction ends; answers why it is asked to stop, if it is, and whether it
/// is over.
pub(in super::super) async fn share_job(
    tx: &mut MeterTx,
    job: JobId,
) -> Result<Option<(Option<String>, bool)>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT cancel_reason, ended_at IS NOT NULL AS "is_over!" FROM jobs WHERE id = $1 FOR SHARE"#,
        job.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| (row.cancel_reason, row.is_over)))
}

/// A file by what it is called and holds.
pub(in super::super) async fn find_artifact(
    conn: &mut PgConnection,
    attempt: AttemptId,
    (name, sha256): (&str, &str),
) -> Result<Option<Artifact>, StoreError> {
    Ok(sqlx::query_as!(
        Artifact,
        "SELECT id, kind, name, size_bytes, sha256, object_key FROM artifacts
         WHERE attempt_id = $1 AND name = $2 AND sha256 = $3 AND dropped_at IS NULL",
        attempt.0,
        name,
        sha256,
    )
    .fetch_optional(conn)
    .await?)
}

/// All files of an attempt.
pub(in super::super) async fn artifacts_of(
    conn: &mut PgConnection,
    attempt: AttemptId,
) -> Result<Vec<Artifact>, StoreError> {
    Ok(sqlx::query_as!(
        Artifact,
        "SELECT id, kind, name, size_bytes, sha256, object_key FROM artifacts
         WHERE attempt_id = $1 AND dropped_at IS NULL ORDER BY name LIMIT 1000",
        attempt.0,
    )
    .fetch_all(conn)
    .await?)
}

/// Keeps which exact object a file is.
pub(in super::super) async fn set_artifact_version(
    tx: &mut WriteTx<'_>,
    id: ArtifactId,
    version: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE artifacts SET object_version = $2 WHERE id = $1",
        id.0,
        version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
