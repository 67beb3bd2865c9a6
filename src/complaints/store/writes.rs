//! Writing cases, letters and remarks.

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use sqlx::PgConnection;

use super::super::{
    case::{Case, EvidenceFile, IdentityMethod},
    code::FollowCode,
    letter::LetterKind,
    request::NewRequest,
};
use crate::{
    db::{CorruptRow, MeterTx, StoreError, WriteTx},
    ids::{ComplaintId, ExclusionId, InstitutionId},
};

/// A case to be written down.
pub(in super::super) struct NewCase<'a> {
    pub(in super::super) id: ComplaintId,
    pub(in super::super) institution: InstitutionId,
    pub(in super::super) request: &'a NewRequest,
    pub(in super::super) search_terms: &'a [String],
    pub(in super::super) salt: &'a [u8],
    pub(in super::super) code: &'a FollowCode,
    pub(in super::super) form_nonce: Option<&'a [u8]>,
    pub(in super::super) evidence: Option<&'a EvidenceFile>,
    pub(in super::super) number: &'a str,
    pub(in super::super) request_sha256: &'a str,
    pub(in super::super) receipt: &'a str,
    pub(in super::super) due_at: DateTime<Utc>,
}

/// The next number of this year: `2026-00012`. Numbers of cases that came to nothing are skipped.
pub(in super::super) async fn next_number(
    tx: &mut WriteTx<'_>,
    day: NaiveDate,
) -> Result<String, StoreError> {
    let count = sqlx::query_scalar!(r#"SELECT nextval('complaint_numbers') AS "count!""#)
        .fetch_one(tx.conn())
        .await?;
    Ok(format!("{:04}-{count:05}", day.year()))
}

/// Writes a case down; false where its form was sent before.
pub(in super::super) async fn insert(
    tx: &mut WriteTx<'_>,
    new: &NewCase<'_>,
) -> Result<bool, StoreError> {
    let (now, request) = (tx.now(), new.request);
    let done = sqlx::query!(
        "INSERT INTO complaints (id, number, institution_id, kind, capacity, language, code_sha256, form_nonce,
             request_sha256, receipt, received_at, name, email, request, works, terms, search_terms, salt,
             evidence_name, evidence_size_bytes, evidence_sha256, evidence_key, evidence_version, status, due_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
             $22, $23, 'received', $24)
         ON CONFLICT (form_nonce) DO NOTHING",
        new.id.0,
        new.number,
        new.institution.0,
        request.kind.name(),
        request.capacity.name(),
        request.language.code(),
        new.code.sha256(),
        new.form_nonce,
        new.request_sha256,
        new.receipt,
        now,
        request.name,
        request.email,
        request.request,
        request.works,
        &request.terms,
        new.search_terms,
        new.salt,
        new.evidence.map(|file| file.name.as_str()),
        new.evidence.map(|file| file.size_bytes),
        new.evidence.map(|file| file.sha256.as_str()),
        new.evidence.map(|file| file.object_key.as_str()),
        new.evidence.map(|file| file.object_version.as_str()),
        new.due_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(in super::super) async fn save_owner(
    tx: &mut WriteTx<'_>,
    case: &Case,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE complaints SET owner_id = $2, status = $3 WHERE id = $1",
        case.id.0,
        case.owner.map(|owner| owner.0),
        case.status.name(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in super::super) async fn save_search_terms(
    tx: &mut WriteTx<'_>,
    id: ComplaintId,
    terms: &[String],
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE complaints SET search_terms = $2 WHERE id = $1",
        id.0,
        terms,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in super::super) async fn save_identity(
    tx: &mut WriteTx<'_>,
    id: ComplaintId,
    method: IdentityMethod,
    note: &str,
) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    sqlx::query!(
        "UPDATE complaints SET identity_method = $2, identity_note = $3, identity_by = $4, identity_at = $5
         WHERE id = $1",
        id.0,
        method.name(),
        note,
        user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in super::super) async fn save_extension(
    tx: &mut WriteTx<'_>,
    id: ComplaintId,
    due_at: DateTime<Utc>,
    reason: &str,
) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    sqlx::query!(
        "UPDATE complaints SET due_at = $2, extension_reason = $3, extended_by = $4, extended_at = $5 WHERE id = $1",
        id.0,
        due_at,
        reason,
        user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes what is decided, or takes it back where `case` has no decision.
pub(in super::super) async fn save_decision(
    tx: &mut WriteTx<'_>,
    case: &Case,
) -> Result<(), StoreError> {
    let reason = case.details.as_ref().and_then(|one| one.reason.as_deref());
    sqlx::query!(
        "UPDATE complaints SET status = $2, outcome = $3, reason = $4, prepared_by = $5, prepared_at = $6,
             decided_by = $7, decided_at = $8
         WHERE id = $1",
        case.id.0,
        case.status.name(),
        case.prepared.map(|(outcome, _)| outcome.name()),
        reason,
        case.prepared.map(|(_, done)| done.by.0),
        case.prepared.map(|(_, done)| done.at),
        case.decided.map(|done| done.by.0),
        case.decided.map(|done| done.at),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in super::super) async fn insert_exclusion(
    tx: &mut WriteTx<'_>,
    complaint: ComplaintId,
    exclusion: ExclusionId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO complaint_exclusions (complaint_id, exclusion_id) VALUES ($1, $2)",
        complaint.0,
        exclusion.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in super::super) async fn insert_remark(
    tx: &mut WriteTx<'_>,
    complaint: ComplaintId,
    institution: InstitutionId,
    text: &str,
) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    sqlx::query!(
        "INSERT INTO complaint_remarks (id, complaint_id, institution_id, text, made_by, made_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        uuid::Uuid::now_v7(),
        complaint.0,
        institution.0,
        text,
        user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What the person was written.
#[derive(Debug, Clone)]
pub(in super::super) struct Letter {
    pub(in super::super) kind: LetterKind,
    /// None once the personal details were deleted.
    pub(in super::super) body: Option<String>,
    pub(in super::super) body_sha256: String,
    pub(in super::super) written_at: DateTime<Utc>,
    /// When the mail server took it, or refused it for good.
    pub(in super::super) mailed_at: Option<DateTime<Utc>>,
    pub(in super::super) mail_refusal: Option<String>,
}

pub(in super::super) async fn insert_letter(
    tx: &mut WriteTx<'_>,
    complaint: ComplaintId,
    kind: LetterKind,
    (body, sha256): (&str, &str),
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO complaint_letters (id, complaint_id, kind, body, body_sha256, written_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        uuid::Uuid::now_v7(),
        complaint.0,
        kind.name(),
        body,
        sha256,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The letters of a case, oldest first.
pub(in super::super) async fn letters(
    conn: &mut PgConnection,
    complaint: ComplaintId,
) -> Result<Vec<Letter>, StoreError> {
    let rows = sqlx::query!(
        "SELECT id, kind, body, body_sha256, written_at, mailed_at, mail_refusal FROM complaint_letters
         WHERE complaint_id = $1
         ORDER BY written_at, id",
        complaint.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Letter {
                kind: row.kind.parse().map_err(|_| CorruptRow {
                    table: "complaint_letters",
                    id: row.id,
                    problem: "unknown kind",
                })?,
                body: row.body,
                body_sha256: row.body_sha256,
                written_at: row.written_at,
                mailed_at: row.mailed_at,
                mail_refusal: row.mail_refusal,
            })
        })
        .collect()
}

/// Notes that the mail server took a letter, or refused it for good.
pub(in super::super) async fn set_mailed(
    tx: &mut MeterTx,
    complaint: ComplaintId,
    kind: LetterKind,
    refusal: Option<&str>,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "UPDATE complaint_letters SET mailed_at = $3, mail_refusal = $4 WHERE complaint_id = $1 AND kind = $2",
        complaint.0,
        kind.name(),
        now,
        refusal,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Counts one more from this address today; answers how many that makes.
pub(in super::super) async fn arrived(
    tx: &mut MeterTx,
    day: NaiveDate,
    address_hmac: &[u8],
) -> Result<i32, StoreError> {
    let count = sqlx::query_scalar!(
        "INSERT INTO complaint_arrivals (day, address_hmac, count) VALUES ($1, $2, 1)
         ON CONFLICT (day, address_hmac) DO UPDATE SET count = least(complaint_arrivals.count, 1000000) + 1
         RETURNING count",
        day,
        address_hmac,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(count)
}

pub(in super::super) async fn sweep_arrivals(
    tx: &mut MeterTx,
    before: NaiveDate,
) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM complaint_arrivals WHERE day < $1", before)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Cases that were decided before `before` and still tell who asked.
pub(in super::super) async fn to_forget(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<ComplaintId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM complaints
         WHERE status = 'decided' AND personal_details_deleted_at IS NULL AND decided_at < $1
         ORDER BY decided_at LIMIT $2",
        before,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(ComplaintId).collect())
}

/// Deletes everything of a case that tells who asked or what they said.
pub(in super::super) async fn forget(
    tx: &mut WriteTx<'_>,
    id: ComplaintId,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "UPDATE complaints SET personal_details_deleted_at = $2, name = NULL, email = NULL, request = NULL,
             works = NULL, terms = NULL, search_terms = NULL, salt = NULL, identity_note = NULL, reason = NULL,
             extension_reason = NULL, evidence_name = NULL, evidence_size_bytes = NULL, evidence_sha256 = NULL,
             evidence_key = NULL, evidence_version = NULL
         WHERE id = $1",
        id.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "UPDATE complaint_letters SET body = NULL, mail_refusal = NULL WHERE complaint_id = $1",
        id.0
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "UPDATE complaint_remarks SET text = NULL WHERE complaint_id = $1",
        id.0
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
