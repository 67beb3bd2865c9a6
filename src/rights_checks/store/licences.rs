//! Registered licences, each with its date.

use sqlx::PgConnection;

use super::super::history::LicenceFact;
use crate::{
    db::{StoreError, WriteTx},
    ids::DatasetId,
    permissions,
};

/// Every licence that was registered, oldest first.
pub(in super::super) async fn licences(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Vec<LicenceFact>, StoreError> {
    let rows = sqlx::query!(
        "SELECT f.license, f.expression, f.reason, f.said_at, u.name
         FROM licence_facts f JOIN users u ON u.id = f.said_by
         WHERE f.dataset_id = $1 ORDER BY f.said_at, f.id",
        dataset.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| LicenceFact {
            license: row.license,
            expression: row.expression,
            reason: row.reason,
            said_by: row.name,
            said_at: row.said_at,
        })
        .collect())
}

pub(in super::super) async fn newest_licence(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        "SELECT license FROM licence_facts WHERE dataset_id = $1 ORDER BY said_at DESC, id DESC LIMIT 1",
        dataset.0,
    )
    .fetch_optional(conn)
    .await?)
}

pub(in super::super) async fn insert_licence(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
    (license, expression): (&str, &str),
    reason: &str,
) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    // What it means stands beside it, for rules of the database that read flags and never names.
    let flags = permissions::licence_flags(license)
        .map(serde_json::to_value)
        .transpose()
        .map_err(|e| sqlx::Error::Encode(e.into()))?;
    sqlx::query!(
        "INSERT INTO licence_facts (id, dataset_id, license, expression, reason, said_by, said_at, flags)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        uuid::Uuid::now_v7(),
        dataset.0,
        license,
        expression,
        reason,
        user.0,
        now,
        flags,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Shows the newest in the row of the dataset.
pub(in super::super) async fn set_licence(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
    license: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE datasets SET license = $2 WHERE id = $1",
        dataset.0,
        license,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
