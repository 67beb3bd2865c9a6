//! The SQL of limits on memorisation.

use sqlx::PgConnection;

use super::memorisation::{MemorisationLimit, NewMemorisationLimit, SetLimit};
use crate::{
    db::{StoreError, WriteTx},
    ids::{DatasetId, MemorisationLimitId},
};

/// The last hundred that were set, newest first.
pub(super) async fn history(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Vec<SetLimit>, StoreError> {
    let rows = sqlx::query!(
        "SELECT l.id, l.most_extracted, l.longest_match, l.reason, u.name, l.recorded_at
         FROM memorisation_limits l JOIN users u ON u.id = l.recorded_by
         WHERE l.dataset_id = $1 ORDER BY l.recorded_at DESC, l.id DESC LIMIT 100",
        dataset.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| SetLimit {
            id: MemorisationLimitId(row.id),
            limit: MemorisationLimit {
                most_extracted: row.most_extracted,
                longest_match: row.longest_match,
            },
            reason: row.reason,
            by_name: row.name,
            at: row.recorded_at,
        })
        .collect())
}

pub(super) async fn insert(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
    new: &NewMemorisationLimit,
) -> Result<MemorisationLimitId, StoreError> {
    let (id, now, actor) = (MemorisationLimitId::fresh(), tx.now(), tx.actor());
    sqlx::query!(
        "INSERT INTO memorisation_limits (id, dataset_id, most_extracted, longest_match, reason, recorded_by, recorded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id.0,
        dataset.0,
        new.limit.most_extracted,
        new.limit.longest_match,
        new.reason,
        actor.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(id)
}
