//! Reading counters and records.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use sqlx::PgConnection;

use crate::{db::StoreError, ids::ApiKeyId, policy::Visibility};

/// What a key spent and has set aside on one day.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::keys) struct Today {
    pub(in crate::keys) used: i64,
    pub(in crate::keys) reserved: i64,
    pub(in crate::keys) requests: i64,
}

/// One day, key and model.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) day: NaiveDate,
    pub(super) key: uuid::Uuid,
    pub(super) key_name: String,
    pub(super) institution: String,
    pub(super) model: String,
    pub(super) requests: i64,
    pub(super) prompt_tokens: i64,
    pub(super) completion_tokens: i64,
}

impl Row {
    pub(super) fn tokens(&self) -> i64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}

/// Most rows of one answer.
const MOST_ROWS: i64 = 20_000;

/// The counters of one key.
pub(in crate::keys) async fn of_key(
    conn: &mut PgConnection,
    key: ApiKeyId,
    day: NaiveDate,
) -> Result<Today, StoreError> {
    let row = sqlx::query_as!(
        Today,
        "SELECT used_tokens AS used, reserved_tokens AS reserved, requests FROM key_days
         WHERE api_key_id = $1 AND day = $2",
        key.0,
        day,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.unwrap_or_default())
}

/// The counters of all keys that may be seen.
pub(in crate::keys) async fn of_day(
    conn: &mut PgConnection,
    visibility: Visibility,
    day: NaiveDate,
) -> Result<BTreeMap<ApiKeyId, Today>, StoreError> {
    let rows = sqlx::query!(
        "SELECT d.api_key_id, d.used_tokens, d.reserved_tokens, d.requests
         FROM key_days d JOIN api_keys k ON k.id = d.api_key_id
         WHERE d.day = $1 AND ($2::uuid IS NULL OR k.institution_id = $2)",
        day,
        visibility.filter(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let today = Today {
                used: row.used_tokens,
                reserved: row.reserved_tokens,
                requests: row.requests,
            };
            (ApiKeyId(row.api_key_id), today)
        })
        .collect())
}

/// What was used from `since` to `until`, by day, key and model; newest day first.
pub(super) async fn rows(
    conn: &mut PgConnection,
    visibility: Visibility,
    (since, until): (NaiveDate, NaiveDate),
    key: Option<ApiKeyId>,
) -> Result<Vec<Row>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT r.day, k.id AS key, k.name AS key_name, i.name AS institution, m.name AS model,
                  count(*) AS "requests!", sum(r.prompt_tokens)::bigint AS "prompt_tokens!",
                  sum(r.completion_tokens)::bigint AS "completion_tokens!"
           FROM usage_records r
           JOIN api_keys k ON k.id = r.api_key_id
           JOIN institutions i ON i.id = r.institution_id
           JOIN models m ON m.id = r.model_id
           WHERE r.day BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR r.institution_id = $3)
             AND ($4::uuid IS NULL OR r.api_key_id = $4)
           GROUP BY r.day, k.id, k.name, i.name, m.name
           ORDER BY r.day DESC, k.name, k.id, m.name LIMIT $5"#,
        since,
        until,
        visibility.filter(),
        key.map(|key| key.0),
        MOST_ROWS,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}
