//! Documents of a case, and what was made of them.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    documents::DocumentKey,
    ids::{ComplaintId, DatasetId, InstitutionId},
};

fn split(keys: &[DocumentKey]) -> (Vec<uuid::Uuid>, Vec<Vec<u8>>) {
    keys.iter()
        .map(|key| (key.dataset.0, key.sha256.to_vec()))
        .unzip()
}

/// Marks documents as those that the case is about; answers how many were not yet.
pub(in super::super) async fn mark(
    tx: &mut WriteTx<'_>,
    complaint: ComplaintId,
    keys: &[DocumentKey],
) -> Result<u64, StoreError> {
    let (datasets, hashes) = split(keys);
    let (now, user) = (tx.now(), tx.actor().user);
    let done = sqlx::query!(
        "INSERT INTO complaint_documents (complaint_id, dataset_id, sha256, marked_by, marked_at)
         SELECT $1, k.dataset_id, k.sha256, $4, $5 FROM unnest($2::uuid[], $3::bytea[]) AS k (dataset_id, sha256)
         ON CONFLICT DO NOTHING",
        complaint.0,
        &datasets,
        &hashes,
        user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Takes marks away; answers how many there were.
pub(in super::super) async fn unmark(
    tx: &mut WriteTx<'_>,
    complaint: ComplaintId,
    keys: &[DocumentKey],
) -> Result<u64, StoreError> {
    let (datasets, hashes) = split(keys);
    let done = sqlx::query!(
        "DELETE FROM complaint_documents c USING unnest($2::uuid[], $3::bytea[]) AS k (dataset_id, sha256)
         WHERE c.complaint_id = $1 AND c.dataset_id = k.dataset_id AND c.sha256 = k.sha256",
        complaint.0,
        &datasets,
        &hashes,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// The marked documents, in datasets of these institutions or in all.
pub(in super::super) async fn marked_keys(
    conn: &mut PgConnection,
    complaint: ComplaintId,
    within: Option<&[InstitutionId]>,
) -> Result<Vec<DocumentKey>, StoreError> {
    let within: Option<Vec<uuid::Uuid>> = within.map(|all| all.iter().map(|one| one.0).collect());
    let rows = sqlx::query!(
        "SELECT c.dataset_id, c.sha256 FROM complaint_documents c JOIN datasets d ON d.id = c.dataset_id
         WHERE c.complaint_id = $1 AND ($2::uuid[] IS NULL OR d.institution_id = ANY($2))
         ORDER BY c.dataset_id, c.sha256",
        complaint.0,
        within.as_deref(),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(DocumentKey {
                dataset: DatasetId(row.dataset_id),
                sha256: row.sha256.try_into().map_err(|_| CorruptRow {
                    table: "complaint_documents",
                    id: complaint.0,
                    problem: "a hash of another length",
                })?,
            })
        })
        .collect()
}

/// How many documents of a dataset a case is about.
#[derive(Debug, Clone)]
pub(in super::super) struct MarkedIn {
    pub(in super::super) dataset: DatasetId,
    pub(in super::super) title: String,
    pub(in super::super) institution: String,
    pub(in super::super) documents: i64,
}

pub(in super::super) async fn marked(
    conn: &mut PgConnection,
    complaint: ComplaintId,
    within: Option<&[InstitutionId]>,
) -> Result<Vec<MarkedIn>, StoreError> {
    let within: Option<Vec<uuid::Uuid>> = within.map(|all| all.iter().map(|one| one.0).collect());
    let rows = sqlx::query!(
        r#"SELECT d.id, d.title, i.name, count(*) AS "documents!"
           FROM complaint_documents c
           JOIN datasets d ON d.id = c.dataset_id
           JOIN institutions i ON i.id = d.institution_id
           WHERE c.complaint_id = $1 AND ($2::uuid[] IS NULL OR d.institution_id = ANY($2))
           GROUP BY d.id, d.title, i.name ORDER BY d.title, d.id"#,
        complaint.0,
        within.as_deref(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| MarkedIn {
            dataset: DatasetId(row.id),
            title: row.title,
            institution: row.name,
            documents: row.documents,
        })
        .collect())
}

/// The institutions that the marked documents belong to.
pub(in super::super) async fn involved(
    conn: &mut PgConnection,
    complaint: ComplaintId,
) -> Result<Vec<InstitutionId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "SELECT DISTINCT d.institution_id FROM complaint_documents c JOIN datasets d ON d.id = c.dataset_id
         WHERE c.complaint_id = $1 ORDER BY 1",
        complaint.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(InstitutionId).collect())
}

/// A job that was given leave to use a version, with what came of it.
#[derive(Debug, Clone)]
pub(in super::super) struct Use {
    pub(in super::super) version: uuid::Uuid,
    pub(in super::super) job: uuid::Uuid,
    pub(in super::super) title: String,
    pub(in super::super) status: String,
    pub(in super::super) institution: String,
    pub(in super::super) model: Option<(uuid::Uuid, String)>,
}

/// The jobs that used these versions, by what was bound at dispatch.
pub(in super::super) async fn uses(
    conn: &mut PgConnection,
    versions: &[uuid::Uuid],
) -> Result<Vec<Use>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT DISTINCT u.dataset_version_id, j.id, j.title, j.status, i.name AS institution,
                  m.id AS "model_id?", m.name AS "model?"
           FROM dataset_uses u
           JOIN attempts a ON a.id = u.attempt_id
           JOIN jobs j ON j.id = a.job_id
           JOIN institutions i ON i.id = j.institution_id
           LEFT JOIN models m ON m.job_id = j.id
           WHERE u.dataset_version_id = ANY($1)
           ORDER BY j.id, u.dataset_version_id"#,
        versions,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Use {
            version: row.dataset_version_id,
            job: row.id,
            title: row.title,
            status: row.status,
            institution: row.institution,
            model: row.model_id.zip(row.model),
        })
        .collect())
}

