//! The SQL of permissions.

use sqlx::PgConnection;

use super::permission::{Layer, Permission, State};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{DatasetId, DatasetVersionId, InstitutionId, PermissionId},
};

/// Every permission that speaks about a version (its own and those for all versions), whatever its state.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn of_version(
    conn: &mut PgConnection,
    dataset: DatasetId,
    version: DatasetVersionId,
) -> Result<Vec<Permission>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT p.id, p.dataset_version_id, p.layer, p.terms, p.terms_sha256, e.state, e.decided_at, u.name
           FROM permissions p
           JOIN LATERAL (SELECT state, decided_by, decided_at FROM permission_events
                         WHERE permission_id = p.id ORDER BY decided_at DESC, id DESC LIMIT 1) e ON true
           JOIN users u ON u.id = e.decided_by
           WHERE p.dataset_id = $1 AND (p.dataset_version_id IS NULL OR p.dataset_version_id = $2)
           ORDER BY p.id"#,
        dataset.0,
        version.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = |problem| {
                StoreError::Corrupt(CorruptRow {
                    table: "permissions",
                    id: row.id,
                    problem,
                })
            };
            Ok(Permission {
                id: PermissionId(row.id),
                version: row.dataset_version_id.map(DatasetVersionId),
                layer: row.layer.parse().map_err(|_| corrupt("unknown layer"))?,
                terms: serde_json::from_str(&row.terms)
                    .map_err(|_| corrupt("terms cannot be read"))?,
                terms_sha256: row.terms_sha256,
                state: State::parse(&row.state).ok_or_else(|| corrupt("unknown state"))?,
                decided_by: row.name,
                decided_at: row.decided_at,
            })
        })
        .collect()
}

pub(super) async fn insert(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
    new: &super::NewPermission,
    terms: &str,
    terms_sha256: &str,
) -> Result<PermissionId, StoreError> {
    let id = PermissionId::fresh();
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "INSERT INTO permissions (id, dataset_id, dataset_version_id, institution_id, layer, terms, terms_sha256,
             created_by, created_at)
         VALUES ($1, $2, NULL, $3, $4, $5, $6, $7, $8)",
        id.0,
        dataset.0,
        actor.institution.0,
        new.layer.name(),
        terms,
        terms_sha256,
        actor.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    add_event(tx, id, "given", "").await?;
    Ok(id)
}

async fn add_event(
    tx: &mut WriteTx<'_>,
    permission: PermissionId,
    state: &str,
    reason: &str,
) -> Result<(), StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "INSERT INTO permission_events (id, permission_id, state, reason, decided_by, decided_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        uuid::Uuid::now_v7(),
        permission.0,
        state,
        reason,
        actor.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A permission that counts, with what it says about its end.
#[derive(Debug, Clone)]
pub struct Standing {
    pub id: PermissionId,
    pub layer: Layer,
    /// none: all versions of the dataset
    pub version: Option<DatasetVersionId>,
    /// What happens to models when it is withdrawn: `keep`, `retrain`, `retire`; none where it does not say.
    pub on_withdrawal: Option<String>,
    /// Days within which copies go.
    pub delete_within_days: i32,
}

/// The permissions of a dataset that count (within their dates or not), by id.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn standing(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Vec<Standing>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT p.id, p.layer, p.dataset_version_id, p.terms::jsonb->>'on_withdrawal' AS on_withdrawal,
                  -- Among the duties since rule set 2.
                  coalesce(p.terms::jsonb#>>'{duties,delete_within_days}', p.terms::jsonb->>'delete_within_days', '30')
                      ::integer AS "delete_within_days!"
           FROM permissions p
         JOIN LATERAL (SELECT state FROM permission_events
                       WHERE permission_id = p.id ORDER BY decided_at DESC, id DESC LIMIT 1) e ON true
         WHERE p.dataset_id = $1 AND e.state IN ('given', 'renewed')
         ORDER BY p.id"#,
        dataset.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Standing {
                id: PermissionId(row.id),
                layer: row.layer.parse().map_err(|_| CorruptRow {
                    table: "permissions",
                    id: row.id,
                    problem: "unknown layer",
                })?,
                version: row.dataset_version_id.map(DatasetVersionId),
                on_withdrawal: row.on_withdrawal,
                delete_within_days: row.delete_within_days,
            })
        })
        .collect()
}

/// Ends permissions that count: withdrawn by who gave them, or revoked by the platform. The caller holds the
/// dataset's row.
///
/// # Errors
/// Where the database refuses.
pub async fn end(
    tx: &mut WriteTx<'_>,
    permissions: &[PermissionId],
    is_revoked: bool,
    reason: &str,
) -> Result<(), StoreError> {
    let state = if is_revoked { "revoked" } else { "withdrawn" };
    for id in permissions {
        add_event(tx, *id, state, reason).await?;
    }
    Ok(())
}

/// What giving a permission needs to know of the dataset.
pub(super) struct DatasetRow {
    pub(super) institution: InstitutionId,
    pub(super) title: String,
}

pub(super) async fn dataset(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Option<DatasetRow>, StoreError> {
    let row = sqlx::query!(
        "SELECT institution_id, title FROM datasets WHERE id = $1",
        dataset.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| DatasetRow {
        institution: InstitutionId(row.institution_id),
        title: row.title,
    }))
}

/// Keeps everybody who decides on a use of the dataset waiting until the transaction ends.
pub(super) async fn lock_dataset(
    tx: &mut WriteTx<'_>,
    dataset_id: DatasetId,
) -> Result<Option<DatasetRow>, StoreError> {
    sqlx::query!(
        "SELECT id FROM datasets WHERE id = $1 FOR UPDATE",
        dataset_id.0
    )
    .fetch_optional(tx.conn())
    .await?;
    dataset(tx.conn(), dataset_id).await
}
