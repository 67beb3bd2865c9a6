//! Jobs in lists.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::{job::JobBrief, status::JobStatus};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{DatasetId, DatasetVersionId, InstitutionId, JobId, UserId},
};

struct Row {
    id: Uuid,
    title: String,
    institution_id: Uuid,
    institution_name: String,
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
        "SELECT j.id, j.title, j.institution_id, i.name AS institution_name, j.status, j.requested_at,
                u.name AS requested_by_name, m.name AS base_name
         FROM jobs j JOIN institutions i ON i.id = j.institution_id JOIN users u ON u.id = j.requested_by
         JOIN models m ON m.id = j.base_model_id
         WHERE ($1::uuid IS NULL OR j.institution_id = $1) AND ($2::uuid IS NULL OR j.id < $2)
         ORDER BY j.id DESC LIMIT $3",
        listing.of,
        listing.before,
        listing.limit,
    )
    .fetch_all(conn)
    .await?;
    briefs(rows)
}

/// Every job that asked for one of these versions, newest first.
pub(in super::super) async fn of_versions(
    conn: &mut PgConnection,
    versions: &[DatasetVersionId],
) -> Result<Vec<JobBrief>, StoreError> {
    let versions: Vec<_> = versions.iter().map(|version| version.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "SELECT j.id, j.title, j.institution_id, i.name AS institution_name, j.status, j.requested_at,
                u.name AS requested_by_name, m.name AS base_name
         FROM jobs j JOIN institutions i ON i.id = j.institution_id JOIN users u ON u.id = j.requested_by
         JOIN models m ON m.id = j.base_model_id
         WHERE EXISTS (SELECT 1 FROM job_datasets jd WHERE jd.job_id = j.id AND jd.dataset_version_id = ANY($1))
         ORDER BY j.id DESC",
        &versions,
    )
    .fetch_all(conn)
    .await?;
    briefs(rows)
}

/// Submitted jobs that somebody else asked for, oldest first.
pub(in super::super) async fn submitted_for(
    conn: &mut PgConnection,
    user: UserId,
) -> Result<Vec<JobBrief>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT j.id, j.title, j.institution_id, i.name AS institution_name, j.status, j.requested_at,
                u.name AS requested_by_name, m.name AS base_name
         FROM jobs j JOIN institutions i ON i.id = j.institution_id JOIN users u ON u.id = j.requested_by
         JOIN models m ON m.id = j.base_model_id
         WHERE j.status = 'submitted' AND j.requested_by <> $1
         ORDER BY j.requested_at, j.id LIMIT 100",
        user.0,
    )
    .fetch_all(conn)
    .await?;
    briefs(rows)
}

/// The jobs on any version of a dataset that are not over, kept from changing.
pub(in super::super) async fn unfinished_of_dataset(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
) -> Result<Vec<JobId>, StoreError> {
    let rows = sqlx::query_scalar!(
        "SELECT j.id FROM jobs j
         WHERE j.status IN ('submitted', 'approved', 'running') AND EXISTS (
             SELECT 1 FROM job_datasets jd JOIN dataset_versions v ON v.id = jd.dataset_version_id
             WHERE jd.job_id = j.id AND v.dataset_id = $1)
         ORDER BY j.id FOR UPDATE OF j",
        dataset.0,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(JobId).collect())
}
