//! Reading what others put on record with care for a dataset: its licence, looks at its source, curation.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    db::StoreError,
    disclosures::ledger::{CurationRecord, LicenceRecord, SourceCheck},
    ids::{DatasetId, DatasetVersionId},
};

/// The licence that was last put on record at or before `at`.
pub(super) async fn licence(
    conn: &mut PgConnection,
    dataset: DatasetId,
    at: DateTime<Utc>,
) -> Result<Option<LicenceRecord>, StoreError> {
    Ok(sqlx::query_as!(
        LicenceRecord,
        "SELECT id, license, said_at FROM licence_facts WHERE dataset_id = $1 AND said_at <= $2
         ORDER BY said_at DESC, id DESC LIMIT 1",
        dataset.0,
        at,
    )
    .fetch_optional(conn)
    .await?)
}

/// What was last found at the source at or before `at`: of the looks that found the same without another finding
/// between them, the first, so that looking again changes nothing that is stated. A look that could not read the
/// source counts only where none could.
pub(super) async fn source_check(
    conn: &mut PgConnection,
    dataset: DatasetId,
    at: DateTime<Utc>,
) -> Result<Option<SourceCheck>, StoreError> {
    Ok(sqlx::query_as!(
        SourceCheck,
        r#"WITH looks AS (
               SELECT c.*, ROW (c.source_url, c.outcome, c.license_label, c.reservation, c.reservation_policy, c.robots)
                   AS finding
               FROM rights_checks c WHERE c.dataset_id = $1 AND c.recorded_at <= $2
           ), counting AS (
               SELECT * FROM looks
               WHERE outcome = 'read' OR NOT EXISTS (SELECT 1 FROM looks l WHERE l.outcome = 'read')
           ), newest AS (
               SELECT finding FROM counting ORDER BY recorded_at DESC, id DESC LIMIT 1
           )
           SELECT c.id AS "id!", c.source_url AS "source_url!", c.outcome AS "outcome!", c.license_label,
                  c.reservation AS "reservation!", c.robots AS "robots!", c.checked_at AS "checked_at!"
           FROM counting c CROSS JOIN newest n
           WHERE c.finding IS NOT DISTINCT FROM n.finding
             AND NOT EXISTS (SELECT 1 FROM counting d WHERE (d.recorded_at, d.id) > (c.recorded_at, c.id)
                             AND d.finding IS DISTINCT FROM n.finding)
           ORDER BY c.recorded_at, c.id LIMIT 1"#,
        dataset.0,
        at,
    )
    .fetch_optional(conn)
    .await?)
}

/// The runs that a version came out of, by way of others too, at or before `at`; oldest first.
pub(super) async fn curation(
    conn: &mut PgConnection,
    version: DatasetVersionId,
    at: DateTime<Utc>,
) -> Result<Vec<CurationRecord>, StoreError> {
    Ok(sqlx::query_as!(
        CurationRecord,
        r#"WITH RECURSIVE runs AS (
               SELECT id FROM curation_runs WHERE output_version_id = $1
               UNION
               SELECT r.id FROM runs p
               JOIN curation_run_inputs i ON i.run_id = p.id
               JOIN curation_runs r ON r.output_version_id = i.dataset_version_id
           )
           SELECT r.id, r.kind, r.config_sha256, r.code_commit, r.statistics, r.created_at
           FROM curation_runs r JOIN runs ON runs.id = r.id
           WHERE r.created_at <= $2 ORDER BY r.created_at, r.id"#,
        version.0,
        at,
    )
    .fetch_all(conn)
    .await?)
}
