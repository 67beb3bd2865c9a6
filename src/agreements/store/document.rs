//! Documents and the text of their pages.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    super::{
        line::Pages,
        pdf::{Problem, Reading},
    },
    corrupt,
};
use crate::{
    db::{StoreError, WriteTx},
    ids::{AgreementDocumentId, AgreementId, UserId},
};

/// Where a document stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum DocumentState {
    /// Waits for its text to be read.
    Reading,
    /// So many pages were read.
    Ready(i32),
    Refused(Problem),
}

/// A document that was sent.
#[derive(Debug, Clone)]
pub(in super::super) struct Document {
    pub(in super::super) id: AgreementDocumentId,
    pub(in super::super) agreement: AgreementId,
    pub(in super::super) number: i32,
    pub(in super::super) file_name: String,
    pub(in super::super) size_bytes: i64,
    pub(in super::super) sha256: String,
    pub(in super::super) object_key: String,
    pub(in super::super) object_version: String,
    pub(in super::super) state: DocumentState,
    /// Who sent it.
    pub(in super::super) created_by: UserId,
    pub(in super::super) created_at: DateTime<Utc>,
}

struct Row {
    id: uuid::Uuid,
    agreement_id: uuid::Uuid,
    number: i32,
    file_name: String,
    size_bytes: i64,
    sha256: String,
    object_key: String,
    object_version: String,
    state: String,
    problem: Option<String>,
    pages: Option<i32>,
    created_by: uuid::Uuid,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Document {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let state = match (row.state.as_str(), row.pages, &row.problem) {
            ("reading", None, None) => DocumentState::Reading,
            ("ready", Some(pages), None) => DocumentState::Ready(pages),
            ("refused", None, Some(problem)) => DocumentState::Refused(
                problem
                    .parse()
                    .map_err(|_| corrupt("agreement_documents", row.id, "unknown problem"))?,
            ),
            _ => return Err(corrupt("agreement_documents", row.id, "unknown state")),
        };
        Ok(Self {
            id: AgreementDocumentId(row.id),
            agreement: AgreementId(row.agreement_id),
            number: row.number,
            file_name: row.file_name,
            size_bytes: row.size_bytes,
            sha256: row.sha256,
            object_key: row.object_key,
            object_version: row.object_version,
            state,
            created_by: UserId(row.created_by),
            created_at: row.created_at,
        })
    }
}

pub(in super::super) async fn insert_document(
    tx: &mut WriteTx<'_>,
    document: &Document,
) -> Result<(), StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "INSERT INTO agreement_documents (id, agreement_id, number, file_name, size_bytes, sha256, object_key,
             object_version, state, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'reading', $9, $10)",
        document.id.0,
        document.agreement.0,
        document.number,
        document.file_name,
        document.size_bytes,
        document.sha256,
        document.object_key,
        document.object_version,
        actor.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in super::super) async fn find_document(
    conn: &mut PgConnection,
    id: AgreementDocumentId,
) -> Result<Option<Document>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, agreement_id, number, file_name, size_bytes, sha256, object_key, object_version, state,
                problem, pages, created_by, created_at
         FROM agreement_documents WHERE id = $1",
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    row.map(Document::try_from).transpose()
}

/// The document that was sent last; with `of_use`, without those that were refused.
pub(in super::super) async fn newest_document(
    conn: &mut PgConnection,
    agreement: AgreementId,
    of_use: bool,
) -> Result<Option<Document>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, agreement_id, number, file_name, size_bytes, sha256, object_key, object_version, state,
                problem, pages, created_by, created_at
         FROM agreement_documents WHERE agreement_id = $1 AND (NOT $2 OR state <> 'refused')
         ORDER BY number DESC LIMIT 1",
        agreement.0,
        of_use,
    )
    .fetch_optional(conn)
    .await?;
    row.map(Document::try_from).transpose()
}

/// Notes what came of reading a document.
pub(in super::super) async fn save_reading(
    tx: &mut WriteTx<'_>,
    document: AgreementDocumentId,
    reading: &Reading,
) -> Result<(), StoreError> {
    let now = tx.now();
    let (state, problem, pages) = match reading {
        Reading::Pages(pages) => {
            let count = i32::try_from(pages.len()).unwrap_or(i32::MAX);
            ("ready", None, Some(count))
        }
        Reading::Refused(problem) => ("refused", Some(problem.name()), None),
    };
    sqlx::query!(
        "UPDATE agreement_documents SET state = $2, problem = $3, pages = $4, read_at = $5 WHERE id = $1",
        document.0,
        state,
        problem,
        pages,
        now,
    )
    .execute(tx.conn())
    .await?;
    if let Reading::Pages(pages) = reading {
        sqlx::query!(
            "INSERT INTO agreement_pages (document_id, page, text)
             SELECT $1, number::integer, text FROM unnest($2::text[]) WITH ORDINALITY AS page(text, number)",
            document.0,
            pages.as_slice(),
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// The text of a document's pages, the first first.
pub(in super::super) async fn pages(
    conn: &mut PgConnection,
    document: AgreementDocumentId,
) -> Result<Pages, StoreError> {
    let texts = sqlx::query_scalar!(
        "SELECT text FROM agreement_pages WHERE document_id = $1 ORDER BY page",
        document.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(Pages { document, texts })
}
