//! Reading a case.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::super::{
    case::{Case, Details, Done, EvidenceFile, IdentityMethod, Outcome},
    code::FollowCode,
};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{ComplaintId, InstitutionId, UserId},
};

struct Row {
    id: uuid::Uuid,
    number: String,
    institution_id: uuid::Uuid,
    kind: String,
    capacity: String,
    language: String,
    request_sha256: String,
    receipt: String,
    received_at: DateTime<Utc>,
    name: Option<String>,
    email: Option<String>,
    request: Option<String>,
    works: Option<String>,
    terms: Option<Vec<String>>,
    search_terms: Option<Vec<String>>,
    salt: Option<Vec<u8>>,
    evidence_name: Option<String>,
    evidence_size_bytes: Option<i64>,
    evidence_sha256: Option<String>,
    evidence_key: Option<String>,
    evidence_version: Option<String>,
    status: String,
    due_at: DateTime<Utc>,
    extended_by: Option<uuid::Uuid>,
    extended_at: Option<DateTime<Utc>>,
    extension_reason: Option<String>,
    owner_id: Option<uuid::Uuid>,
    identity_method: Option<String>,
    identity_note: Option<String>,
    identity_by: Option<uuid::Uuid>,
    identity_at: Option<DateTime<Utc>>,
    outcome: Option<String>,
    reason: Option<String>,
    prepared_by: Option<uuid::Uuid>,
    prepared_at: Option<DateTime<Utc>>,
    decided_by: Option<uuid::Uuid>,
    decided_at: Option<DateTime<Utc>>,
}

fn done(by: Option<uuid::Uuid>, at: Option<DateTime<Utc>>) -> Option<Done> {
    let (by, at) = by.zip(at)?;
    Some(Done { by: UserId(by), at })
}

impl TryFrom<Row> for Case {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let corrupt = |problem| CorruptRow {
            table: "complaints",
            id: row.id,
            problem,
        };
        let identity: Option<IdentityMethod> = row
            .identity_method
            .map(|name| name.parse().map_err(|_| corrupt("unknown way to identify")))
            .transpose()?;
        let outcome: Option<Outcome> = row
            .outcome
            .map(|name| name.parse().map_err(|_| corrupt("unknown outcome")))
            .transpose()?;
        let evidence = match (
            row.evidence_name,
            row.evidence_size_bytes,
            row.evidence_sha256,
            row.evidence_key,
            row.evidence_version,
        ) {
            (
                Some(name),
                Some(size_bytes),
                Some(sha256),
                Some(object_key),
                Some(object_version),
            ) => Some(EvidenceFile {
                name,
                size_bytes,
                sha256,
                object_key,
                object_version,
            }),
            _ => None,
        };
        let details = match (
            row.name,
            row.email,
            row.request,
            row.works,
            row.terms,
            row.salt,
        ) {
            (Some(name), Some(email), Some(request), Some(works), Some(terms), Some(salt)) => {
                Some(Details {
                    name,
                    email,
                    request,
                    works,
                    terms,
                    search_terms: row.search_terms.unwrap_or_default(),
                    salt,
                    evidence,
                    extension_reason: row.extension_reason,
                    identity_note: row.identity_note,
                    reason: row.reason,
                })
            }
            _ => None,
        };
        Ok(Self {
            id: ComplaintId(row.id),
            number: row.number,
            institution: InstitutionId(row.institution_id),
            kind: row.kind.parse().map_err(|_| corrupt("unknown kind"))?,
            capacity: row
                .capacity
                .parse()
                .map_err(|_| corrupt("unknown capacity"))?,
            language: row
                .language
                .parse()
                .map_err(|_| corrupt("unknown language"))?,
            request_sha256: row.request_sha256,
            receipt: row.receipt,
            received_at: row.received_at,
            status: row.status.parse().map_err(|_| corrupt("unknown status"))?,
            due_at: row.due_at,
            extended: done(row.extended_by, row.extended_at),
            owner: row.owner_id.map(UserId),
            identity: identity.zip(done(row.identity_by, row.identity_at)),
            prepared: outcome.zip(done(row.prepared_by, row.prepared_at)),
            decided: done(row.decided_by, row.decided_at),
            details,
        })
    }
}

pub(in super::super) async fn find(
    conn: &mut PgConnection,
    id: ComplaintId,
) -> Result<Option<Case>, StoreError> {
    sqlx::query_as!(
        Row,
        "SELECT id, number, institution_id, kind, capacity, language, request_sha256, receipt, received_at, name,
             email, request, works, terms, search_terms, salt, evidence_name, evidence_size_bytes, evidence_sha256,
             evidence_key, evidence_version, status, due_at, extended_by, extended_at, extension_reason, owner_id,
             identity_method, identity_note, identity_by, identity_at, outcome, reason, prepared_by, prepared_at,
             decided_by, decided_at
         FROM complaints WHERE id = $1",
        id.0,
    )
    .fetch_optional(conn)
    .await?
    .map(Case::try_from)
    .transpose()
}

/// Finds the case and keeps every other change of it waiting.
pub(in super::super) async fn find_for_update(
    tx: &mut WriteTx<'_>,
    id: ComplaintId,
) -> Result<Option<Case>, StoreError> {
    sqlx::query!("SELECT id FROM complaints WHERE id = $1 FOR UPDATE", id.0)
        .fetch_optional(tx.conn())
        .await?;
    // Read after the lock is held: what it waited for is seen.
    find(tx.conn(), id).await
}

/// The case of this number, where it is followed with this code.
pub(in super::super) async fn find_by_code(
    conn: &mut PgConnection,
    number: &str,
    code: &FollowCode,
) -> Result<Option<Case>, StoreError> {
    let id = sqlx::query_scalar!(
        "SELECT id FROM complaints WHERE code_sha256 = $1 AND number = $2",
        code.sha256(),
        number,
    )
    .fetch_optional(&mut *conn)
    .await?;
    match id {
        Some(id) => find(conn, ComplaintId(id)).await,
        None => Ok(None),
    }
}

/// The institution that runs the platform.
pub(in super::super) async fn platform(
    conn: &mut PgConnection,
) -> Result<Option<InstitutionId>, StoreError> {
    let id = sqlx::query_scalar!(
        "SELECT id FROM institutions WHERE kind = 'platform' ORDER BY created_at, id LIMIT 1"
    )
    .fetch_optional(conn)
    .await?;
    Ok(id.map(InstitutionId))
}

/// The name of somebody.
pub(in super::super) async fn name_of(
    conn: &mut PgConnection,
    user: Option<UserId>,
) -> Result<Option<String>, StoreError> {
    let Some(user) = user else { return Ok(None) };
    let name = sqlx::query_scalar!("SELECT name FROM users WHERE id = $1", user.0)
        .fetch_optional(conn)
        .await?;
    Ok(name)
}
