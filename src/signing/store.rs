//! The SQL of signing keys.

use attestation::{PublishedKey, PublishedKeys};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::db::{StoreError, WriteTx};

/// Every key that ever signed, the newest first.
///
/// # Errors
/// Where the database is away.
pub async fn published(conn: &mut PgConnection) -> Result<PublishedKeys, StoreError> {
    let rows = sqlx::query!(
        "SELECT keyid, public_key, valid_from, valid_until, revoked_at, revoked_reason
         FROM signing_keys ORDER BY valid_from DESC, id DESC"
    )
    .fetch_all(conn)
    .await?;
    Ok(PublishedKeys {
        keys: rows
            .into_iter()
            .map(|row| PublishedKey {
                keyid: row.keyid,
                algorithm: "ed25519".to_owned(),
                public_key: row.public_key,
                valid_from: row.valid_from,
                valid_until: row.valid_until,
                revoked_at: row.revoked_at,
                revoked_reason: row.revoked_reason,
            })
            .collect(),
    })
}

/// All keys, kept from changing until the transaction ends; whoever is signing is waited for.
pub(super) async fn lock(tx: &mut WriteTx<'_>) -> Result<PublishedKeys, StoreError> {
    // Against a second process that starts at the same time with an empty table.
    sqlx::query!("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE")
        .execute(tx.conn())
        .await?;
    sqlx::query!("SELECT id FROM signing_keys ORDER BY id FOR UPDATE")
        .fetch_all(tx.conn())
        .await?;
    published(tx.conn()).await
}

/// The earliest receipt: what the first key has signed before its own row was there.
pub(super) async fn first_receipt(
    tx: &mut WriteTx<'_>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    Ok(sqlx::query_scalar!("SELECT min(created_at) FROM receipts")
        .fetch_one(tx.conn())
        .await?)
}

pub(super) async fn insert(
    tx: &mut WriteTx<'_>,
    id: uuid::Uuid,
    (keyid, public_key): (&str, &str),
    valid_from: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO signing_keys (id, keyid, public_key, valid_from) VALUES ($1, $2, $3, $4)",
        id,
        keyid,
        public_key,
        valid_from,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn close(
    tx: &mut WriteTx<'_>,
    keyid: &str,
    valid_until: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE signing_keys SET valid_until = $2 WHERE keyid = $1",
        keyid,
        valid_until,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn revoke(
    tx: &mut WriteTx<'_>,
    keyid: &str,
    since: DateTime<Utc>,
    reason: &str,
) -> Result<uuid::Uuid, StoreError> {
    let id = sqlx::query_scalar!(
        "UPDATE signing_keys SET revoked_at = $2, revoked_reason = $3 WHERE keyid = $1 RETURNING id",
        keyid,
        since,
        reason,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(id)
}
