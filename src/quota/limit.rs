//! Limits: what a node may use of a measure in a period. Changed, they bind the very next grant.

use quota::{Measure, Window};
use sqlx::PgConnection;
use uuid::Uuid;

use super::store;
use crate::db::StoreError;

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub measure: Measure,
    pub window: Window,
    pub cap: i64,
}

/// The limits of one node itself, without those above it.
///
/// # Errors
/// Where the database is away.
pub async fn limits_of(conn: &mut PgConnection, node: Uuid) -> Result<Vec<Limit>, StoreError> {
    store::limits(conn, node).await
}

/// Sets a limit, or lifts it.
///
/// # Errors
/// Where the database refuses or is away.
pub async fn set_limit(
    conn: &mut PgConnection,
    node: Uuid,
    (measure, window): (Measure, Window),
    cap: Option<i64>,
) -> Result<(), StoreError> {
    store::set_limit(conn, node, (measure, window), cap).await
}
