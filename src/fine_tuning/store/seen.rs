//! What the rest of the portal knows of a job and its data.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    db::StoreError,
    ids::{DatasetId, DatasetVersionId, InstitutionId, JobId},
};

/// A dataset version that a job names, and where it stands.
pub(in super::super) struct NamedVersion {
    pub(in super::super) id: DatasetVersionId,
    pub(in super::super) dataset: DatasetId,
    pub(in super::super) institution: InstitutionId,
    pub(in super::super) institution_name: String,
    pub(in super::super) status: String,
    pub(in super::super) is_published: bool,
    pub(in super::super) manifest_sha256: Option<String>,
    pub(in super::super) documents: i64,
    /// The reviews of the submission that stands, which said yes.
    pub(in super::super) approved: Vec<String>,
    /// Why it was rejected or returned, where it was.
    pub(in super::super) reason: Option<String>,
}

/// One version by its id, or by its dataset and number.
pub(in super::super) async fn version(
    conn: &mut PgConnection,
    id: Option<DatasetVersionId>,
    (dataset, number): (Option<DatasetId>, Option<i32>),
) -> Result<Option<NamedVersion>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT v.id, v.dataset_id, d.institution_id, i.name, v.status, v.manifest_sha256,
                  EXISTS (SELECT 1 FROM dataset_versions p
                          WHERE p.dataset_id = d.id AND 'approved' IN (p.status, p.withdrawn_from)) AS "is_published!",
                  (SELECT coalesce(sum(f.documents), 0)::bigint FROM dataset_files f
                   WHERE f.dataset_version_id = v.id AND f.state = 'ready') AS "documents!",
                  ARRAY(SELECT r.kind FROM reviews r
                        WHERE r.dataset_version_id = v.id AND r.submitted_at = v.submitted_at
                          AND r.decision = 'approved') AS "approved!",
                  (SELECT r.reason FROM reviews r
                   WHERE r.dataset_version_id = v.id AND r.submitted_at = v.submitted_at AND r.decision <> 'approved'
                   LIMIT 1) AS reason
           FROM dataset_versions v JOIN datasets d ON d.id = v.dataset_id JOIN institutions i ON i.id = d.institution_id
           WHERE v.id = $1 OR (v.dataset_id = $2 AND v.number = $3)"#,
        id.map(|id| id.0),
        dataset.map(|id| id.0),
        number,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| NamedVersion {
        id: DatasetVersionId(row.id),
        dataset: DatasetId(row.dataset_id),
        institution: InstitutionId(row.institution_id),
        institution_name: row.name,
        status: row.status,
        is_published: row.is_published,
        manifest_sha256: row.manifest_sha256,
        documents: row.documents,
        approved: row.approved,
        reason: row.reason,
    }))
}

/// What a reviewer decided on data.
pub(in super::super) struct Reviewed {
    /// `data` or `legal`.
    pub(in super::super) kind: String,
    /// `approved`, `returned` or `rejected`.
    pub(in super::super) decision: String,
    /// Empty where it was approved without a word.
    pub(in super::super) reason: String,
    pub(in super::super) at: DateTime<Utc>,
}

/// The reviews of the submission of a version that stands, first to last.
pub(in super::super) async fn reviews(
    conn: &mut PgConnection,
    version: DatasetVersionId,
) -> Result<Vec<Reviewed>, StoreError> {
    Ok(sqlx::query_as!(
        Reviewed,
        "SELECT r.kind, r.decision, r.reason, r.decided_at AS at
         FROM reviews r JOIN dataset_versions v ON v.id = r.dataset_version_id
         WHERE v.id = $1 AND r.submitted_at = v.submitted_at ORDER BY r.decided_at, r.kind",
        version.0,
    )
    .fetch_all(conn)
    .await?)
}

/// What a place told of an attempt.
pub(in super::super) struct Told {
    /// Whether a cluster told it.
    pub(in super::super) is_slurm: bool,
    /// Whether it waits there.
    pub(in super::super) is_pending: bool,
    /// The place's own name for it.
    pub(in super::super) native_id: Option<String>,
    /// Why it stands so, in the place's own words.
    pub(in super::super) reason: Option<String>,
    pub(in super::super) partition: Option<String>,
    pub(in super::super) queue_position: Option<i32>,
}

/// What the portal knows of a job that runs or ran, beside its row.
pub(in super::super) struct Work {
    pub(in super::super) tokens: Option<i64>,
    pub(in super::super) seconds_left: Option<i64>,
    pub(in super::super) last_step_at: Option<DateTime<Utc>>,
    pub(in super::super) phase: Option<String>,
    /// Whether there ever was an attempt.
    pub(in super::super) was_begun: bool,
    /// Whether a Slurm has the live attempt and has not begun it.
    pub(in super::super) waits_in_slurm: bool,
    /// What the last attempt's place told of it last.
    pub(in super::super) told: Option<Told>,
    pub(in super::super) policy_sha256: Option<String>,
    pub(in super::super) rules: Option<serde_json::Value>,
}

pub(in super::super) async fn work(
    conn: &mut PgConnection,
    id: JobId,
    training: DatasetVersionId,
) -> Result<Work, StoreError> {
    let row = sqlx::query!(
        r#"SELECT (SELECT sum(t.tokens)::bigint FROM tokens_read t JOIN attempts s ON s.id = t.attempt_id
                   WHERE s.job_id = $1 AND s.status = 'succeeded') AS tokens,
                  l.phase AS "phase?", l.is_live AS "is_live?", r.state AS "state?", r.native_id AS "native_id?",
                  r.reason AS "reason?", r.partition AS "partition?", r.queue_position AS "queue_position?", p.kind AS "kind?",
                  e.occurred_at AS "last_step_at?", (e.event ->> 'seconds_left')::bigint AS seconds_left,
                  u.policy_sha256 AS "policy_sha256?", u.verdict AS "rules?"
           FROM (SELECT 1) one
           LEFT JOIN LATERAL (SELECT id, phase, backend, status IN ('dispatching', 'running') AS is_live
                              FROM attempts WHERE job_id = $1 ORDER BY number DESC LIMIT 1) l ON true
           LEFT JOIN attempt_reports r ON r.attempt_id = l.id
           LEFT JOIN compute_places p ON p.id = l.backend
           LEFT JOIN LATERAL (SELECT occurred_at, event FROM job_events
                              WHERE attempt_id = l.id AND event ->> 'event' = 'step'
                              ORDER BY number DESC LIMIT 1) e ON true
           LEFT JOIN dataset_uses u ON u.attempt_id = l.id AND u.dataset_version_id = $2"#,
        id.0,
        training.0,
    )
    .fetch_one(conn)
    .await?;
    let is_slurm = row.kind.as_deref() == Some("slurm");
    let has_begun = match row.state.as_deref() {
        Some(state) => state != "pending",
        None => row.phase.is_some(),
    };
    Ok(Work {
        tokens: row.tokens,
        seconds_left: row.seconds_left,
        last_step_at: row.last_step_at,
        phase: row.phase,
        was_begun: row.is_live.is_some(),
        waits_in_slurm: is_slurm && row.is_live == Some(true) && !has_begun,
        told: row.state.map(|state| Told {
            is_slurm,
            is_pending: state == "pending" && row.is_live == Some(true),
            native_id: row.native_id,
            reason: row.reason,
            partition: row.partition,
            queue_position: row.queue_position,
        }),
        policy_sha256: row.policy_sha256,
        rules: row.rules,
    })
}
