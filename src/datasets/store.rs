//! The SQL of datasets, their versions and files.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    Dataset, Facts, File, Status, Version,
    file::{FileState, Format},
};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{DatasetId, DatasetVersionId, FileId, InstitutionId, UserId},
};

/// A dataset with its newest version, as stored.
pub(super) struct Row {
    pub(super) id: uuid::Uuid,
    pub(super) institution_id: uuid::Uuid,
    pub(super) institution: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) language: String,
    pub(super) license: String,
    pub(super) source: String,
    pub(super) right_holder: String,
    pub(super) personal_data_basis: Option<String>,
    pub(super) confidentiality: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) version_id: uuid::Uuid,
    pub(super) number: i32,
    pub(super) status: String,
    pub(super) manifest_sha256: Option<String>,
    pub(super) submitted_by: Option<uuid::Uuid>,
    pub(super) submitted_at: Option<DateTime<Utc>>,
    pub(super) decided_at: Option<DateTime<Utc>>,
    pub(super) is_published: bool,
}

impl TryFrom<Row> for Dataset {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let corrupt = |problem| CorruptRow {
            table: "datasets",
            id: row.id,
            problem,
        };
        Ok(Self {
            id: DatasetId(row.id),
            institution: InstitutionId(row.institution_id),
            institution_name: row.institution,
            facts: Facts {
                title: row.title,
                description: row.description,
                language: row.language,
                license: row.license,
                source: row.source,
                right_holder: row.right_holder,
                personal_data_basis: row.personal_data_basis,
                confidentiality: row
                    .confidentiality
                    .parse()
                    .map_err(|_| corrupt("unknown confidentiality"))?,
            },
            created_at: row.created_at,
            version: Version {
                id: DatasetVersionId(row.version_id),
                number: row.number,
                status: row.status.parse().map_err(|_| corrupt("unknown status"))?,
                manifest_sha256: row.manifest_sha256,
                submitted_by: row.submitted_by.map(UserId),
                submitted_at: row.submitted_at,
                decided_at: row.decided_at,
            },
            is_published: row.is_published,
        })
    }
}

pub(super) async fn find(
    conn: &mut PgConnection,
    id: DatasetId,
) -> Result<Option<Dataset>, StoreError> {
    find_with(conn, id, false).await
}

/// The dataset with its newest approved version.
pub(super) async fn find_approved(
    conn: &mut PgConnection,
    id: DatasetId,
) -> Result<Option<Dataset>, StoreError> {
    find_with(conn, id, true).await
}

async fn find_with(
    conn: &mut PgConnection,
    id: DatasetId,
    is_approved: bool,
) -> Result<Option<Dataset>, StoreError> {
    sqlx::query_as!(
        Row,
        r#"SELECT d.id, d.institution_id, i.name AS institution, d.title, d.description, d.language, d.license,
                  d.source, d.right_holder, d.personal_data_basis, d.confidentiality, d.created_at,
                  v.id AS version_id, v.number, v.status, v.manifest_sha256, v.submitted_by, v.submitted_at,
                  v.decided_at,
                  EXISTS (SELECT 1 FROM dataset_versions p
                          WHERE p.dataset_id = d.id AND 'approved' IN (p.status, p.withdrawn_from)) AS "is_published!"
           FROM datasets d
           JOIN institutions i ON i.id = d.institution_id
           JOIN dataset_versions v ON v.dataset_id = d.id
           WHERE d.id = $1 AND (v.status = 'approved' OR NOT $2)
           ORDER BY v.number DESC LIMIT 1"#,
        id.0,
        is_approved,
    )
    .fetch_optional(conn)
    .await?
    .map(Dataset::try_from)
    .transpose()
}

/// Finds the dataset and keeps every other change of it, its versions and files waiting.
pub(super) async fn lock(
    tx: &mut WriteTx<'_>,
    id: DatasetId,
) -> Result<Option<Dataset>, StoreError> {
    sqlx::query!("SELECT id FROM datasets WHERE id = $1 FOR UPDATE", id.0)
        .fetch_optional(tx.conn())
        .await?;
    // Read after the lock is held: what it waited for is seen.
    find(tx.conn(), id).await
}

/// Which datasets a list shows.
pub(super) struct Listing<'a> {
    /// All of this institution; none: of all institutions.
    pub(super) of: Option<uuid::Uuid>,
    /// Words to find, for ILIKE; `%` finds all.
    pub(super) pattern: &'a str,
    /// Only those older than this one.
    pub(super) before: Option<uuid::Uuid>,
    pub(super) limit: i64,
}

