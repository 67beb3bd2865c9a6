//! The SQL of privacy assessments.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    assessment::{Assessment, Outcome},
    sign::Decision,
};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{AssessmentId, DatasetId, DatasetVersionId, InstitutionId, UserId},
    policy::{Actor, Scope},
};

/// What an assessment needs to know of a dataset: the newest version is the one that is assessed.
pub(super) struct Subject {
    pub(super) institution: InstitutionId,
    pub(super) institution_name: String,
    pub(super) title: String,
    pub(super) has_personal_data: bool,
    pub(super) version: DatasetVersionId,
    pub(super) number: i32,
    pub(super) is_published: bool,
}

impl Subject {
    pub(super) fn scope(&self) -> Scope {
        let mut scope = Scope::of(self.institution);
        scope.is_published = self.is_published;
        scope
    }
}

pub(super) async fn subject(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Option<Subject>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT d.institution_id, i.name, d.title, d.has_personal_data, v.id, v.number,
                  EXISTS (SELECT 1 FROM dataset_versions p
                          WHERE p.dataset_id = d.id AND p.status = 'approved') AS "is_published!"
           FROM datasets d
           JOIN institutions i ON i.id = d.institution_id
           JOIN dataset_versions v ON v.dataset_id = d.id
           WHERE d.id = $1
           ORDER BY v.number DESC LIMIT 1"#,
        dataset.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Subject {
        institution: InstitutionId(row.institution_id),
        institution_name: row.name,
        title: row.title,
        has_personal_data: row.has_personal_data,
        version: DatasetVersionId(row.id),
        number: row.number,
        is_published: row.is_published,
    }))
}

/// Keeps everybody who decides on the dataset waiting until the transaction ends.
pub(super) async fn lock(
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

/// A decision of the privacy officer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signature {
    /// Signed or returned.
    pub decision: Decision,
    /// Why.
    pub reason: String,
    /// Name of the privacy officer.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// An assessment as it was filed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Filed {
    /// Its id.
    pub id: AssessmentId,
    /// Of which version.
    pub version: DatasetVersionId,
    /// From 1, for each version.
    pub number: i32,
    /// What it says.
    pub assessment: Assessment,
    /// Hash of its text.
    pub text_sha256: String,
    /// Who filled it in.
    #[serde(skip)]
    pub filled_by: UserId,
    /// Their name.
    pub filled_by_name: String,
    /// When.
    pub filled_at: DateTime<Utc>,
    /// What the privacy officer said.
    pub signature: Option<Signature>,
}

/// Everything that was filed about a dataset, oldest first.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn of_dataset(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Vec<Filed>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT a.id, a.dataset_version_id, a.number, a.text, a.text_sha256, a.filled_by, a.filled_at,
                  f.name AS filled_by_name, s.decision AS "decision?", s.reason AS "reason?",
                  s.signed_at AS "signed_at?", o.name AS "officer?"
           FROM privacy_assessments a
           JOIN dataset_versions v ON v.id = a.dataset_version_id
           JOIN users f ON f.id = a.filled_by
           LEFT JOIN privacy_signatures s ON s.assessment_id = a.id
           LEFT JOIN users o ON o.id = s.signed_by
           WHERE v.dataset_id = $1
           ORDER BY v.number, a.number"#,
        dataset.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = |problem| CorruptRow {
                table: "privacy_assessments",
                id: row.id,
                problem,
            };
            let signature = match (row.decision, row.reason, row.signed_at, row.officer) {
                (Some(decision), Some(reason), Some(at), Some(by)) => Some(Signature {
                    decision: Decision::parse(&decision)
                        .ok_or_else(|| corrupt("unknown decision"))?,
                    reason,
                    by,
                    at,
                }),
                _ => None,
            };
            Ok(Filed {
                id: AssessmentId(row.id),
                version: DatasetVersionId(row.dataset_version_id),
                number: row.number,
                assessment: serde_json::from_str(&row.text)
                    .map_err(|_| corrupt("text cannot be read"))?,
                text_sha256: row.text_sha256,
                filled_by: UserId(row.filled_by),
                filled_by_name: row.filled_by_name,
                filled_at: row.filled_at,
                signature,
            })
        })
        .collect()
}

