//! The SQL of reviews, and of what waits for somebody.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    Status,
    review::{Decision, Kind, Review},
    waiting::{Waiting, WaitsFor},
};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{DatasetId, DatasetVersionId, UserId},
    policy::Actor,
};

/// Every review of a version, oldest first.
pub(super) async fn of_version(
    conn: &mut PgConnection,
    version: DatasetVersionId,
) -> Result<Vec<Review>, StoreError> {
    let rows = sqlx::query!(
        "SELECT r.id, r.submitted_at, r.kind, r.decision, r.reason, r.decided_by, r.decided_at, u.name
         FROM reviews r JOIN users u ON u.id = r.decided_by
         WHERE r.dataset_version_id = $1
         ORDER BY r.decided_at, r.id",
        version.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = |problem| CorruptRow {
                table: "reviews",
                id: row.id,
                problem,
            };
            Ok(Review {
                submitted_at: row.submitted_at,
                kind: row.kind.parse().map_err(|_| corrupt("unknown kind"))?,
                decision: row
                    .decision
                    .parse()
                    .map_err(|_| corrupt("unknown decision"))?,
                reason: row.reason,
                decided_by: UserId(row.decided_by),
                decided_by_name: row.name,
                decided_at: row.decided_at,
            })
        })
        .collect()
}

/// A decision to be stored.
pub(super) struct NewReview<'a> {
    pub(super) version: DatasetVersionId,
    pub(super) submitted_at: DateTime<Utc>,
    pub(super) submitted_by: UserId,
    pub(super) kind: Kind,
    pub(super) decision: Decision,
    pub(super) reason: &'a str,
}

pub(super) async fn insert(tx: &mut WriteTx<'_>, new: &NewReview<'_>) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    sqlx::query!(
        "INSERT INTO reviews (id, dataset_version_id, submitted_at, kind, decision, reason, submitted_by, decided_by,
             decided_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        uuid::Uuid::now_v7(),
        new.version.0,
        new.submitted_at,
        new.kind.name(),
        new.decision.name(),
        new.reason,
        new.submitted_by.0,
        user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What an institution has not finished, oldest first.
pub(super) async fn unfinished(
    conn: &mut PgConnection,
    actor: &Actor,
) -> Result<Vec<Waiting>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT d.id, d.title, i.name, v.status, coalesce(v.decided_at, v.created_at) AS "since!"
           FROM dataset_versions v
           JOIN datasets d ON d.id = v.dataset_id
           JOIN institutions i ON i.id = d.institution_id
           WHERE d.institution_id = $1 AND v.status IN ('draft', 'changes_requested')
           ORDER BY 5, d.id LIMIT 100"#,
        actor.institution.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Waiting {
            dataset: DatasetId(row.id),
            title: row.title,
            institution: row.name,
            waits_for: if row.status == Status::Draft.name() {
                WaitsFor::Submission
            } else {
                WaitsFor::Changes
            },
            since: row.since,
        })
        .collect())
}

/// The submissions that `actor` may still review as `kind`, oldest first.
pub(super) async fn unreviewed(
    conn: &mut PgConnection,
    actor: &Actor,
    kind: Kind,
) -> Result<Vec<Waiting>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT d.id, d.title, i.name, v.submitted_at AS "since!"
           FROM dataset_versions v
           JOIN datasets d ON d.id = v.dataset_id
           JOIN institutions i ON i.id = d.institution_id
           WHERE v.status = 'submitted' AND v.submitted_by <> $1
             AND NOT EXISTS (SELECT 1 FROM reviews r
                 WHERE r.dataset_version_id = v.id AND r.submitted_at = v.submitted_at
                   -- Done already, or the other review was by the same person.
                   AND (r.kind = $2 OR r.decided_by = $1))
           ORDER BY v.submitted_at, d.id LIMIT 100"#,
        actor.user.0,
        kind.name(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Waiting {
            dataset: DatasetId(row.id),
            title: row.title,
            institution: row.name,
            waits_for: match kind {
                Kind::Data => WaitsFor::DataReview,
                Kind::Legal => WaitsFor::LegalReview,
            },
            since: row.since,
        })
        .collect())
}
