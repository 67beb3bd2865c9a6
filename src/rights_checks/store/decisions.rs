//! Decisions that were taken about a dataset: reviews, and uses by jobs.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{db::StoreError, ids::DatasetId};

/// One decision.
pub(in super::super) struct DecisionRow {
    /// `data`, `legal` or `use`.
    pub(in super::super) kind: String,
    /// `approved`, `returned`, `rejected` or, for a use, `allowed`.
    pub(in super::super) decision: String,
    /// Who reviewed, or the title of the job.
    pub(in super::super) by: String,
    /// The job, of a use.
    pub(in super::super) job: Option<Uuid>,
    /// What identifies the policy that was read, of a use.
    pub(in super::super) policy_sha256: Option<String>,
    pub(in super::super) decided_at: DateTime<Utc>,
}

/// The decisions about a dataset, newest first; uses only by jobs of `jobs_of`, or of all institutions.
pub(in super::super) async fn decisions(
    conn: &mut PgConnection,
    dataset: DatasetId,
    jobs_of: Option<Uuid>,
) -> Result<Vec<DecisionRow>, StoreError> {
    Ok(sqlx::query_as!(
        DecisionRow,
        r#"SELECT r.kind AS "kind!", r.decision AS "decision!", u.name AS "by!", NULL::uuid AS job,
                  NULL::text AS policy_sha256, r.decided_at AS "decided_at!"
           FROM reviews r
           JOIN dataset_versions v ON v.id = r.dataset_version_id
           JOIN users u ON u.id = r.decided_by
           WHERE v.dataset_id = $1
           UNION ALL
           SELECT 'use', CASE WHEN (s.verdict->>'is_allowed')::boolean THEN 'allowed' ELSE 'refused' END,
                  j.title, j.id, s.policy_sha256, s.decided_at
           FROM dataset_uses s
           JOIN dataset_versions v ON v.id = s.dataset_version_id
           JOIN attempts a ON a.id = s.attempt_id
           JOIN jobs j ON j.id = a.job_id
           WHERE v.dataset_id = $1 AND ($2::uuid IS NULL OR j.institution_id = $2)
           ORDER BY 6 DESC LIMIT 100"#,
        dataset.0,
        jobs_of,
    )
    .fetch_all(conn)
    .await?)
}
