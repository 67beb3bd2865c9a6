//! Lines in all their versions, and who confirmed which.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    super::{
        line::{Basis, Confirmation, Line, Party, Said},
        term::Term,
    },
    corrupt,
};
use crate::{
    db::{StoreError, WriteTx},
    ids::{AgreementDocumentId, AgreementId, AgreementLineId, UserId},
    permissions::Layer,
};

struct Row {
    id: uuid::Uuid,
    layer: String,
    term: String,
    version: i32,
    state: String,
    value: Option<serde_json::Value>,
    basis: Option<String>,
    document_id: Option<uuid::Uuid>,
    page: Option<i32>,
    passage: Option<String>,
    need: Option<String>,
    reason: String,
    coded_by: String,
    coded_at: DateTime<Utc>,
}

fn read(row: Row, confirmations: Vec<Confirmation>) -> Result<Line, StoreError> {
    let wrong = |problem| corrupt("agreement_lines", row.id, problem);
    let term: Term = row.term.parse().map_err(|_| wrong("unknown term"))?;
    let value = row
        .value
        .as_ref()
        .map(|json| term.read(json).map_err(|_| wrong("unknown value")))
        .transpose()?;
    let said = match row.state.as_str() {
        "coded" => {
            let place = row.document_id.map(AgreementDocumentId).zip(row.page);
            let basis = match (row.basis.as_deref(), place, row.passage) {
                (Some("passage"), Some((document, page)), Some(passage)) => Basis::Passage {
                    document,
                    page,
                    passage,
                },
                (Some("page"), Some((document, page)), None) => Basis::Page { document, page },
                (Some("template"), None, None) => Basis::Template { reason: row.reason },
                (Some("silent"), None, None) => Basis::Silent,
                _ => return Err(wrong("unknown basis")),
            };
            let value = value.ok_or_else(|| wrong("coded without a value"))?;
            Said::Coded { value, basis }
        }
        "needs_human" => Said::NeedsHuman {
            need: row
                .need
                .as_deref()
                .and_then(|need| need.parse().ok())
                .ok_or_else(|| wrong("unknown need"))?,
            reason: row.reason,
            value,
        },
        _ => return Err(wrong("unknown state")),
    };
    Ok(Line {
        id: AgreementLineId(row.id),
        layer: row.layer.parse().map_err(|_| wrong("unknown layer"))?,
        term,
        version: row.version,
        said,
        coded_by: row.coded_by,
        coded_at: row.coded_at,
        confirmations,
    })
}

async fn confirmations(
    conn: &mut PgConnection,
    agreement: AgreementId,
) -> Result<Vec<(uuid::Uuid, Confirmation)>, StoreError> {
    let rows = sqlx::query!(
        "SELECT c.line_id, c.party, c.confirmed_by, u.name, c.confirmed_at
         FROM agreement_confirmations c JOIN users u ON u.id = c.confirmed_by
         WHERE c.agreement_id = $1 ORDER BY c.party",
        agreement.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let party: Party = row
                .party
                .parse()
                .map_err(|_| corrupt("agreement_confirmations", row.line_id, "unknown party"))?;
            let one = Confirmation {
                party,
                by: UserId(row.confirmed_by),
                name: row.name,
                at: row.confirmed_at,
            };
            Ok((row.line_id, one))
        })
        .collect()
}

fn together(
    rows: Vec<Row>,
    confirmations: &[(uuid::Uuid, Confirmation)],
) -> Result<Vec<Line>, StoreError> {
    rows.into_iter()
        .map(|row| {
            let own = confirmations
                .iter()
                .filter(|(line, _)| *line == row.id)
                .map(|(_, one)| one.clone())
                .collect();
            read(row, own)
        })
        .collect()
}

