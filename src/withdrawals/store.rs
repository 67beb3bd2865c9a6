//! The SQL of withdrawals and of what stands on a dataset.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::reach::ReachedModel;
use crate::{
    db::{StoreError, WriteTx},
    ids::{DatasetId, DatasetVersionId, InstitutionId, ModelId, WithdrawalId},
    policy::Visibility,
};

pub(super) async fn lock_dataset(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
) -> Result<Option<InstitutionId>, StoreError> {
    let id = sqlx::query_scalar!(
        "SELECT institution_id FROM datasets WHERE id = $1 FOR UPDATE",
        dataset.0
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(id.map(InstitutionId))
}

pub(super) async fn versions(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Vec<DatasetVersionId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM dataset_versions WHERE dataset_id = $1 ORDER BY number",
        dataset.0
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(DatasetVersionId).collect())
}

pub(super) async fn models(
    conn: &mut PgConnection,
    versions: &[DatasetVersionId],
) -> Result<Vec<ReachedModel>, StoreError> {
    let versions: Vec<_> = versions.iter().map(|version| version.0).collect();
    let rows = sqlx::query!(
        r#"WITH RECURSIVE touched AS (
               SELECT m.id FROM models m JOIN job_datasets j ON j.job_id = m.job_id
               WHERE j.dataset_version_id = ANY($1)
               UNION
               SELECT m.id FROM models m JOIN touched t ON m.base_model_id = t.id
           )
           SELECT m.id, m.name, i.name AS institution,
                  EXISTS (SELECT 1 FROM deployments d WHERE d.model_id = m.id AND d.status = 'ready') AS "is_served!"
           FROM touched t JOIN models m ON m.id = t.id JOIN institutions i ON i.id = m.institution_id
           ORDER BY m.id"#,
        &versions,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ReachedModel {
            id: ModelId(row.id),
            name: row.name,
            institution: row.institution,
            is_served: row.is_served,
        })
        .collect())
}

pub(super) async fn tokens_read(
    conn: &mut PgConnection,
    versions: &[DatasetVersionId],
) -> Result<i64, StoreError> {
    let versions: Vec<_> = versions.iter().map(|version| version.0).collect();
    let tokens = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(tokens), 0)::bigint AS "tokens!" FROM tokens_read
           WHERE dataset_version_id = ANY($1)"#,
        &versions,
    )
    .fetch_one(conn)
    .await?;
    Ok(tokens)
}

pub(super) async fn insert(
    tx: &mut WriteTx<'_>,
    id: WithdrawalId,
    dataset: DatasetId,
    institution: InstitutionId,
    reason: &str,
    affected: &serde_json::Value,
) -> Result<(), StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "INSERT INTO withdrawals (id, dataset_id, institution_id, reason, withdrawn_by, withdrawn_at, affected)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id.0,
        dataset.0,
        institution.0,
        reason,
        actor.user.0,
        now,
        affected,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A dataset of one's own, for the page of contributions.
pub(super) struct Contribution {
    pub(super) id: DatasetId,
    pub(super) title: String,
    pub(super) created_at: DateTime<Utc>,
    /// When its permission was last withdrawn, if no permission was given since.
    pub(super) withdrawn_at: Option<DateTime<Utc>>,
    pub(super) has_permission: bool,
}

pub(super) async fn contributions(
    conn: &mut PgConnection,
    visibility: Visibility,
) -> Result<Vec<Contribution>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT d.id, d.title, d.created_at,
                  (SELECT max(w.withdrawn_at) FROM withdrawals w WHERE w.dataset_id = d.id) AS withdrawn_at,
                  EXISTS (
                      SELECT 1 FROM permissions p
                      JOIN LATERAL (SELECT state FROM permission_events WHERE permission_id = p.id
                                    ORDER BY decided_at DESC, id DESC LIMIT 1) e ON true
                      WHERE p.dataset_id = d.id AND e.state IN ('given', 'renewed')) AS "has_permission!"
           FROM datasets d WHERE $1::uuid IS NULL OR d.institution_id = $1
           ORDER BY d.id DESC LIMIT 200"#,
        visibility.filter(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Contribution {
            id: DatasetId(row.id),
            title: row.title,
            created_at: row.created_at,
            withdrawn_at: row.withdrawn_at.filter(|_| !row.has_permission),
            has_permission: row.has_permission,
        })
        .collect())
}