/// The datasets of an institution and the published ones of all, newest first.
pub(super) async fn list(
    conn: &mut PgConnection,
    listing: &Listing<'_>,
) -> Result<Vec<Dataset>, StoreError> {
    sqlx::query_as!(
        Row,
        r#"SELECT d.id, d.institution_id, i.name AS institution, d.title, d.description, d.language, d.license,
                  d.source, d.right_holder, d.personal_data_basis, d.confidentiality, d.created_at,
                  v.id AS version_id, v.number, v.status, v.manifest_sha256, v.submitted_by, v.submitted_at,
                  v.decided_at, p.is_published AS "is_published!"
           FROM datasets d
           JOIN institutions i ON i.id = d.institution_id
           JOIN dataset_versions v ON v.dataset_id = d.id
               -- Of others' datasets, what is being made next is not shown.
               AND v.number = (SELECT max(n.number) FROM dataset_versions n WHERE n.dataset_id = d.id
                   AND ($1::uuid IS NULL OR d.institution_id = $1 OR n.status = 'approved'))
           CROSS JOIN LATERAL (SELECT EXISTS (SELECT 1 FROM dataset_versions a
               WHERE a.dataset_id = d.id AND 'approved' IN (a.status, a.withdrawn_from)) AS is_published) p
           WHERE ($1::uuid IS NULL OR d.institution_id = $1 OR p.is_published)
             AND (d.title ILIKE $2 OR d.description ILIKE $2 OR i.name ILIKE $2)
             AND ($3::uuid IS NULL OR d.id < $3)
           ORDER BY d.id DESC LIMIT $4"#,
        listing.of,
        listing.pattern,
        listing.before,
        listing.limit,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Dataset::try_from)
    .collect()
}

pub(super) async fn insert(
    tx: &mut WriteTx<'_>,
    id: DatasetId,
    version: DatasetVersionId,
    facts: &Facts,
) -> Result<(), StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "INSERT INTO datasets (id, institution_id, title, description, language, license, source, right_holder,
             has_personal_data, personal_data_basis, confidentiality, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        id.0,
        actor.institution.0,
        facts.title,
        facts.description,
        facts.language,
        facts.license,
        facts.source,
        facts.right_holder,
        facts.personal_data_basis.is_some(),
        facts.personal_data_basis,
        facts.confidentiality.name(),
        actor.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "INSERT INTO dataset_versions (id, dataset_id, number, status, created_at) VALUES ($1, $2, 1, $3, $4)",
        version.0,
        id.0,
        Status::Draft.name(),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn update_facts(
    tx: &mut WriteTx<'_>,
    id: DatasetId,
    facts: &Facts,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE datasets SET title = $2, description = $3, language = $4, license = $5, source = $6,
             right_holder = $7, has_personal_data = $8, personal_data_basis = $9, confidentiality = $10
         WHERE id = $1",
        id.0,
        facts.title,
        facts.description,
        facts.language,
        facts.license,
        facts.source,
        facts.right_holder,
        facts.personal_data_basis.is_some(),
        facts.personal_data_basis,
        facts.confidentiality.name(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Stores the state of a version and all that came with it.
pub(super) async fn save_version(
    tx: &mut WriteTx<'_>,
    version: &Version,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE dataset_versions SET status = $2, manifest_sha256 = $3, submitted_by = $4, submitted_at = $5,
             decided_at = $6
         WHERE id = $1",
        version.id.0,
        version.status.name(),
        version.manifest_sha256,
        version.submitted_by.map(|user| user.0),
        version.submitted_at,
        version.decided_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The files of a version, by path; of a path that was sent more than once, the newest.
pub(super) async fn files(
    conn: &mut PgConnection,
    version: DatasetVersionId,
) -> Result<Vec<File>, StoreError> {
    let rows = sqlx::query!(
        "SELECT DISTINCT ON (path) id, path, state, size_bytes, format, sha256, documents, characters, problem,
             created_at
         FROM dataset_files
         WHERE dataset_version_id = $1 AND state <> 'aborted'
         ORDER BY path, id DESC",
        version.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = |problem| CorruptRow {
                table: "dataset_files",
                id: row.id,
                problem,
            };
            let state: FileState = row.state.parse().map_err(|_| corrupt("unknown state"))?;
            let format: Option<Format> = row
                .format
                .map(|format| format.parse().map_err(|_| corrupt("unknown format")))
                .transpose()?;
            let problem = row
                .problem
                .map(serde_json::from_value)
                .transpose()
                .map_err(|_| corrupt("unreadable problem"))?;
            Ok(File {
                id: FileId(row.id),
                path: row.path,
                state,
                size_bytes: row.size_bytes,
                format,
                sha256: row.sha256,
                documents: row.documents,
                characters: row.characters,
                problem,
                created_at: row.created_at,
            })
        })
        .collect()
}
