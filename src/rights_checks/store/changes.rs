//! What checks found changed, and who noted it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::{Difference, What, acknowledge::Side};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{DatasetId, RightsChangeId, RightsCheckId},
};

pub(in super::super) async fn insert_change(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
    id: RightsChangeId,
    (check, previous): (RightsCheckId, Option<RightsCheckId>),
    found: &Difference,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO rights_changes (id, dataset_id, check_id, previous_check_id, what, was, became, found_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        id.0,
        dataset.0,
        check.0,
        previous.map(|check| check.0),
        found.what.name(),
        found.was,
        found.became,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A change with what was noted about it.
pub(in super::super) struct ChangeRow {
    pub(in super::super) id: RightsChangeId,
    pub(in super::super) difference: Difference,
    pub(in super::super) found_at: DateTime<Utc>,
    /// Side, note, name, moment.
    pub(in super::super) notes: Vec<(String, String, String, DateTime<Utc>)>,
    /// Whether the platform said that the finding counts.
    pub(in super::super) is_accepted: bool,
}

/// The changes of a dataset, newest first.
pub(in super::super) async fn changes(
    conn: &mut PgConnection,
    dataset: DatasetId,
    until: DateTime<Utc>,
) -> Result<Vec<ChangeRow>, StoreError> {
    let rows = sqlx::query!(
        "SELECT id, what, was, became, found_at FROM rights_changes
         WHERE dataset_id = $1 AND found_at <= $2 ORDER BY found_at DESC, id DESC LIMIT 200",
        dataset.0,
        until,
    )
    .fetch_all(&mut *conn)
    .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let notes = sqlx::query!(
        "SELECT n.change_id, n.side, n.note, n.accepts, n.noted_at, u.name
         FROM rights_change_notes n JOIN users u ON u.id = n.noted_by
         WHERE n.change_id = ANY($1) AND n.noted_at <= $2 ORDER BY n.noted_at",
        &ids,
        until,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let what = What::parse(&row.what).ok_or(CorruptRow {
                table: "rights_changes",
                id: row.id,
                problem: "unknown word for what changed",
            })?;
            Ok(ChangeRow {
                id: RightsChangeId(row.id),
                difference: Difference {
                    what,
                    was: row.was,
                    became: row.became,
                },
                found_at: row.found_at,
                is_accepted: notes
                    .iter()
                    .any(|note| note.change_id == row.id && note.accepts),
                notes: notes
                    .iter()
                    .filter(|note| note.change_id == row.id)
                    .map(|note| {
                        (
                            note.side.clone(),
                            note.note.clone(),
                            note.name.clone(),
                            note.noted_at,
                        )
                    })
                    .collect(),
            })
        })
        .collect()
}

/// Whether a side noted a change; none where the dataset has no such change.
pub(in super::super) async fn is_noted(
    conn: &mut PgConnection,
    dataset: DatasetId,
    change: RightsChangeId,
    side: Side,
) -> Result<Option<bool>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM rights_change_notes n WHERE n.change_id = c.id AND n.side = $3) AS "noted!"
           FROM rights_changes c WHERE c.id = $1 AND c.dataset_id = $2"#,
        change.0,
        dataset.0,
        side.name(),
    )
    .fetch_optional(conn)
    .await?)
}

pub(in super::super) async fn insert_note(
    tx: &mut WriteTx<'_>,
    change: RightsChangeId,
    side: Side,
    (note, accepts): (&str, bool),
) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    sqlx::query!(
        "INSERT INTO rights_change_notes (id, change_id, side, note, accepts, noted_by, noted_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        Uuid::now_v7(),
        change.0,
        side.name(),
        note,
        accepts,
        user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A dataset in which changes wait for a side: since when, its title and institution.
pub(in super::super) struct OpenRow {
    pub(in super::super) dataset: DatasetId,
    pub(in super::super) title: String,
    pub(in super::super) institution: String,
    pub(in super::super) since: DateTime<Utc>,
}

/// The datasets with changes that a side has not noted, of one institution or of all.
pub(in super::super) async fn open_for(
    conn: &mut PgConnection,
    side: Side,
    institution: Option<Uuid>,
) -> Result<Vec<OpenRow>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT d.id, d.title, i.name, min(c.found_at) AS "since!"
           FROM rights_changes c
           JOIN datasets d ON d.id = c.dataset_id
           JOIN institutions i ON i.id = d.institution_id
           WHERE ($2::uuid IS NULL OR d.institution_id = $2)
             AND NOT EXISTS (SELECT 1 FROM rights_change_notes n WHERE n.change_id = c.id AND n.side = $1)
           GROUP BY d.id, d.title, i.name ORDER BY 4, d.id LIMIT 100"#,
        side.name(),
        institution,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| OpenRow {
            dataset: DatasetId(row.id),
            title: row.title,
            institution: row.name,
            since: row.since,
        })
        .collect())
}

/// How many changes of a dataset wait for a side.
pub(in super::super) async fn count_open(
    conn: &mut PgConnection,
    dataset: DatasetId,
    side: Side,
) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM rights_changes c
           WHERE c.dataset_id = $1
             AND NOT EXISTS (SELECT 1 FROM rights_change_notes n WHERE n.change_id = c.id AND n.side = $2)"#,
        dataset.0,
        side.name(),
    )
    .fetch_one(conn)
    .await?)
}