/// The lines that stand: the newest version of each, of the agreement's layers, in the order of layers and terms.
pub(in super::super) async fn standing(
    conn: &mut PgConnection,
    agreement: AgreementId,
) -> Result<Vec<Line>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT DISTINCT ON (l.layer, l.term) l.id, l.layer, l.term, l.version, l.state, l.value, l.basis,
                l.document_id, l.page, l.passage, l.need, l.reason, u.name AS coded_by, l.coded_at
         FROM agreement_lines l JOIN users u ON u.id = l.coded_by JOIN agreements a ON a.id = l.agreement_id
         WHERE l.agreement_id = $1 AND l.layer = ANY (a.layers)
         ORDER BY l.layer, l.term, l.version DESC",
        agreement.0,
    )
    .fetch_all(&mut *conn)
    .await?;
    let confirmations = confirmations(conn, agreement).await?;
    let mut lines = together(rows, &confirmations)?;
    lines.sort_by_key(|line| (line.layer, line.term));
    Ok(lines)
}

/// Every version of one line, the newest first.
pub(in super::super) async fn history(
    conn: &mut PgConnection,
    agreement: AgreementId,
    layer: Layer,
    term: Term,
) -> Result<Vec<Line>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT l.id, l.layer, l.term, l.version, l.state, l.value, l.basis, l.document_id, l.page, l.passage,
                l.need, l.reason, u.name AS coded_by, l.coded_at
         FROM agreement_lines l JOIN users u ON u.id = l.coded_by
         WHERE l.agreement_id = $1 AND l.layer = $2 AND l.term = $3 ORDER BY l.version DESC LIMIT 100",
        agreement.0,
        layer.name(),
        term.name(),
    )
    .fetch_all(&mut *conn)
    .await?;
    let confirmations = confirmations(conn, agreement).await?;
    together(rows, &confirmations)
}

/// Adds a version to a line; the first where there is none yet.
pub(in super::super) async fn insert_line(
    tx: &mut WriteTx<'_>,
    agreement: AgreementId,
    layer: Layer,
    term: Term,
    (said, by): (&Said, UserId),
) -> Result<(), StoreError> {
    let (now, id) = (tx.now(), AgreementLineId::fresh());
    let (state, value, basis, need) = match said {
        Said::Coded { value, basis } => ("coded", Some(value.json()), Some(basis), None),
        Said::NeedsHuman { need, value, .. } => (
            "needs_human",
            value.as_ref().map(super::super::term::Value::json),
            None,
            Some(need.name()),
        ),
    };
    let (document, page, passage) = match basis {
        Some(Basis::Passage {
            document,
            page,
            passage,
        }) => (Some(document.0), Some(*page), Some(passage.as_str())),
        Some(Basis::Page { document, page }) => (Some(document.0), Some(*page), None),
        Some(Basis::Template { .. } | Basis::Silent) | None => (None, None, None),
    };
    let reason = match said {
        Said::NeedsHuman { reason, .. }
        | Said::Coded {
            basis: Basis::Template { reason },
            ..
        } => reason.as_str(),
        Said::Coded { .. } => "",
    };
    sqlx::query!(
        "INSERT INTO agreement_lines (id, agreement_id, layer, term, version, state, value, basis, document_id,
             page, passage, need, reason, coded_by, coded_at)
         SELECT $1, $2, $3, $4, coalesce(max(l.version), 0) + 1, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
         FROM agreement_lines l WHERE l.agreement_id = $2 AND l.layer = $3 AND l.term = $4",
        id.0,
        agreement.0,
        layer.name(),
        term.name(),
        state,
        value,
        basis.map(Basis::name),
        document,
        page,
        passage,
        need,
        reason,
        by.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A line as somebody saw it when they confirmed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(in super::super) struct ConfirmedLine {
    pub(in super::super) line: AgreementLineId,
    pub(in super::super) layer: Layer,
    pub(in super::super) term: Term,
    pub(in super::super) version: i32,
}

pub(in super::super) async fn confirm(
    tx: &mut WriteTx<'_>,
    agreement: AgreementId,
    line: AgreementLineId,
    party: Party,
) -> Result<(), StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "INSERT INTO agreement_confirmations (line_id, agreement_id, party, confirmed_by, confirmed_at)
         VALUES ($1, $2, $3, $4, $5)",
        line.0,
        agreement.0,
        party.name(),
        actor.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
