//! Reading what was used, by day.

use chrono::{DateTime, NaiveDate, Utc};
use quota::Window;
use sqlx::PgConnection;

use super::pace::{DAYS_LOOKED_AT, NodeKind, Pace};
use crate::{
    db::{CorruptRow, StoreError},
    ids::{ApiKeyId, InstitutionId, UserId},
    policy::Visibility,
};

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
    /// In millionths of a unit.
    pub(super) cost_micros: i64,
}

impl Row {
    pub(super) fn tokens(&self) -> i64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}

/// Most rows of one answer.
const MOST_ROWS: i64 = 20_000;

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
                  r.requests, r.prompt_tokens, r.completion_tokens, r.cost_micros
           FROM usage_days r
           JOIN api_keys k ON k.id = r.api_key_id
           JOIN institutions i ON i.id = r.institution_id
           JOIN models m ON m.id = r.model_id
           WHERE r.day BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR r.institution_id = $3)
             AND ($4::uuid IS NULL OR r.api_key_id = $4)
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

/// The limits on tokens of days and months that may be seen, with how far they are used; those that are used the furthest first.
pub(super) async fn paces(
    conn: &mut PgConnection,
    visibility: Visibility,
    now: DateTime<Utc>,
    least_percent: f64,
) -> Result<Vec<Pace>, StoreError> {
    let (day, month) = (Window::Day.start(now), Window::Month.start(now));
    let rows = sqlx::query!(
        r#"SELECT l.node_id, n.kind, coalesce(n.name, k.name, i.name) AS "name!", i.id AS institution_id,
                  k.requested_by AS "requested_by?", l.period, w.starts_at AS "starts_at!", l.cap,
                  coalesce(c.used, 0) AS "used!",
                  coalesce((SELECT sum(b.used) FROM quota_counters b
                            WHERE b.node_id = l.node_id AND b.measure = 'tokens' AND b.period = 'day'
                              AND b.starts_at < $2 AND b.starts_at >= $2 - make_interval(days => $4)), 0)::bigint
                      AS "last_days!"
           FROM quota_limits l
           JOIN quota_nodes n ON n.id = l.node_id
           LEFT JOIN api_keys k ON k.id = n.id
           JOIN institutions i ON i.id = CASE n.kind WHEN 'institution' THEN n.id WHEN 'project' THEN n.parent_id
                                              ELSE k.institution_id END
           JOIN (VALUES ('day', $2::timestamptz), ('month', $3::timestamptz)) AS w (period, starts_at)
               ON w.period = l.period
           LEFT JOIN quota_counters c ON c.node_id = l.node_id AND c.measure = 'tokens' AND c.period = l.period
               AND c.starts_at = w.starts_at
           WHERE l.measure = 'tokens' AND ($1::uuid IS NULL OR i.id = $1) AND (k.id IS NULL OR k.status = 'active')
             AND coalesce(c.used, 0)::float8 * 100 >= l.cap::float8 * $5
           ORDER BY coalesce(c.used, 0)::float8 / greatest(l.cap, 1) DESC, l.node_id LIMIT $6"#,
        visibility.filter(),
        day,
        month,
        i32::try_from(DAYS_LOOKED_AT).unwrap_or(7),
        least_percent,
        MOST_ROWS,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = |problem| CorruptRow {
                table: "quota_limits",
                id: row.node_id,
                problem,
            };
            Ok(Pace {
                node: row.node_id,
                kind: NodeKind::parse(&row.kind).ok_or(corrupt("unknown kind of node"))?,
                name: row.name,
                institution: InstitutionId(row.institution_id),
                requested_by: row.requested_by.map(UserId),
                window: Window::parse(&row.period).ok_or(corrupt("unknown period"))?,
                starts_at: row.starts_at,
                used: row.used,
                cap: row.cap,
                last_days: row.last_days,
            })
        })
        .collect()
}

/// Id, kind and name of a key's node and of all above it, upwards.
pub(super) async fn nodes_over(
    conn: &mut PgConnection,
    key: ApiKeyId,
) -> Result<Vec<(uuid::Uuid, String, String)>, StoreError> {
    let rows = sqlx::query!(
        r#"WITH RECURSIVE up AS (
               SELECT id, parent_id, 0 AS height FROM quota_nodes WHERE id = $1
               UNION
               SELECT n.id, n.parent_id, up.height + 1 FROM quota_nodes n JOIN up ON n.id = up.parent_id)
           SELECT n.id, n.kind, coalesce(n.name, k.name, i.name, '') AS "name!"
           FROM up JOIN quota_nodes n ON n.id = up.id
           LEFT JOIN api_keys k ON k.id = n.id
           LEFT JOIN institutions i ON i.id = n.id
           ORDER BY up.height"#,
        key.0,
    )
    .fetch_all(conn)
    .await?;
    let nodes = rows.into_iter().map(|row| (row.id, row.kind, row.name));
    Ok(nodes.collect())
}
