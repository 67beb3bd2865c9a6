//! The SQL of the transparency log: lines as leaves, checkpoints, checks.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use transparency_log::Hash;
use uuid::Uuid;

use super::checkpoint::Signed;
use crate::{
    db::{CorruptRow, Leaf, MeterTx, StoreError},
    policy::Visibility,
};

/// One line as it is stored.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) seq: i64,
    pub(super) hash: Vec<u8>,
    at: DateTime<Utc>,
    actor: Uuid,
    institution: Uuid,
    subject_kind: String,
    subject: Uuid,
    kind: String,
    salt: Vec<u8>,
    payload: String,
}

impl Line {
    /// The leaf that it makes.
    pub(super) fn leaf(&self) -> Leaf<'_> {
        Leaf {
            seq: self.seq,
            at: self.at,
            actor: self.actor,
            institution: self.institution,
            subject_kind: &self.subject_kind,
            subject: self.subject,
            kind: &self.kind,
            salt: &self.salt,
            payload: &self.payload,
        }
    }
}

/// The number of the last line.
pub(super) async fn head(conn: &mut PgConnection) -> Result<u64, StoreError> {
    let seq = sqlx::query_scalar!("SELECT seq FROM audit_head")
        .fetch_one(conn)
        .await?;
    Ok(seq.unsigned_abs())
}

/// The next lines after `after` up to `until`, oldest first, within what the asker may see.
pub(super) async fn lines(
    conn: &mut PgConnection,
    visibility: Visibility,
    (after, until): (i64, i64),
    limit: i64,
) -> Result<Vec<Line>, StoreError> {
    let rows = sqlx::query_as!(
        Line,
        r#"SELECT seq, hash, occurred_at AS at, actor_id AS actor, institution_id AS institution, subject_kind,
                  subject_id AS subject, kind, salt, payload::text AS "payload!"
           FROM events
           WHERE ($1::uuid IS NULL OR institution_id = $1)
             AND seq > $2
             AND seq <= $3
           ORDER BY seq LIMIT $4"#,
        visibility.filter(),
        after,
        until,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

struct CheckpointRow {
    id: Uuid,
    size: i64,
    root: Vec<u8>,
    signed_at: DateTime<Utc>,
    note: String,
}

impl TryFrom<CheckpointRow> for Signed {
    type Error = CorruptRow;

    fn try_from(row: CheckpointRow) -> Result<Self, CorruptRow> {
        let root = Hash::from_slice(&row.root).ok_or(CorruptRow {
            table: "audit_checkpoints",
            id: row.id,
            problem: "the root is no hash",
        })?;
        Ok(Self {
            size: row.size.unsigned_abs(),
            root,
            at: row.signed_at,
            note: row.note,
        })
    }
}

/// The newest checkpoint.
pub(super) async fn newest(conn: &mut PgConnection) -> Result<Option<Signed>, StoreError> {
    let row = sqlx::query_as!(
        CheckpointRow,
        "SELECT id, size, root, signed_at, note FROM audit_checkpoints ORDER BY signed_at DESC LIMIT 1"
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Signed::try_from).transpose()?)
}

/// All checkpoints, oldest first.
pub(super) async fn checkpoints(conn: &mut PgConnection) -> Result<Vec<Signed>, StoreError> {
    let rows = sqlx::query_as!(
        CheckpointRow,
        "SELECT id, size, root, signed_at, note FROM audit_checkpoints ORDER BY signed_at"
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Signed::try_from(row).map_err(StoreError::from))
        .collect()
}

pub(super) async fn insert_checkpoint(tx: &mut MeterTx, signed: &Signed) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO audit_checkpoints (id, size, root, signed_at, note) VALUES ($1, $2, $3, $4, $5)",
        Uuid::now_v7(),
        signed.size.cast_signed(),
        signed.root.0.as_slice(),
        signed.at,
        signed.note,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// One walk over the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// When.
    pub at: DateTime<Utc>,
    /// Lines that were found in order.
    pub events: u64,
    /// The first thing that was wrong, with its place.
    pub problem: Option<String>,
}

/// The newest check.
pub(super) async fn last_check(conn: &mut PgConnection) -> Result<Option<Check>, StoreError> {
    let row = sqlx::query!(
        "SELECT checked_at, events, problem FROM audit_checks ORDER BY checked_at DESC LIMIT 1"
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Check {
        at: row.checked_at,
        events: row.events.unsigned_abs(),
        problem: row.problem,
    }))
}

pub(super) async fn insert_check(tx: &mut MeterTx, check: &Check) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO audit_checks (id, checked_at, events, problem) VALUES ($1, $2, $3, left($4, 2000))",
        Uuid::now_v7(),
        check.at,
        check.events.cast_signed(),
        check.problem,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whether the key may sign at this moment; inside a transaction it cannot be put away until that ends.
pub(super) async fn key_holds(
    conn: &mut PgConnection,
    keyid: &str,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT signing_key_holds($1, $2) AS "holds!""#,
        keyid,
        now
    )
    .fetch_one(conn)
    .await?)
}

/// Whether this process may sign until the transaction ends; another that asks meanwhile may not.
pub(super) async fn lead(tx: &mut MeterTx) -> Result<bool, StoreError> {
    const LOCK: i64 = 0x0fac_0700;
    Ok(
        sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "leads!""#, LOCK)
            .fetch_one(tx.conn())
            .await?,
    )
}
