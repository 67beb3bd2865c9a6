//! How it stands with the copies that have to go.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    db::StoreError,
    ids::{InstitutionId, WithdrawalId},
};

/// A copy and what became of it, for people.
#[derive(Debug, Clone, serde::Serialize)]
pub(in super::super) struct Progress {
    pub kind: String,
    /// The object's key, or the attempt.
    pub name: String,
    /// The file's path in the dataset.
    pub path: Option<String>,
    pub sha256: Option<String>,
    /// Object versions that were deleted, delete markers among them.
    pub deleted: Vec<String>,
    pub deleted_at: Option<DateTime<Utc>>,
    pub verified_absent_at: Option<DateTime<Utc>>,
    /// The machine of a work folder.
    pub place: Option<String>,
    /// Why nobody can look there any more, where an operator declared the machine gone.
    pub lost_reason: Option<String>,
    /// What stood in the way the last time it was tried, where it is not gone yet.
    pub problem: Option<String>,
}

/// What has to go for a withdrawal, or of it the copies of one institution's data: what nobody has proven gone first,
/// then by name, 2,000 at most; [`count_items`] says how many there are.
pub(in super::super) async fn items_of(
    conn: &mut PgConnection,
    withdrawal: WithdrawalId,
    owner: Option<InstitutionId>,
) -> Result<Vec<Progress>, StoreError> {
    let rows = sqlx::query_as!(
        Progress,
        r#"SELECT i.kind, i.name, f.path AS "path?", f.sha256 AS "sha256?",
                  ARRAY(SELECT d.object_version FROM purge_deletions d WHERE d.item_id = i.id
                        ORDER BY d.deleted_at, d.object_version) AS "deleted!",
                  (SELECT max(d.deleted_at) FROM purge_deletions d WHERE d.item_id = i.id) AS deleted_at,
                  p.verified_absent_at AS "verified_absent_at?", i.place,
                  (SELECT l.reason FROM lost_places l JOIN attempts a ON a.id = i.attempt_id
                   WHERE l.place = i.place AND l.declared_at > a.created_at
                   ORDER BY l.declared_at LIMIT 1) AS lost_reason,
                  CASE WHEN p.item_id IS NULL THEN
                      (SELECT x.problem FROM purge_failures x WHERE x.item_id = i.id
                       ORDER BY x.failed_at DESC LIMIT 1) END AS problem
           FROM purge_items i
           LEFT JOIN dataset_files f ON f.id = i.file_id
           LEFT JOIN dataset_versions v ON v.id = f.dataset_version_id
           LEFT JOIN datasets d ON d.id = v.dataset_id
           LEFT JOIN purge_proofs p ON p.item_id = i.id
           WHERE i.withdrawal_id = $1 AND ($2::uuid IS NULL OR d.institution_id = $2)
           ORDER BY p.item_id IS NOT NULL, i.kind, f.path, i.name LIMIT 2000"#,
        withdrawal.0,
        owner.map(|owner| owner.0),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// How many copies have to go.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct ItemCounts {
    pub all: i64,
    /// Proven gone.
    pub gone: i64,
    /// Neither proven gone nor declared gone with their machine.
    pub left: i64,
}

/// How many items a withdrawal has, or of it the copies of one institution's data.
pub(in super::super) async fn count_items(
    conn: &mut PgConnection,
    withdrawal: WithdrawalId,
    owner: Option<InstitutionId>,
) -> Result<ItemCounts, StoreError> {
    let counts = sqlx::query_as!(
        ItemCounts,
        r#"SELECT count(*) AS "all!", count(p.item_id) AS "gone!",
                  count(*) FILTER (WHERE p.item_id IS NULL AND NOT EXISTS (
                      SELECT 1 FROM lost_places l JOIN attempts a ON a.id = i.attempt_id
                      WHERE l.place = i.place AND l.declared_at > a.created_at)) AS "left!"
           FROM purge_items i LEFT JOIN purge_proofs p ON p.item_id = i.id
           WHERE i.withdrawal_id = $1 AND ($2::uuid IS NULL OR EXISTS (
               SELECT 1 FROM dataset_files f JOIN dataset_versions v ON v.id = f.dataset_version_id
               JOIN datasets d ON d.id = v.dataset_id WHERE f.id = i.file_id AND d.institution_id = $2))"#,
        withdrawal.0,
        owner.map(|owner| owner.0),
    )
    .fetch_one(conn)
    .await?;
    Ok(counts)
}
