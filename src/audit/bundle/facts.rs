//! The SQL of what a bundle holds besides the log: receipts, statements, permissions, verdicts and their policies.

use sqlx::PgConnection;

use super::{PermissionLine, PolicyLine, VerdictLine};
use crate::{db::StoreError, policy::Visibility};

/// A signed document with the name of its file.
pub(super) struct Document {
    pub(super) name: String,
    pub(super) envelope: String,
}

/// Receipts of the models that are the asker's or were made, at any depth, from the asker's data.
pub(super) async fn receipts(
    conn: &mut PgConnection,
    whose: Visibility,
) -> Result<Vec<Document>, StoreError> {
    let rows = sqlx::query!(
        "SELECT r.model_id, r.envelope
         FROM receipts r
         JOIN models m ON m.id = r.model_id
         WHERE $1::uuid IS NULL
            OR m.institution_id = $1
            OR m.id IN (
                SELECT reached.id
                FROM lineage_descendants(ARRAY(
                    SELECT v.id FROM dataset_versions v JOIN datasets d ON d.id = v.dataset_id
                    WHERE d.institution_id = $1)) reached
                WHERE reached.kind = 'model')
         ORDER BY r.model_id",
        whose.filter(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Document {
            name: format!("{}.json", row.model_id),
            envelope: row.envelope,
        })
        .collect())
}

/// What the asker was told of each month.
pub(super) async fn statements(
    conn: &mut PgConnection,
    whose: Visibility,
) -> Result<Vec<Document>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT i.slug, to_char(s.month, 'YYYY-MM') AS "month!", s.envelope
           FROM ledger_statements s
           JOIN institutions i ON i.id = s.institution_id
           WHERE $1::uuid IS NULL OR s.institution_id = $1
           ORDER BY s.month, i.slug"#,
        whose.filter(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Document {
            name: format!("{}-{}.json", row.slug, row.month),
            envelope: row.envelope,
        })
        .collect())
}

/// The terms of permissions on the asker's data.
pub(super) async fn permissions(
    conn: &mut PgConnection,
    whose: Visibility,
) -> Result<Vec<PermissionLine>, StoreError> {
    Ok(sqlx::query_as!(
        PermissionLine,
        "SELECT id, dataset_id AS dataset, layer, created_at, terms, terms_sha256
         FROM permissions
         WHERE $1::uuid IS NULL OR institution_id = $1
         ORDER BY id",
        whose.filter(),
    )
    .fetch_all(conn)
    .await?)
}

/// Verdicts on uses of the asker's data.
pub(super) async fn verdicts(
    conn: &mut PgConnection,
    whose: Visibility,
) -> Result<Vec<VerdictLine>, StoreError> {
    Ok(sqlx::query_as!(
        VerdictLine,
        r#"SELECT u.id, u.attempt_id AS attempt, u.dataset_version_id AS dataset_version, u.decided_at,
                  u.policy_sha256, u.verdict AS "verdict: serde_json::Value"
           FROM dataset_uses u
           JOIN dataset_versions v ON v.id = u.dataset_version_id
           JOIN datasets d ON d.id = v.dataset_id
           WHERE $1::uuid IS NULL OR d.institution_id = $1
           ORDER BY u.id"#,
        whose.filter(),
    )
    .fetch_all(conn)
    .await?)
}

/// The policies that those verdicts were made from.
pub(super) async fn policies(
    conn: &mut PgConnection,
    whose: Visibility,
) -> Result<Vec<PolicyLine>, StoreError> {
    Ok(sqlx::query_as!(
        PolicyLine,
        "SELECT sha256, canonical FROM policies
         WHERE sha256 IN (
             SELECT u.policy_sha256
             FROM dataset_uses u
             JOIN dataset_versions v ON v.id = u.dataset_version_id
             JOIN datasets d ON d.id = v.dataset_id
             WHERE $1::uuid IS NULL OR d.institution_id = $1)
         ORDER BY sha256",
        whose.filter(),
    )
    .fetch_all(conn)
    .await?)
}
