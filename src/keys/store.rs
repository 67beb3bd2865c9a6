//! The SQL of keys.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    authenticate::Holder,
    key::{Key, KeyModel, Limits, Status},
};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{ApiKeyId, InstitutionId, ModelId, UserId},
    policy::Visibility,
};

struct Row {
    id: Uuid,
    public_id: String,
    institution_id: Uuid,
    institution_name: String,
    name: String,
    purpose: String,
    is_commercial: bool,
    may_fine_tune: bool,
    tokens_per_day: i64,
    requests_per_minute: i32,
    status: String,
    requested_by: Uuid,
    requester_name: String,
    requested_at: DateTime<Utc>,
    decider_name: Option<String>,
    decided_at: Option<DateTime<Utc>>,
    reason: Option<String>,
    expires_at: DateTime<Utc>,
    revoked_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
    model_ids: Vec<Uuid>,
    model_names: Vec<String>,
    withdrawn_models: Vec<Uuid>,
}

impl TryFrom<Row> for Key {
    type Error = CorruptRow;

    fn try_from(row: Row) -> Result<Self, CorruptRow> {
        Ok(Self {
            id: ApiKeyId(row.id),
            public_id: row.public_id,
            institution: InstitutionId(row.institution_id),
            institution_name: row.institution_name,
            name: row.name,
            purpose: row.purpose,
            is_commercial: row.is_commercial,
            may_fine_tune: row.may_fine_tune,
            limits: Limits {
                tokens_per_day: row.tokens_per_day,
                requests_per_minute: row.requests_per_minute,
            },
            status: Status::parse(&row.status).ok_or(CorruptRow {
                table: "api_keys",
                id: row.id,
                problem: "unknown status",
            })?,
            models: row
                .model_ids
                .into_iter()
                .zip(row.model_names)
                .map(|(id, name)| KeyModel {
                    id: ModelId(id),
                    name,
                    is_withdrawn: row.withdrawn_models.contains(&id),
                })
                .collect(),
            requested_by: UserId(row.requested_by),
            requester_name: row.requester_name,
            requested_at: row.requested_at,
            decider_name: row.decider_name,
            decided_at: row.decided_at,
            reason: row.reason,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
        })
    }
}

/// Most keys of one list.
const MOST_LISTED: i64 = 500;

/// Keys that pass the filters, newest first.
struct Filter<'a> {
    visibility: Visibility,
    id: Option<ApiKeyId>,
    /// Empty: any.
    statuses: &'a [String],
}

async fn select(conn: &mut PgConnection, filter: Filter<'_>) -> Result<Vec<Key>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT k.id, k.public_id, k.institution_id, i.name AS institution_name, k.name, k.purpose,
                  k.is_commercial, k.may_fine_tune, k.tokens_per_day, k.requests_per_minute, k.status, k.requested_by,
                  u.name AS requester_name, k.requested_at, d.name AS "decider_name?", k.decided_at, k.reason,
                  k.expires_at, k.revoked_at, k.last_used_at,
                  ARRAY(SELECT m.id FROM api_key_models km JOIN models m ON m.id = km.model_id
                        WHERE km.api_key_id = k.id ORDER BY m.name) AS "model_ids!",
                  ARRAY(SELECT m.name FROM api_key_models km JOIN models m ON m.id = km.model_id
                        WHERE km.api_key_id = k.id ORDER BY m.name) AS "model_names!",
                  ARRAY(SELECT m.id FROM api_key_models km JOIN models m ON m.id = km.model_id
                        WHERE km.api_key_id = k.id AND m.quarantined_at IS NOT NULL) AS "withdrawn_models!"
           FROM api_keys k
           JOIN institutions i ON i.id = k.institution_id
           JOIN users u ON u.id = k.requested_by
           LEFT JOIN users d ON d.id = k.decided_by
           WHERE ($1::uuid IS NULL OR k.institution_id = $1)
             AND ($2::uuid IS NULL OR k.id = $2)
             AND (cardinality($3::text[]) = 0 OR k.status = ANY($3))
           ORDER BY k.id DESC LIMIT $4"#,
        filter.visibility.filter(),
        filter.id.map(|id| id.0),
        filter.statuses,
        MOST_LISTED,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok(Key::try_from(row)?))
        .collect()
}

