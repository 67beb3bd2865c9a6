//! The hash chain over the audit log.

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

/// What the hash of one line of the log is taken over.
pub(super) struct Line<'a> {
    pub(super) seq: i64,
    pub(super) at: DateTime<Utc>,
    pub(super) actor: Uuid,
    pub(super) institution: Uuid,
    pub(super) subject_kind: &'a str,
    pub(super) subject: Uuid,
    pub(super) kind: &'a str,
    pub(super) payload: &'a str,
}

impl Line<'_> {
    /// SHA-256 over the hash of the line before and this line's fields, each behind its length, so that
    /// no line can be changed without all after it and no two lines read the same.
    pub(super) fn hash(&self, before: &[u8]) -> Vec<u8> {
        let mut hash = Sha256::new().chain_update(before);
        let fields = [
            self.seq.to_string(),
            self.at.timestamp_micros().to_string(),
            self.actor.to_string(),
            self.institution.to_string(),
            self.subject_kind.to_owned(),
            self.subject.to_string(),
            self.kind.to_owned(),
            self.payload.to_owned(),
        ];
        for field in fields {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
        hash.finalize().to_vec()
    }
}

/// The first line that does not follow from the one before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit log is broken at line {seq}")]
pub struct BrokenLink {
    /// Its number.
    pub seq: i64,
}

/// Walks the whole log; answers how many lines it has.
///
/// # Errors
/// The inner [`BrokenLink`] names the first wrong, missing or added line; the outer error is the database's.
pub async fn verify_chain(conn: &mut PgConnection) -> Result<Result<i64, BrokenLink>, sqlx::Error> {
    let head = sqlx::query!("SELECT seq, hash FROM audit_head")
        .fetch_one(&mut *conn)
        .await?;
    let mut rows = sqlx::query!(
        r#"SELECT seq, occurred_at, actor_id, institution_id, subject_kind, subject_id, kind,
                  payload::text AS "payload!", hash
           FROM events WHERE seq <= $1 ORDER BY seq"#,
        head.seq,
    )
    .fetch(&mut *conn);
    let (mut seq, mut before) = (0, Vec::new());
    while let Some(row) = rows.try_next().await? {
        seq += 1;
        let line = Line {
            seq: row.seq,
            at: row.occurred_at,
            actor: row.actor_id,
            institution: row.institution_id,
            subject_kind: &row.subject_kind,
            subject: row.subject_id,
            kind: &row.kind,
            payload: &row.payload,
        };
        if row.seq != seq || line.hash(&before) != row.hash {
            return Ok(Err(BrokenLink { seq }));
        }
        before = row.hash;
    }
    drop(rows);
    if seq != head.seq || before != head.hash {
        return Ok(Err(BrokenLink { seq: seq + 1 }));
    }
    Ok(Ok(seq))
}
