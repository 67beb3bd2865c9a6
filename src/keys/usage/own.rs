//! What one key used and has left, for whoever holds it.

use chrono::NaiveDate;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{pace::NodeKind, store};
use crate::{db::StoreError, ids::ApiKeyId};

/// The key itself, its project, its institution: what limits stand over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub id: Uuid,
    /// `key`, `project` or `institution`.
    pub kind: &'static str,
    pub name: String,
}

/// What a key used of one model on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedOfModel {
    pub day: NaiveDate,
    pub model: String,
    pub requests: i64,
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
    /// In millionths of a unit.
    pub cost_micros: i64,
}

/// From a key upwards, the key first.
///
/// # Errors
/// Where the database is away.
pub async fn nodes_of(conn: &mut PgConnection, key: ApiKeyId) -> Result<Vec<Node>, StoreError> {
    let rows = store::nodes_over(conn, key).await?;
    let nodes = rows.into_iter().filter_map(|(id, kind, name)| {
        let kind = NodeKind::parse(&kind)?.name();
        Some(Node { id, kind, name })
    });
    Ok(nodes.collect())
}

/// What a key used from the first to the last of `days`, newest day first; all of it.
///
/// # Errors
/// Where the database is away.
pub async fn used_by_model(
    conn: &mut PgConnection,
    key: ApiKeyId,
    days: (NaiveDate, NaiveDate),
) -> Result<Vec<UsedOfModel>, StoreError> {
    store::models_of_key(conn, key, days).await
}
