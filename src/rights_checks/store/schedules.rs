//! Plans for looking again.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::super::schedule::Schedule;
use crate::{
    db::{StoreError, WriteTx},
    ids::DatasetId,
};

pub(in super::super) async fn schedule(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Option<Schedule>, StoreError> {
    Ok(sqlx::query_as!(
        Schedule,
        "SELECT source_url, every_days, next_due FROM rights_schedules WHERE dataset_id = $1",
        dataset.0,
    )
    .fetch_optional(conn)
    .await?)
}

/// What is due, longest first.
pub(in super::super) async fn due(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<(DatasetId, DateTime<Utc>)>, StoreError> {
    let rows = sqlx::query!(
        "SELECT dataset_id, next_due FROM rights_schedules WHERE next_due <= $1 ORDER BY next_due LIMIT $2",
        now,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (DatasetId(row.dataset_id), row.next_due))
        .collect())
}

pub(in super::super) async fn set_schedule(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
    schedule: &Schedule,
) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    sqlx::query!(
        "INSERT INTO rights_schedules (dataset_id, source_url, every_days, next_due, set_by, set_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (dataset_id) DO UPDATE SET source_url = $2, every_days = $3, next_due = $4, set_by = $5,
             set_at = $6",
        dataset.0,
        schedule.source_url,
        schedule.every_days,
        schedule.next_due,
        user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in super::super) async fn postpone(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
    next_due: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE rights_schedules SET next_due = $2 WHERE dataset_id = $1",
        dataset.0,
        next_due,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The pages of a site that were looked at since `since`, or are to be looked at now, first ones first.
pub(in super::super) async fn looks_since(
    conn: &mut PgConnection,
    site: &str,
    (since, now): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Vec<(String, DateTime<Utc>)>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT source_url AS "source_url!", recorded_at AS "at!" FROM rights_checks
           WHERE checked_with IS NOT NULL AND recorded_at > $2 AND starts_with(source_url, $1)
           UNION ALL
           SELECT s.source_url, s.next_due FROM rights_schedules s
           WHERE s.next_due > $2 AND s.next_due <= $3 AND starts_with(s.source_url, $1)
           ORDER BY 2"#,
        site,
        since,
        now,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.source_url, row.at))
        .collect())
}