pub(super) async fn find(conn: &mut PgConnection, id: ApiKeyId) -> Result<Option<Key>, StoreError> {
    let filter = Filter {
        visibility: Visibility::All,
        id: Some(id),
        statuses: &[],
    };
    Ok(select(conn, filter).await?.pop())
}

pub(super) async fn list(
    conn: &mut PgConnection,
    visibility: Visibility,
) -> Result<Vec<Key>, StoreError> {
    let filter = Filter {
        visibility,
        id: None,
        statuses: &[],
    };
    select(conn, filter).await
}

/// Keys that wait for a person, oldest first.
pub(super) async fn list_waiting(
    conn: &mut PgConnection,
    visibility: Visibility,
) -> Result<Vec<Key>, StoreError> {
    let filter = Filter {
        visibility,
        id: None,
        statuses: &[
            Status::Requested.name().to_owned(),
            Status::Approved.name().to_owned(),
        ],
    };
    let mut keys = select(conn, filter).await?;
    keys.reverse();
    Ok(keys)
}

/// One key, kept from changing until the transaction ends.
pub(super) async fn lock(tx: &mut WriteTx<'_>, id: ApiKeyId) -> Result<Option<Key>, StoreError> {
    sqlx::query!("SELECT id FROM api_keys WHERE id = $1 FOR UPDATE", id.0)
        .fetch_optional(tx.conn())
        .await?;
    find(tx.conn(), id).await
}

pub(super) async fn insert(
    tx: &mut WriteTx<'_>,
    key: &Key,
    models: &[ModelId],
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO api_keys (id, public_id, institution_id, name, purpose, is_commercial, tokens_per_day,
             requests_per_minute, status, requested_by, requested_at, expires_at, may_fine_tune)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        key.id.0,
        key.public_id,
        key.institution.0,
        key.name,
        key.purpose,
        key.is_commercial,
        key.limits.tokens_per_day,
        key.limits.requests_per_minute,
        key.status.name(),
        key.requested_by.0,
        key.requested_at,
        key.expires_at,
        key.may_fine_tune,
    )
    .execute(tx.conn())
    .await?;
    let models: Vec<Uuid> = models.iter().map(|model| model.0).collect();
    sqlx::query!(
        "INSERT INTO api_key_models (api_key_id, model_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING",
        key.id.0,
        &models,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn save_decision(
    tx: &mut WriteTx<'_>,
    id: ApiKeyId,
    status: Status,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "UPDATE api_keys SET status = $2, decided_by = $3, decided_at = $4, reason = $5 WHERE id = $1",
        id.0,
        status.name(),
        actor.user.0,
        now,
        reason,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn save_secret(
    tx: &mut WriteTx<'_>,
    id: ApiKeyId,
    hmac: &[u8],
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "UPDATE api_keys SET status = 'active', secret_hmac = $2, shown_at = $3 WHERE id = $1",
        id.0,
        hmac,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn save_revoked(tx: &mut WriteTx<'_>, id: ApiKeyId) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "UPDATE api_keys SET status = 'revoked', revoked_at = $2 WHERE id = $1",
        id.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The stored HMAC and the holder of an active key.
pub(super) async fn find_active(
    conn: &mut PgConnection,
    public_id: &str,
    now: DateTime<Utc>,
) -> Result<Option<(Vec<u8>, Holder)>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT k.id, k.institution_id, k.requested_by, k.may_fine_tune, k.is_commercial, k.tokens_per_day, k.requests_per_minute, k.secret_hmac,
                  ARRAY(SELECT model_id FROM api_key_models WHERE api_key_id = k.id) AS "models!"
           FROM api_keys k JOIN institutions i ON i.id = k.institution_id
           WHERE k.public_id = $1 AND k.status = 'active' AND k.expires_at > $2 AND i.status = 'active'"#,
        public_id,
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.and_then(|row| {
        let holder = Holder {
            key: ApiKeyId(row.id),
            institution: InstitutionId(row.institution_id),
            requested_by: UserId(row.requested_by),
            may_fine_tune: row.may_fine_tune,
            is_commercial: row.is_commercial,
            limits: Limits {
                tokens_per_day: row.tokens_per_day,
                requests_per_minute: row.requests_per_minute,
            },
            models: row.models.into_iter().map(ModelId).collect(),
        };
        Some((row.secret_hmac?, holder))
    }))
}
