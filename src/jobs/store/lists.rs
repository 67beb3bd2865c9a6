//! Jobs in lists.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::{job::JobBrief, status::JobStatus};
use crate::{
    db::{CorruptRow, StoreError},
    ids::{InstitutionId, JobId, UserId},
};

struct Row {
    id: Uuid,
    title: String,
    institution_id: Uuid,
    institution_name: String,
    purpose: String,
    status: String,
    requested_at: DateTime<Utc>,
    requested_by_name: String,
    base_name: String,
}

impl TryFrom<Row> for JobBrief {
    type Error = CorruptRow;

    fn try_from(row: Row) -> Result<Self, CorruptRow> {
        Ok(Self {
            id: JobId(row.id),
            status: JobStatus::parse(&row.status).ok_or(CorruptRow {
                table: "jobs",
                id: row.id,
                problem: "unknown status",
            })?,
            purpose: row.purpose.parse().map_err(|_| CorruptRow {
                table: "jobs",
                id: row.id,
                problem: "unknown purpose",
            })?,
            title: row.title,
            institution: InstitutionId(row.institution_id),
            institution_name: row.institution_name,
            requested_at: row.requested_at,
            requested_by_name: row.requested_by_name,
            base_name: row.base_name,
        })
    }
}

fn briefs(rows: Vec<Row>) -> Result<Vec<JobBrief>, StoreError> {
    rows.into_iter()
        .map(|row| Ok(JobBrief::try_from(row)?))
        .collect()
}

/// Which jobs a list shows.
pub(in super::super) struct Listing {
    /// One institution's; none: everybody's.
    pub(in super::super) of: Option<Uuid>,
    /// Older than this one.
    pub(in super::super) before: Option<Uuid>,
    pub(in super::super) limit: i64,
}

/// Jobs, newest first.
pub(in super::super) async fn list(
    conn: &mut PgConnection,
    listing: &Listing,
) -> Result<Vec<JobBrief>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT j.id, j.title, j.institution_id, i.name AS institution_name, j.purpose, j.status, j.requested_at,
                u.name AS requested_by_name, coalesce(m.name, '') AS "base_name!"
         FROM jobs j JOIN institutions i ON i.id = j.institution_id JOIN users u ON u.id = j.requested_by
         LEFT JOIN models m ON m.id = j.base_model_id
         WHERE ($1::uuid IS NULL OR j.institution_id = $1) AND ($2::uuid IS NULL OR j.id < $2)
         ORDER BY j.id DESC LIMIT $3"#,
        listing.of,
        listing.before,
        listing.limit,
    )
    .fetch_all(conn)
    .await?;
    briefs(rows)
}

/// The newest hundred of these jobs, newest first.
pub(in super::super) async fn newest_of(
    conn: &mut PgConnection,
    jobs: &[JobId],
) -> Result<Vec<JobBrief>, StoreError> {
    let jobs: Vec<_> = jobs.iter().map(|job| job.0).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT j.id, j.title, j.institution_id, i.name AS institution_name, j.purpose, j.status, j.requested_at,
                u.name AS requested_by_name, coalesce(m.name, '') AS "base_name!"
         FROM jobs j JOIN institutions i ON i.id = j.institution_id JOIN users u ON u.id = j.requested_by
         LEFT JOIN models m ON m.id = j.base_model_id
         WHERE j.id = ANY($1)
         ORDER BY j.id DESC LIMIT 100"#,
        &jobs,
    )
    .fetch_all(conn)
    .await?;
    briefs(rows)
}

/// How many of these jobs there are in each state.
pub(in super::super) async fn count_by_status(
    conn: &mut PgConnection,
    jobs: &[JobId],
) -> Result<Vec<(JobStatus, usize)>, StoreError> {
    let jobs: Vec<_> = jobs.iter().map(|job| job.0).collect();
    let rows = sqlx::query!(
        r#"SELECT status, count(*) AS "count!" FROM jobs WHERE id = ANY($1) GROUP BY status"#,
        &jobs,
    )
    .fetch_all(conn)
    .await?;
    Ok(JobStatus::ALL
        .into_iter()
        .filter_map(|status| {
            let row = rows.iter().find(|row| row.status == status.name())?;
            Some((status, usize::try_from(row.count).unwrap_or_default()))
        })
        .collect())
}

/// Submitted jobs that somebody else asked for, oldest first.
pub(in super::super) async fn submitted_for(
    conn: &mut PgConnection,
    user: UserId,
) -> Result<Vec<JobBrief>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT j.id, j.title, j.institution_id, i.name AS institution_name, j.purpose, j.status, j.requested_at,
                u.name AS requested_by_name, coalesce(m.name, '') AS "base_name!"
         FROM jobs j JOIN institutions i ON i.id = j.institution_id JOIN users u ON u.id = j.requested_by
         LEFT JOIN models m ON m.id = j.base_model_id
         WHERE j.status = 'submitted' AND j.requested_by <> $1
         ORDER BY j.requested_at, j.id LIMIT 100"#,
        user.0,
    )
    .fetch_all(conn)
    .await?;
    briefs(rows)
}
