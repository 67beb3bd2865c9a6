//! What waits for somebody.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{super::agreement::Status, corrupt};
use crate::{db::StoreError, ids::AgreementId, ids::InstitutionId};

/// An agreement with the time since which it waits.
pub(in super::super) struct Waits {
    pub(in super::super) id: AgreementId,
    pub(in super::super) title: String,
    pub(in super::super) institution: String,
    pub(in super::super) status: Status,
    pub(in super::super) since: DateTime<Utc>,
}

/// Those that their institution has to finish: drafts, and what was returned.
pub(in super::super) async fn drafts(
    conn: &mut PgConnection,
    institution: InstitutionId,
) -> Result<Vec<Waits>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT a.id, a.title, i.name, a.status, coalesce(a.decided_at, a.created_at) AS "since!"
           FROM agreements a JOIN institutions i ON i.id = a.institution_id
           WHERE a.institution_id = $1 AND a.status IN ('draft', 'returned') ORDER BY a.id LIMIT 100"#,
        institution.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Waits {
                id: AgreementId(row.id),
                title: row.title,
                institution: row.name,
                status: row
                    .status
                    .parse()
                    .map_err(|_| corrupt("agreements", row.id, "unknown status"))?,
                since: row.since,
            })
        })
        .collect()
}

/// Those in review, of one institution or of all.
pub(in super::super) async fn in_review(
    conn: &mut PgConnection,
    institution: Option<InstitutionId>,
) -> Result<Vec<Waits>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT a.id, a.title, i.name, a.submitted_at AS "since!"
           FROM agreements a JOIN institutions i ON i.id = a.institution_id
           WHERE a.status = 'in_review' AND ($1::uuid IS NULL OR a.institution_id = $1)
           ORDER BY a.submitted_at, a.id LIMIT 100"#,
        institution.map(|id| id.0),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Waits {
            id: AgreementId(row.id),
            title: row.title,
            institution: row.name,
            status: Status::InReview,
            since: row.since,
        })
        .collect())
}
