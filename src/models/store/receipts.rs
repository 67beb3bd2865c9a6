//! Receipts of models, and what they are made from.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::super::provenance::AuditPosition;
use crate::{
    db::{StoreError, WriteTx},
    ids::ModelId,
};

pub(in super::super) async fn insert_receipt(
    tx: &mut WriteTx<'_>,
    model: ModelId,
    (envelope, statement_sha256): (&str, &str),
    keyid: &str,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO receipts (model_id, envelope, statement_sha256, created_at, keyid) VALUES ($1, $2, $3, $4, $5)",
        model.0,
        envelope,
        statement_sha256,
        now,
        keyid,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The receipt of a model, as it was signed.
///
/// # Errors
/// Where the database is away.
pub async fn receipt(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<Option<String>, StoreError> {
    let row = sqlx::query_scalar!("SELECT envelope FROM receipts WHERE model_id = $1", model.0)
        .fetch_optional(conn)
        .await?;
    Ok(row)
}

/// A receipt with the moment at which it was signed.
pub(in super::super) async fn receipt_row(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<Option<(String, DateTime<Utc>)>, StoreError> {
    let row = sqlx::query!(
        "SELECT envelope, created_at FROM receipts WHERE model_id = $1",
        model.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.envelope, row.created_at)))
}

/// How far the audit log is.
pub(in super::super) async fn audit_position(
    tx: &mut WriteTx<'_>,
) -> Result<AuditPosition, StoreError> {
    let last =
        sqlx::query!("SELECT seq, hash FROM events WHERE seq = (SELECT seq FROM audit_head)")
            .fetch_optional(tx.conn())
            .await?;
    // Before the first line there is nothing to name: number 0, and no hash.
    Ok(last.map_or_else(
        || AuditPosition {
            seq: 0,
            hash: String::new(),
        },
        |last| AuditPosition {
            seq: last.seq,
            hash: data_encoding::HEXLOWER.encode(&last.hash),
        },
    ))
}

/// The terms of a permission, as the text that was hashed.
pub(in super::super) async fn terms(
    conn: &mut PgConnection,
    permission: uuid::Uuid,
) -> Result<Option<String>, StoreError> {
    let terms = sqlx::query_scalar!("SELECT terms FROM permissions WHERE id = $1", permission)
        .fetch_optional(conn)
        .await?;
    Ok(terms)
}
