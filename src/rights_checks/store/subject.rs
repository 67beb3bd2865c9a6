//! What rights checks need to know of a dataset.

use sqlx::PgConnection;

use crate::{
    db::{StoreError, WriteTx},
    ids::{DatasetId, DatasetVersionId, InstitutionId},
    policy::Scope,
};

/// A dataset with its newest version.
#[derive(Debug, Clone)]
pub(in super::super) struct Subject {
    pub(in super::super) dataset: DatasetId,
    pub(in super::super) institution: InstitutionId,
    pub(in super::super) title: String,
    pub(in super::super) license: String,
    pub(in super::super) version: DatasetVersionId,
    pub(in super::super) is_published: bool,
}

impl Subject {
    /// What the rules of authorisation look at.
    pub(in super::super) fn scope(&self) -> Scope {
        let mut scope = Scope::of(self.institution);
        scope.is_published = self.is_published;
        scope
    }
}

pub(in super::super) async fn subject(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Option<Subject>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT d.id, d.institution_id, d.title, d.license, v.id AS version_id,
                  EXISTS (SELECT 1 FROM dataset_versions p
                          WHERE p.dataset_id = d.id AND p.status = 'approved') AS "is_published!"
           FROM datasets d
           JOIN dataset_versions v ON v.dataset_id = d.id
           WHERE d.id = $1
           ORDER BY v.number DESC LIMIT 1"#,
        dataset.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Subject {
        dataset: DatasetId(row.id),
        institution: InstitutionId(row.institution_id),
        title: row.title,
        license: row.license,
        version: DatasetVersionId(row.version_id),
        is_published: row.is_published,
    }))
}

/// Keeps everybody who decides on a use of the dataset waiting until the transaction ends.
pub(in super::super) async fn lock(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
) -> Result<Option<Subject>, StoreError> {
    sqlx::query!(
        "SELECT id FROM datasets WHERE id = $1 FOR UPDATE",
        dataset.0
    )
    .fetch_optional(tx.conn())
    .await?;
    subject(tx.conn(), dataset).await
}
