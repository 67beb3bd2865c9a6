//! Files that attempts leave behind.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    db::{MeterTx, StoreError, WriteTx},
    ids::{ArtifactId, AttemptId},
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
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO artifacts (id, attempt_id, kind, name, size_bytes, sha256, object_key, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (attempt_id, name, sha256) DO NOTHING",
        new.id,
        attempt.0,
        new.kind,
        new.name,
        new.size_bytes,
        new.sha256,
        new.object_key,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
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
         WHERE attempt_id = $1 AND name = $2 AND sha256 = $3",
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
         WHERE attempt_id = $1 ORDER BY name LIMIT 1000",
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
