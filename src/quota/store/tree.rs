//! The tree of what has limits: institutions, their projects, their keys.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    db::{StoreError, WriteTx},
    ids::InstitutionId,
};

/// One node of it.
#[derive(Debug, Clone)]
pub(in crate::quota) struct Node {
    pub(in crate::quota) kind: String,
    /// Whose it is.
    pub(in crate::quota) institution: InstitutionId,
}

/// A node with the institution above it.
pub(in crate::quota) async fn node(
    conn: &mut PgConnection,
    id: Uuid,
) -> Result<Option<Node>, StoreError> {
    let row = sqlx::query!(
        r#"WITH RECURSIVE up AS (
               SELECT id, parent_id FROM quota_nodes WHERE id = $1
               UNION
               SELECT n.id, n.parent_id FROM quota_nodes n JOIN up ON n.id = up.parent_id)
           SELECT n.kind, up.id AS "institution!"
           FROM quota_nodes n CROSS JOIN up WHERE n.id = $1 AND up.parent_id IS NULL"#,
        id,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Node {
        kind: row.kind,
        institution: InstitutionId(row.institution),
    }))
}

pub(in crate::quota) async fn make_project(
    tx: &mut WriteTx<'_>,
    id: Uuid,
    institution: InstitutionId,
    name: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO quota_nodes (id, kind, parent_id, name) VALUES ($1, 'project', $2, $3)",
        id,
        institution.0,
        name,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in crate::quota) async fn move_key(
    tx: &mut WriteTx<'_>,
    key: Uuid,
    under: Uuid,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE quota_nodes SET parent_id = $2 WHERE id = $1 AND kind = 'key'",
        key,
        under,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
