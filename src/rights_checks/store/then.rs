//! How permissions and versions stood at a moment.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::super::history::StatusFact;
use crate::{
    db::StoreError,
    ids::{DatasetId, DatasetVersionId, PermissionId},
};

/// The state of every permission of a dataset at `at`: state, who decided, when. Those given later are not there.
pub(in super::super) async fn permissions_at(
    conn: &mut PgConnection,
    dataset: DatasetId,
    at: DateTime<Utc>,
) -> Result<Vec<(PermissionId, String, String, DateTime<Utc>)>, StoreError> {
    let rows = sqlx::query!(
        "SELECT p.id, e.state, e.decided_at, u.name
         FROM permissions p
         JOIN LATERAL (SELECT state, decided_by, decided_at FROM permission_events
                       WHERE permission_id = p.id AND decided_at <= $2
                       ORDER BY decided_at DESC, id DESC LIMIT 1) e ON true
         JOIN users u ON u.id = e.decided_by
         WHERE p.dataset_id = $1 ORDER BY p.id",
        dataset.0,
        at,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (PermissionId(row.id), row.state, row.name, row.decided_at))
        .collect())
}

/// Every state that a version of the dataset was in, oldest first.
pub(in super::super) async fn statuses(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Vec<StatusFact>, StoreError> {
    let rows = sqlx::query!(
        "SELECT v.id, v.number, f.status, f.since
         FROM dataset_status_facts f JOIN dataset_versions v ON v.id = f.dataset_version_id
         WHERE v.dataset_id = $1 ORDER BY f.since, f.id",
        dataset.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| StatusFact {
            version: DatasetVersionId(row.id),
            number: row.number,
            status: row.status,
            since: row.since,
        })
        .collect())
}
