//! Reading what was used, by day.

use chrono::{DateTime, NaiveDate, Utc};
use quota::Window;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    own::UsedOfModel,
    pace::{DAYS_LOOKED_AT, NodeKind, Pace},
    which::{Grouping, Place, Which},
};
use crate::{
    db::{CorruptRow, StoreError},
    ids::{ApiKeyId, InstitutionId, UserId},
    policy::Visibility,
};

/// One day, key, model and project.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) day: NaiveDate,
    pub(super) key: Uuid,
    pub(super) key_name: String,
    pub(super) institution_id: Uuid,
    pub(super) institution: String,
    /// None: the key stood right under its institution.
    pub(super) project_id: Option<Uuid>,
    pub(super) project: Option<String>,
    pub(super) model_id: Uuid,
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

    pub(super) fn place(&self) -> Place {
        Place {
            day: self.day,
            key: self.key,
            model: self.model_id,
            project: self.project_id,
        }
    }
}

/// At most `most` rows behind `after`, newest day first.
pub(super) async fn rows(
    conn: &mut PgConnection,
    which: &Which,
    after: Option<Place>,
    most: i64,
) -> Result<Vec<Row>, StoreError> {
    let (since, until) = which.days;
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT r.day, k.id AS key, k.name AS key_name, i.id AS institution_id, i.name AS institution,
                  r.project_id, p.name AS "project?", m.id AS model_id, m.name AS model,
                  r.requests, r.prompt_tokens, r.completion_tokens, r.cost_micros
           FROM usage_days r
           JOIN api_keys k ON k.id = r.api_key_id
           JOIN institutions i ON i.id = r.institution_id
           JOIN models m ON m.id = r.model_id
           LEFT JOIN quota_nodes p ON p.id = r.project_id
           WHERE r.day BETWEEN $1 AND least($2::date, $6::date) AND ($3::uuid IS NULL OR r.institution_id = $3)
             AND ($4::uuid IS NULL OR r.api_key_id = $4) AND ($5::uuid IS NULL OR r.project_id = $5)
             AND ($6::date IS NULL OR r.day < $6
                 OR (r.api_key_id, r.model_id, coalesce(r.project_id, '00000000-0000-0000-0000-000000000000'))
                     > ($7::uuid, $8::uuid, coalesce($9::uuid, '00000000-0000-0000-0000-000000000000')))
           ORDER BY r.day DESC, r.api_key_id, r.model_id,
                    coalesce(r.project_id, '00000000-0000-0000-0000-000000000000')
           LIMIT $10"#,
        since,
        until,
        which.visibility.filter(),
        which.key.map(|key| key.0),
        which.project,
        after.map(|place| place.day),
        after.map(|place| place.key),
        after.map(|place| place.model),
        after.and_then(|place| place.project),
        most,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Tokens of each day on which there were any.
pub(super) async fn days(
    conn: &mut PgConnection,
    which: &Which,
) -> Result<Vec<(NaiveDate, i64)>, StoreError> {
    let (since, until) = which.days;
    let rows = sqlx::query!(
        r#"SELECT day, sum(prompt_tokens + completion_tokens)::bigint AS "tokens!"
           FROM usage_days
           WHERE day BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR institution_id = $3)
             AND ($4::uuid IS NULL OR api_key_id = $4) AND ($5::uuid IS NULL OR project_id = $5)
           GROUP BY day"#,
        since,
        until,
        which.visibility.filter(),
        which.key.map(|key| key.0),
        which.project,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.day, row.tokens)).collect())
}

/// What one institution, project, key or model used.
#[derive(Debug, Clone)]
pub(super) struct Sum {
    /// None, as its name: keys right under their institution.
    pub(super) id: Option<Uuid>,
    pub(super) name: Option<String>,
    pub(super) requests: i64,
    pub(super) prompt_tokens: i64,
    pub(super) completion_tokens: i64,
    pub(super) cost_micros: i64,
    /// How many sums there are in all.
    pub(super) count: i64,
}

/// Sums, at most `most` of them: those with the most tokens.
pub(super) async fn sums(
    conn: &mut PgConnection,
    which: &Which,
    by: Grouping,
    most: i64,
) -> Result<Vec<Sum>, StoreError> {
    let (since, until) = which.days;
    let sums = sqlx::query_as!(
        Sum,
        r#"SELECT g.id AS "id?", g.name AS "name?", sum(r.requests)::bigint AS "requests!",
                  sum(r.prompt_tokens)::bigint AS "prompt_tokens!",
                  sum(r.completion_tokens)::bigint AS "completion_tokens!",
                  -- Of each day it is at most the highest number.
                  least(sum(r.cost_micros), 9223372036854775807)::bigint AS "cost_micros!",
                  count(*) OVER () AS "count!"
           FROM usage_days r
           JOIN api_keys k ON k.id = r.api_key_id
           JOIN institutions i ON i.id = r.institution_id
           JOIN models m ON m.id = r.model_id
           LEFT JOIN quota_nodes p ON p.id = r.project_id
           CROSS JOIN LATERAL (SELECT
               CASE $6::text WHEN 'institution' THEN i.id WHEN 'project' THEN p.id WHEN 'key' THEN k.id ELSE m.id END,
               CASE $6 WHEN 'institution' THEN i.name WHEN 'project' THEN p.name WHEN 'key' THEN k.name ELSE m.name END
           ) AS g (id, name)
           WHERE r.day BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR r.institution_id = $3)
             AND ($4::uuid IS NULL OR r.api_key_id = $4) AND ($5::uuid IS NULL OR r.project_id = $5)
           GROUP BY g.id, g.name
           ORDER BY sum(r.prompt_tokens + r.completion_tokens) DESC, g.name, g.id
           LIMIT $7"#,
        since,
        until,
        which.visibility.filter(),
        which.key.map(|key| key.0),
        which.project,
        by.name(),
        most,
    )
    .fetch_all(conn)
    .await?;
    Ok(sums)
}

/// What one key used by day and model, newest day first. All of it: a key has few models, and the days are bounded by who
/// asks.
pub(super) async fn models_of_key(
    conn: &mut PgConnection,
    key: ApiKeyId,
    (since, until): (NaiveDate, NaiveDate),
) -> Result<Vec<UsedOfModel>, StoreError> {
    let rows = sqlx::query_as!(
        UsedOfModel,
        r#"SELECT r.day, m.name AS model, sum(r.requests)::bigint AS "requests!",
                  sum(r.prompt_tokens)::bigint AS "prompt_tokens!",
                  sum(r.completion_tokens)::bigint AS "completion_tokens!",
                  least(sum(r.cost_micros), 9223372036854775807)::bigint AS "cost_micros!"
           FROM usage_days r JOIN models m ON m.id = r.model_id
           WHERE r.api_key_id = $1 AND r.day BETWEEN $2 AND $3
           GROUP BY r.day, m.id, m.name
           ORDER BY r.day DESC, m.name"#,
        key.0,
        since,
        until,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// The keys that stand under a project now.
pub(super) async fn keys_under(
    conn: &mut PgConnection,
    project: Uuid,
) -> Result<Vec<ApiKeyId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM quota_nodes WHERE parent_id = $1 AND kind = 'key'",
        project,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(ApiKeyId).collect())
}

/// Most limits of one answer.
const MOST_PACES: i64 = 20_000;

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
        MOST_PACES,
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
) -> Result<Vec<(Uuid, String, String)>, StoreError> {
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