/// What was kept out on a decision, and how far that is.
#[derive(Debug, Clone)]
pub(in super::super) struct Exclusion {
    pub(in super::super) dataset: DatasetId,
    pub(in super::super) title: String,
    pub(in super::super) documents: i64,
    pub(in super::super) made_at: DateTime<Utc>,
    /// Number and state of the newest version.
    pub(in super::super) version: (i32, String),
    /// Files that are still being carried into it.
    pub(in super::super) files_waiting: i64,
    /// Documents that were left out of the files of it.
    pub(in super::super) dropped: i64,
}

pub(in super::super) async fn exclusions(
    conn: &mut PgConnection,
    complaint: ComplaintId,
    within: Option<&[InstitutionId]>,
) -> Result<Vec<Exclusion>, StoreError> {
    let within: Option<Vec<uuid::Uuid>> = within.map(|all| all.iter().map(|one| one.0).collect());
    let rows = sqlx::query!(
        r#"SELECT d.id, d.title, x.documents, x.made_at, v.number, v.status,
                  (SELECT count(*) FROM dataset_files f WHERE f.dataset_version_id = v.id
                       AND f.state IN ('uploading', 'verifying') AND f.fingerprint LIKE 'carried:%') AS "waiting!",
                  (SELECT coalesce(sum(c.documents_dropped), 0)::bigint FROM carried_files c
                       JOIN dataset_files f ON f.id = c.file_id WHERE f.dataset_version_id = v.id) AS "dropped!"
           FROM complaint_exclusions e
           JOIN exclusions x ON x.id = e.exclusion_id
           JOIN datasets d ON d.id = x.dataset_id
           JOIN LATERAL (SELECT n.id, n.number, n.status FROM dataset_versions n WHERE n.dataset_id = d.id
                         ORDER BY n.number DESC LIMIT 1) v ON true
           WHERE e.complaint_id = $1 AND ($2::uuid[] IS NULL OR d.institution_id = ANY($2))
           ORDER BY d.title, d.id"#,
        complaint.0,
        within.as_deref(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Exclusion {
            dataset: DatasetId(row.id),
            title: row.title,
            documents: row.documents,
            made_at: row.made_at,
            version: (row.number, row.status),
            files_waiting: row.waiting,
            dropped: row.dropped,
        })
        .collect())
}
