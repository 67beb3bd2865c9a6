//! What the audit log says of closed months.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::{db::StoreError, ids::InstitutionId};

/// A line about a closed month.
pub(in super::super) struct LoggedMonth {
    pub(in super::super) month: String,
    pub(in super::super) formula: Option<i32>,
    pub(in super::super) journal_sha256: String,
    pub(in super::super) is_kept: bool,
}

/// A line about a statement.
pub(in super::super) struct LoggedStatement {
    pub(in super::super) month: String,
    pub(in super::super) institution: InstitutionId,
    pub(in super::super) body_sha256: String,
    pub(in super::super) is_kept: bool,
}

/// The lines by the id of what they are about; `is_kept` where that is still there.
#[derive(Default)]
pub(in super::super) struct Logged {
    pub(in super::super) months: BTreeMap<Uuid, LoggedMonth>,
    pub(in super::super) statements: BTreeMap<Uuid, LoggedStatement>,
}

/// Everything that the audit log says of the ledger.
pub(in super::super) async fn logged(conn: &mut PgConnection) -> Result<Logged, StoreError> {
    let mut logged = Logged::default();
    // Line and row are committed at once, and compared in one statement: a month that is being closed is no
    // difference.
    for row in sqlx::query!(
        r#"SELECT e.subject_id, e.payload ->> 'month' AS "month!", (e.payload ->> 'formula')::integer AS formula,
                  coalesce(e.payload ->> 'journal_sha256', '') AS "journal_sha256!",
                  EXISTS (SELECT 1 FROM ledger_months m WHERE m.id = e.subject_id) AS "is_kept!"
           FROM events e WHERE e.subject_kind = 'ledger_month' AND e.kind = 'ledger.month_closed'"#
    )
    .fetch_all(&mut *conn)
    .await?
    {
        let line = LoggedMonth {
            month: row.month,
            formula: row.formula,
            journal_sha256: row.journal_sha256,
            is_kept: row.is_kept,
        };
        logged.months.insert(row.subject_id, line);
    }
    for row in sqlx::query!(
        r#"SELECT e.subject_id, e.institution_id, e.payload ->> 'month' AS "month!",
                  coalesce(e.payload ->> 'body_sha256', '') AS "body_sha256!",
                  EXISTS (SELECT 1 FROM ledger_statements s WHERE s.id = e.subject_id) AS "is_kept!"
           FROM events e WHERE e.subject_kind = 'ledger_statement' AND e.kind = 'ledger.statement_made'"#
    )
    .fetch_all(conn)
    .await?
    {
        let line = LoggedStatement {
            month: row.month,
            institution: InstitutionId(row.institution_id),
            body_sha256: row.body_sha256,
            is_kept: row.is_kept,
        };
        logged.statements.insert(row.subject_id, line);
    }
    Ok(logged)
}