pub(super) async fn next_number(
    conn: &mut PgConnection,
    version: DatasetVersionId,
) -> Result<i32, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(max(number), 0) + 1 AS "next!" FROM privacy_assessments WHERE dataset_version_id = $1"#,
        version.0,
    )
    .fetch_one(conn)
    .await?)
}

/// A text to be stored.
pub(super) struct NewAssessment<'a> {
    pub(super) id: AssessmentId,
    pub(super) version: DatasetVersionId,
    pub(super) number: i32,
    pub(super) text: &'a str,
    pub(super) text_sha256: &'a str,
    pub(super) result: Outcome,
}

pub(super) async fn insert(
    tx: &mut WriteTx<'_>,
    new: &NewAssessment<'_>,
) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    sqlx::query!(
        "INSERT INTO privacy_assessments (id, dataset_version_id, number, text, text_sha256, result, filled_by,
             filled_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        new.id.0,
        new.version.0,
        new.number,
        new.text,
        new.text_sha256,
        new.result.name(),
        user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn insert_signature(
    tx: &mut WriteTx<'_>,
    filed: &Filed,
    decision: Decision,
    reason: &str,
) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    sqlx::query!(
        "INSERT INTO privacy_signatures (id, assessment_id, text_sha256, filled_by, decision, reason, signed_by,
             signed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        Uuid::now_v7(),
        filed.id.0,
        filed.text_sha256,
        filed.filled_by.0,
        decision.name(),
        reason,
        user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A dataset that waits: its title, its institution, since when.
pub(super) struct WaitingRow {
    pub(super) dataset: DatasetId,
    pub(super) title: String,
    pub(super) institution: String,
    pub(super) since: DateTime<Utc>,
}

/// Datasets of the actor's institution whose newest text waits for a signature.
pub(super) async fn unsigned(
    conn: &mut PgConnection,
    actor: &Actor,
) -> Result<Vec<WaitingRow>, StoreError> {
    let rows = sqlx::query!(
        "SELECT d.id, d.title, i.name, a.filled_at
         FROM privacy_assessments a
         JOIN dataset_versions v ON v.id = a.dataset_version_id
         JOIN datasets d ON d.id = v.dataset_id
         JOIN institutions i ON i.id = d.institution_id
         WHERE d.institution_id = $1 AND d.has_personal_data AND a.filled_by <> $2
           AND NOT EXISTS (SELECT 1 FROM privacy_signatures s WHERE s.assessment_id = a.id)
           AND a.number = (SELECT max(l.number) FROM privacy_assessments l
                           WHERE l.dataset_version_id = a.dataset_version_id)
           AND v.status NOT IN ('rejected', 'withdrawn')
         ORDER BY a.filled_at, d.id LIMIT 100",
        actor.institution.0,
        actor.user.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| WaitingRow {
            dataset: DatasetId(row.id),
            title: row.title,
            institution: row.name,
            since: row.filled_at,
        })
        .collect())
}

/// Datasets of the actor's institution with personal data of which the newest version has no text that stands:
/// none was filled in, or the last one was returned.
pub(super) async fn unfilled(
    conn: &mut PgConnection,
    actor: &Actor,
) -> Result<Vec<WaitingRow>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT d.id, d.title, i.name, coalesce(l.signed_at, v.created_at) AS "since!"
           FROM datasets d
           JOIN institutions i ON i.id = d.institution_id
           JOIN dataset_versions v ON v.dataset_id = d.id
               AND v.number = (SELECT max(n.number) FROM dataset_versions n WHERE n.dataset_id = d.id)
           LEFT JOIN LATERAL (
               SELECT a.id, s.decision, s.signed_at FROM privacy_assessments a
               LEFT JOIN privacy_signatures s ON s.assessment_id = a.id
               WHERE a.dataset_version_id = v.id ORDER BY a.number DESC LIMIT 1) l ON true
           WHERE d.institution_id = $1 AND d.has_personal_data AND v.status NOT IN ('rejected', 'withdrawn')
             AND (l.id IS NULL OR l.decision = 'returned')
           ORDER BY 4, d.id LIMIT 100"#,
        actor.institution.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| WaitingRow {
            dataset: DatasetId(row.id),
            title: row.title,
            institution: row.name,
            since: row.since,
        })
        .collect())
}
