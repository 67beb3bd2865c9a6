//! The SQL of the secrets of keys.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::networks;
use crate::{
    db::{StoreError, WriteTx},
    ids::{ApiKeyId, InstitutionId, ModelId, UserId},
    keys::holder::Holder,
};

/// The key's first secret: from now on it is in use.
pub(in crate::keys) async fn save_secret(
    tx: &mut WriteTx<'_>,
    id: ApiKeyId,
    secret: (&str, &[u8]),
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "UPDATE api_keys SET status = 'active', shown_at = $2 WHERE id = $1",
        id.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    insert_secret(tx, id, secret).await
}

/// Another secret; those of before end at `ends_at`, or earlier where they were to.
pub(in crate::keys) async fn rotate_secret(
    tx: &mut WriteTx<'_>,
    id: ApiKeyId,
    (public_id, hmac): (&str, &[u8]),
    ends_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE api_key_secrets SET ends_at = least(ends_at, $2) WHERE api_key_id = $1",
        id.0,
        ends_at,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "UPDATE api_keys SET public_id = $2 WHERE id = $1",
        id.0,
        public_id,
    )
    .execute(tx.conn())
    .await?;
    insert_secret(tx, id, (public_id, hmac)).await
}

async fn insert_secret(
    tx: &mut WriteTx<'_>,
    id: ApiKeyId,
    (public_id, hmac): (&str, &[u8]),
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO api_key_secrets (public_id, api_key_id, hmac, shown_at) VALUES ($1, $2, $3, $4)",
        public_id,
        id.0,
        hmac,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// When the secrets that were rotated away end, where they answer still.
pub(in crate::keys) async fn ending_secrets(
    conn: &mut PgConnection,
    id: ApiKeyId,
    now: DateTime<Utc>,
) -> Result<Vec<(String, DateTime<Utc>)>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT public_id, ends_at AS "ends_at!" FROM api_key_secrets
           WHERE api_key_id = $1 AND ends_at > $2 ORDER BY ends_at"#,
        id.0,
        now,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.public_id, row.ends_at))
        .collect())
}

/// The key of a secret's readable part and the stored HMAC, whatever became of the key.
pub(in crate::keys) async fn find_secret(
    conn: &mut PgConnection,
    public_id: &str,
) -> Result<Option<(ApiKeyId, Vec<u8>)>, StoreError> {
    let row = sqlx::query!(
        "SELECT api_key_id, hmac FROM api_key_secrets WHERE public_id = $1",
        public_id,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (ApiKeyId(row.api_key_id), row.hmac)))
}

/// An active key with its stored HMAC, until when it holds.
pub(in crate::keys) struct Active {
    pub(in crate::keys) hmac: Vec<u8>,
    pub(in crate::keys) holder: Holder,
    pub(in crate::keys) expires_at: DateTime<Utc>,
}

/// The active keys with these public ids.
pub(in crate::keys) async fn find_active(
    conn: &mut PgConnection,
    public_ids: &[String],
    now: DateTime<Utc>,
) -> Result<Vec<(String, Active)>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT s.public_id, s.hmac, least(k.expires_at, s.ends_at) AS "expires_at!", k.id, k.institution_id,
                  k.requested_by, k.may_infer, k.may_fine_tune, k.is_commercial,
                  k.allowed_networks::text[] AS "allowed_networks!",
                  ARRAY(SELECT model_id FROM api_key_models WHERE api_key_id = k.id) AS "models!"
           FROM api_key_secrets s JOIN api_keys k ON k.id = s.api_key_id
           JOIN institutions i ON i.id = k.institution_id
           WHERE s.public_id = ANY($1) AND least(k.expires_at, s.ends_at) > $2
             AND k.status = 'active' AND i.status = 'active'"#,
        public_ids,
        now,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let holder = Holder {
                key: ApiKeyId(row.id),
                institution: InstitutionId(row.institution_id),
                requested_by: UserId(row.requested_by),
                may_infer: row.may_infer,
                may_fine_tune: row.may_fine_tune,
                is_commercial: row.is_commercial,
                allowed_networks: networks(row.id, &row.allowed_networks)?,
                models: row.models.into_iter().map(ModelId).collect(),
            };
            let active = Active {
                hmac: row.hmac,
                holder,
                expires_at: row.expires_at,
            };
            Ok((row.public_id, active))
        })
        .collect()
}
