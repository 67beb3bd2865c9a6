//! Lists of cases.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::super::{case::Status, request::Kind};
use crate::{
    db::{CorruptRow, StoreError},
    ids::{ComplaintId, InstitutionId, UserId},
};

/// A case in a list; who asked is not in it.
#[derive(Debug, Clone)]
pub(in super::super) struct Brief {
    pub(in super::super) id: ComplaintId,
    pub(in super::super) number: String,
    pub(in super::super) kind: Kind,
    pub(in super::super) status: Status,
    pub(in super::super) received_at: DateTime<Utc>,
    pub(in super::super) due_at: DateTime<Utc>,
    pub(in super::super) owner: Option<UserId>,
    pub(in super::super) owner_name: Option<String>,
    pub(in super::super) prepared_by: Option<UserId>,
    pub(in super::super) prepared_at: Option<DateTime<Utc>>,
    pub(in super::super) decided_by: Option<UserId>,
    pub(in super::super) documents: i64,
}

/// Cases, open ones first, by when they are due. `involved`: only those with documents of this institution.
pub(in super::super) async fn briefs(
    conn: &mut PgConnection,
    involved: Option<InstitutionId>,
    is_open_only: bool,
) -> Result<Vec<Brief>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT c.id, c.number, c.kind, c.status, c.received_at, c.due_at, c.owner_id, o.name AS "owner?",
                  c.prepared_by, c.prepared_at, c.decided_by,
                  (SELECT count(*) FROM complaint_documents m JOIN datasets d ON d.id = m.dataset_id
                   WHERE m.complaint_id = c.id AND ($1::uuid IS NULL OR d.institution_id = $1)) AS "documents!"
           FROM complaints c LEFT JOIN users o ON o.id = c.owner_id
           WHERE ($1::uuid IS NULL OR EXISTS (
                     SELECT 1 FROM complaint_documents m JOIN datasets d ON d.id = m.dataset_id
                     WHERE m.complaint_id = c.id AND d.institution_id = $1))
             AND (c.status <> 'decided' OR NOT $2)
           ORDER BY c.status = 'decided', CASE WHEN c.status = 'decided' THEN NULL ELSE c.due_at END,
                    c.received_at DESC, c.id LIMIT 500"#,
        involved.map(|id| id.0),
        is_open_only,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = |problem| CorruptRow {
                table: "complaints",
                id: row.id,
                problem,
            };
            Ok(Brief {
                id: ComplaintId(row.id),
                kind: row.kind.parse().map_err(|_| corrupt("unknown kind"))?,
                status: row.status.parse().map_err(|_| corrupt("unknown status"))?,
                number: row.number,
                received_at: row.received_at,
                due_at: row.due_at,
                owner: row.owner_id.map(UserId),
                owner_name: row.owner,
                prepared_by: row.prepared_by.map(UserId),
                prepared_at: row.prepared_at,
                decided_by: row.decided_by.map(UserId),
                documents: row.documents,
            })
        })
        .collect()
}

/// Open cases with documents of an institution that has said nothing of them yet: id, number, kind, since when.
pub(in super::super) async fn waiting_for_institution(
    conn: &mut PgConnection,
    institution: InstitutionId,
) -> Result<Vec<(ComplaintId, String, DateTime<Utc>, DateTime<Utc>)>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT c.id, c.number, c.due_at, min(m.marked_at) AS "since!"
           FROM complaints c
           JOIN complaint_documents m ON m.complaint_id = c.id
           JOIN datasets d ON d.id = m.dataset_id AND d.institution_id = $1
           WHERE c.status <> 'decided'
             AND NOT EXISTS (SELECT 1 FROM complaint_remarks r
                             WHERE r.complaint_id = c.id AND r.institution_id = $1)
           GROUP BY c.id, c.number, c.due_at ORDER BY c.due_at LIMIT 100"#,
        institution.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (ComplaintId(row.id), row.number, row.since, row.due_at))
        .collect())
}

/// A remark of an institution.
#[derive(Debug, Clone)]
pub(in super::super) struct Remark {
    pub(in super::super) institution: String,
    pub(in super::super) who: String,
    /// None once the personal details were deleted.
    pub(in super::super) text: Option<String>,
    pub(in super::super) at: DateTime<Utc>,
}

/// What institutions said of a case, oldest first; of one institution or of all.
pub(in super::super) async fn remarks(
    conn: &mut PgConnection,
    complaint: ComplaintId,
    of: Option<InstitutionId>,
) -> Result<Vec<Remark>, StoreError> {
    let rows = sqlx::query!(
        "SELECT i.name AS institution, u.name AS who, r.text, r.made_at
         FROM complaint_remarks r
         JOIN institutions i ON i.id = r.institution_id
         JOIN users u ON u.id = r.made_by
         WHERE r.complaint_id = $1 AND ($2::uuid IS NULL OR r.institution_id = $2)
         ORDER BY r.made_at, r.id",
        complaint.0,
        of.map(|id| id.0),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Remark {
            institution: row.institution,
            who: row.who,
            text: row.text,
            at: row.made_at,
        })
        .collect())
}
