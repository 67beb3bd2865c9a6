//! The SQL of counters, reservations and records.
//!
//! Locks are taken in one order everywhere: minute or reservation, then day, then key.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    ledger::Day,
    reserve::{NewReservation, Renewal},
    settle::{Expired, Settlement},
};
use crate::{
    db::{MeterTx, StoreError},
    ids::{ApiKeyId, RequestId},
    keys::Limits,
};

/// A reservation that this transaction settles.
pub(super) struct Taken {
    pub(super) key: ApiKeyId,
    pub(super) tokens: i64,
    day: NaiveDate,
    model: Uuid,
    is_streamed: bool,
    created_at: DateTime<Utc>,
}

/// Counts a request; answers how many this makes in the minute, or none where there are too many.
pub(super) async fn count_request(
    tx: &mut MeterTx,
    key: ApiKeyId,
    minute: DateTime<Utc>,
    limits: Limits,
) -> Result<Option<i32>, StoreError> {
    let count = sqlx::query_scalar!(
        "INSERT INTO key_minutes AS m (api_key_id, minute, requests) VALUES ($1, $2, 1)
         ON CONFLICT (api_key_id, minute) DO UPDATE SET requests = m.requests + 1 WHERE m.requests < $3
         RETURNING requests",
        key.0,
        minute,
        limits.requests_per_minute,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(count)
}

pub(super) async fn requests_of_minute(
    conn: &mut PgConnection,
    key: ApiKeyId,
    minute: DateTime<Utc>,
) -> Result<i32, StoreError> {
    let count = sqlx::query_scalar!(
        "SELECT requests FROM key_minutes WHERE api_key_id = $1 AND minute = $2",
        key.0,
        minute,
    )
    .fetch_optional(conn)
    .await?;
    Ok(count.unwrap_or_default())
}

pub(super) async fn day(
    conn: &mut PgConnection,
    key: ApiKeyId,
    day: NaiveDate,
    limit: i64,
) -> Result<Day, StoreError> {
    let row = sqlx::query!(
        "SELECT used_tokens, reserved_tokens FROM key_days WHERE api_key_id = $1 AND day = $2",
        key.0,
        day,
    )
    .fetch_optional(conn)
    .await?;
    Ok(Day {
        limit,
        used: row.as_ref().map_or(0, |row| row.used_tokens),
        reserved: row.as_ref().map_or(0, |row| row.reserved_tokens),
    })
}

/// The key's day, kept from changing until the transaction ends.
pub(super) async fn lock_day(
    tx: &mut MeterTx,
    key: ApiKeyId,
    day: NaiveDate,
    limit: i64,
) -> Result<Day, StoreError> {
    sqlx::query!(
        "INSERT INTO key_days (api_key_id, day) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        key.0,
        day,
    )
    .execute(tx.conn())
    .await?;
    let row = sqlx::query!(
        "SELECT used_tokens, reserved_tokens FROM key_days WHERE api_key_id = $1 AND day = $2 FOR UPDATE",
        key.0,
        day,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(Day {
        limit,
        used: row.used_tokens,
        reserved: row.reserved_tokens,
    })
}

pub(super) async fn add_reserved(
    tx: &mut MeterTx,
    key: ApiKeyId,
    day: NaiveDate,
    tokens: i64,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE key_days SET reserved_tokens = reserved_tokens + $3, requests = requests + 1
         WHERE api_key_id = $1 AND day = $2",
        key.0,
        day,
        tokens,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn insert_reservation(
    tx: &mut MeterTx,
    key: ApiKeyId,
    day: NaiveDate,
    new: &NewReservation<'_>,
    tokens: i64,
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO reservations (request_id, api_key_id, day, tokens, model_id, upstream, is_streamed,
             created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.request.0,
        key.0,
        day,
        tokens,
        new.model.0,
        new.upstream,
        new.is_streamed,
        now,
        expires_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Moves the end of a reservation whose key is still active and whose model is in use; else why not.
pub(super) async fn renew(
    tx: &mut MeterTx,
    request: RequestId,
    until: DateTime<Utc>,
) -> Result<Renewal, StoreError> {
    let done = sqlx::query!(
        "UPDATE reservations r SET expires_at = $2 FROM api_keys k, models m
         WHERE r.request_id = $1 AND k.id = r.api_key_id AND k.status = 'active'
           AND m.id = r.model_id AND m.quarantined_at IS NULL AND m.status <> 'retired'",
        request.0,
        until,
    )
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 1 {
        return Ok(Renewal::Held);
    }
    let model = sqlx::query!(
        r#"SELECT m.quarantined_at IS NOT NULL AS "is_quarantined!", m.status = 'retired' AS "is_retired!"
           FROM reservations r JOIN models m ON m.id = r.model_id WHERE r.request_id = $1"#,
        request.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(match model {
        Some(model) if model.is_quarantined => Renewal::ModelWithdrawn,
        Some(model) if model.is_retired => Renewal::ModelRetired,
        Some(_) | None => Renewal::Lost,
    })
}

/// Deletes a reservation; with `expired_before` only one that was not renewed until then.
pub(super) async fn take_reservation(
    tx: &mut MeterTx,
    request: RequestId,
    expired_before: Option<DateTime<Utc>>,
) -> Result<Option<Taken>, StoreError> {
    let row = sqlx::query!(
        "DELETE FROM reservations WHERE request_id = $1 AND ($2::timestamptz IS NULL OR expires_at < $2)
         RETURNING api_key_id, tokens, day, model_id, is_streamed, created_at",
        request.0,
        expired_before,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| Taken {
        key: ApiKeyId(row.api_key_id),
        tokens: row.tokens,
        day: row.day,
        model: row.model_id,
        is_streamed: row.is_streamed,
        created_at: row.created_at,
    }))
}

pub(super) async fn book(tx: &mut MeterTx, taken: &Taken, actual: i64) -> Result<(), StoreError> {
    let mut day = lock_day(tx, taken.key, taken.day, 0).await?;
    day.settle(taken.tokens, actual);
    sqlx::query!(
        "UPDATE key_days SET reserved_tokens = $3, used_tokens = $4 WHERE api_key_id = $1 AND day = $2",
        taken.key.0,
        taken.day,
        day.reserved,
        day.used,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn insert_record(
    tx: &mut MeterTx,
    request: RequestId,
    taken: &Taken,
    settlement: Settlement,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO usage_records (request_id, api_key_id, institution_id, model_id, day, prompt_tokens,
             completion_tokens, outcome, is_streamed, started_at, ended_at)
         SELECT $1, k.id, k.institution_id, $3, $4, $5, $6, $7, $8, $9, $10 FROM api_keys k WHERE k.id = $2",
        request.0,
        taken.key.0,
        taken.model,
        taken.day,
        settlement.prompt_tokens,
        settlement.completion_tokens,
        settlement.outcome.name(),
        taken.is_streamed,
        taken.created_at,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes when a key was last used, at most once a minute.
pub(super) async fn note_use(tx: &mut MeterTx, key: ApiKeyId) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "UPDATE api_keys SET last_used_at = $2
         WHERE id = $1 AND (last_used_at IS NULL OR last_used_at + interval '1 minute' < $2)",
        key.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn expired(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Expired>, StoreError> {
    let rows = sqlx::query!(
        "SELECT request_id, tokens, upstream, expires_at FROM reservations
         WHERE expires_at < $1 ORDER BY expires_at LIMIT $2",
        now,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Expired {
            request: RequestId(row.request_id),
            tokens: row.tokens,
            upstream: row.upstream,
            expires_at: row.expires_at,
        })
        .collect())
}

pub(super) async fn forget_minutes(
    tx: &mut MeterTx,
    before: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM key_minutes WHERE minute < $1", before)
        .execute(tx.conn())
        .await?;
    Ok(())
}
