//! Verdicts that were bound, leave that was given, tokens that were read.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::{job::BoundVerdict, reads::Reading};
use crate::{
    datasets::Decision,
    db::{CorruptRow, StoreError, WriteTx},
    ids::{AttemptId, DatasetVersionId, GrantId, PermissionId},
    models::JobPermission,
};

/// Binds a verdict to an attempt.
pub(in super::super) async fn bind_use(
    tx: &mut WriteTx<'_>,
    attempt: AttemptId,
    version: DatasetVersionId,
    decision: &Decision,
) -> Result<(), StoreError> {
    let now = tx.now();
    let verdict =
        serde_json::to_value(&decision.verdict).map_err(|e| sqlx::Error::Encode(e.into()))?;
    sqlx::query!(
        "INSERT INTO dataset_uses (id, attempt_id, dataset_version_id, verdict, policy_sha256, decided_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        Uuid::now_v7(),
        attempt.0,
        version.0,
        verdict,
        decision.policy_sha256,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The verdicts that an attempt was started on.
pub(in super::super) async fn bound_verdicts(
    conn: &mut PgConnection,
    attempt: AttemptId,
) -> Result<Vec<BoundVerdict>, StoreError> {
    let rows = sqlx::query!(
        "SELECT id, dataset_version_id, verdict, policy_sha256, decided_at FROM dataset_uses
         WHERE attempt_id = $1 ORDER BY dataset_version_id",
        attempt.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(BoundVerdict {
                version: DatasetVersionId(row.dataset_version_id),
                verdict: serde_json::from_value(row.verdict).map_err(|_| CorruptRow {
                    table: "dataset_uses",
                    id: row.id,
                    problem: "unknown verdict",
                })?,
                policy_sha256: row.policy_sha256,
                decided_at: row.decided_at,
            })
        })
        .collect()
}

/// The permissions of these ids with the hashes of their terms.
pub(in super::super) async fn terms_of(
    conn: &mut PgConnection,
    ids: &[PermissionId],
) -> Result<Vec<JobPermission>, StoreError> {
    let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "SELECT id, layer, terms_sha256 FROM permissions WHERE id = ANY($1) ORDER BY id",
        &ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| JobPermission {
            id: PermissionId(row.id),
            layer: row.layer,
            terms_sha256: row.terms_sha256,
        })
        .collect())
}

/// Keeps a leave to read, or its refusal.
pub(in super::super) async fn insert_grant(
    tx: &mut WriteTx<'_>,
    (id, attempt, file): (GrantId, AttemptId, Uuid),
    version: Option<DatasetVersionId>,
    policy_sha256: Option<&str>,
    (is_allowed, expires_at): (bool, DateTime<Utc>),
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO read_grants (id, attempt_id, file_id, dataset_version_id, is_allowed, policy_sha256,
             decided_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        id.0,
        attempt.0,
        file,
        version.map(|version| version.0),
        is_allowed,
        policy_sha256,
        now,
        expires_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The files that an attempt was given leave to read.
pub(in super::super) async fn files_granted(
    conn: &mut PgConnection,
    attempt: AttemptId,
) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!(
        "SELECT DISTINCT file_id FROM read_grants WHERE attempt_id = $1 AND is_allowed",
        attempt.0,
    )
    .fetch_all(conn)
    .await?)
}

/// Keeps that a file was read, and what came; the same again changes nothing.
pub(in super::super) async fn insert_read(
    conn: &mut PgConnection,
    attempt: AttemptId,
    reading: &Reading,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO files_read (id, attempt_id, file_id, dataset_version_id, sha256, expected_sha256, told_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (attempt_id, file_id, sha256) DO NOTHING",
        Uuid::now_v7(),
        attempt.0,
        reading.file,
        reading.version.map(|version| version.0),
        reading.sha256,
        reading.expected,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps how many tokens of a version were read.
pub(in super::super) async fn insert_tokens_read(
    tx: &mut WriteTx<'_>,
    attempt: AttemptId,
    version: DatasetVersionId,
    tokens: i64,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO tokens_read (attempt_id, dataset_version_id, tokens) VALUES ($1, $2, $3)",
        attempt.0,
        version.0,
        tokens,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
