//! Looking at counters and limits, and setting limits.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use quota::{Counter, Measure, NodeId, Window};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{measure_of, window_of};
use crate::{
    db::StoreError,
    quota::{Limit, Standing, Used},
};

pub(in crate::quota) async fn limits(
    conn: &mut PgConnection,
    node: Uuid,
) -> Result<Vec<Limit>, StoreError> {
    let rows = sqlx::query!(
        "SELECT measure, period, cap FROM quota_limits WHERE node_id = $1 ORDER BY measure, period",
        node,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Limit {
                measure: measure_of(node, &row.measure)?,
                window: window_of(node, &row.period)?,
                cap: row.cap,
            })
        })
        .collect()
}

pub(in crate::quota) async fn set_limit(
    conn: &mut PgConnection,
    node: Uuid,
    (measure, window): (Measure, Window),
    cap: Option<i64>,
) -> Result<(), StoreError> {
    match cap {
        Some(cap) => {
            sqlx::query!(
                "INSERT INTO quota_limits (node_id, measure, period, cap) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (node_id, measure, period) DO UPDATE SET cap = excluded.cap",
                node,
                measure.name(),
                window.name(),
                cap,
            )
            .execute(conn)
            .await?;
        }
        None => {
            sqlx::query!(
                "DELETE FROM quota_limits WHERE node_id = $1 AND measure = $2 AND period = $3",
                node,
                measure.name(),
                window.name(),
            )
            .execute(conn)
            .await?;
        }
    }
    Ok(())
}

/// Every limit over a leaf, with what is left of it in the periods that `now` lies in. What replicas hold idle is left.
pub(in crate::quota) async fn standing(
    conn: &mut PgConnection,
    leaf: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<Standing>, StoreError> {
    let starts = |window: Window| window.start(now);
    let rows = sqlx::query!(
        r#"WITH RECURSIVE up AS (
               SELECT id, parent_id FROM quota_nodes WHERE id = $1
               UNION
               SELECT n.id, n.parent_id FROM quota_nodes n JOIN up ON n.id = up.parent_id)
           SELECT l.node_id AS "node_id!", l.measure AS "measure!", l.period AS "period!", l.cap AS "cap!",
                  l.cap - coalesce(c.used, 0) - coalesce(c.leased, 0) + coalesce((
                      SELECT sum(s.granted - s.open) FROM quota_leases s
                      WHERE s.measure = l.measure AND l.node_id = ANY(s.path) AND s.orphaned_at IS NULL
                        AND s.since >= p.starts_at), 0)::bigint AS "left!",
                  p.starts_at AS "starts_at!"
           FROM up
           JOIN quota_limits l ON l.node_id = up.id
           JOIN unnest(ARRAY['minute', 'day', 'month', 'always'], $2::timestamptz[]) AS p (period, starts_at)
               ON p.period = l.period
           LEFT JOIN quota_counters c ON c.node_id = l.node_id AND c.measure = l.measure AND c.period = l.period
               AND c.starts_at = p.starts_at"#,
        leaf,
        &[Window::Minute, Window::Day, Window::Month, Window::Always].map(starts),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let counter = Counter {
                node: NodeId(row.node_id.as_u128()),
                measure: measure_of(row.node_id, &row.measure)?,
                window: window_of(row.node_id, &row.period)?,
                starts_at: row.starts_at,
            };
            Ok(Standing {
                counter,
                cap: row.cap,
                left: row.left,
            })
        })
        .collect()
}

/// The limits of nodes themselves, with what is left of each now.
pub(in crate::quota) async fn standings_of(
    conn: &mut PgConnection,
    nodes: &[Uuid],
    now: DateTime<Utc>,
) -> Result<Vec<Standing>, StoreError> {
    let starts = |window: Window| window.start(now);
    let rows = sqlx::query!(
        r#"SELECT l.node_id, l.measure, l.period, l.cap,
                  l.cap - coalesce(c.used, 0) - coalesce(c.leased, 0) + coalesce((
                      SELECT sum(s.granted - s.open) FROM quota_leases s
                      WHERE s.measure = l.measure AND l.node_id = ANY(s.path) AND s.orphaned_at IS NULL
                        AND s.since >= p.starts_at), 0)::bigint AS "left!",
                  p.starts_at AS "starts_at!"
           FROM quota_limits l
           JOIN unnest(ARRAY['minute', 'day', 'month', 'always'], $2::timestamptz[]) AS p (period, starts_at)
               ON p.period = l.period
           LEFT JOIN quota_counters c ON c.node_id = l.node_id AND c.measure = l.measure AND c.period = l.period
               AND c.starts_at = p.starts_at
           WHERE l.node_id = ANY($1)
           ORDER BY l.node_id, l.measure, l.period"#,
        nodes,
        &[Window::Minute, Window::Day, Window::Month, Window::Always].map(starts),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let counter = Counter {
                node: NodeId(row.node_id.as_u128()),
                measure: measure_of(row.node_id, &row.measure)?,
                window: window_of(row.node_id, &row.period)?,
                starts_at: row.starts_at,
            };
            Ok(Standing {
                counter,
                cap: row.cap,
                left: row.left,
            })
        })
        .collect()
}

/// What keys used in the period that `now` lies in: of one key, or of all of an institution's, or of all.
pub(in crate::quota) async fn used(
    conn: &mut PgConnection,
    (measure, window): (Measure, Window),
    now: DateTime<Utc>,
    (key, institution): (Option<Uuid>, Option<Uuid>),
) -> Result<BTreeMap<Uuid, Used>, StoreError> {
    let starts_at = window.start(now);
    let rows = sqlx::query!(
        r#"SELECT c.node_id, c.used,
                  c.leased - coalesce((
                      SELECT sum(s.granted - s.open) FROM quota_leases s
                      WHERE s.leaf_id = c.node_id AND s.measure = c.measure AND s.orphaned_at IS NULL
                        AND s.since >= c.starts_at), 0)::bigint AS "set_aside!"
           FROM quota_counters c JOIN api_keys k ON k.id = c.node_id
           WHERE c.measure = $1 AND c.period = $2 AND c.starts_at = $3
             AND ($4::uuid IS NULL OR c.node_id = $4) AND ($5::uuid IS NULL OR k.institution_id = $5)"#,
        measure.name(),
        window.name(),
        starts_at,
        key,
        institution,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let used = Used {
                used: row.used,
                set_aside: row.set_aside,
            };
            (row.node_id, used)
        })
        .collect())
}
