//! Lines of the log, newest first, within what the asker may see.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    db::{Db, StoreError},
    policy::Visibility,
};

/// One line, with the names that people need.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number.
    pub seq: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who; none for the portal's own worker.
    pub actor: Option<String>,
    /// Whose the subject is.
    pub institution: Option<String>,
    /// What happened, for example `datasets.approved`.
    pub kind: String,
    /// About what kind of thing.
    pub subject_kind: String,
    /// About which.
    pub subject: Uuid,
    /// The rest, as JSON text.
    pub payload: String,
    /// Hash of its leaf, in hexadecimal.
    pub hash: String,
}

/// Which lines.
#[derive(Debug, Clone, Copy)]
pub struct Filter {
    /// Whose.
    pub visibility: Visibility,
    /// Only those before this number.
    pub before: Option<i64>,
    /// About this thing only.
    pub subject: Option<Uuid>,
    /// At most this many.
    pub limit: i64,
}

/// Lines that pass the filter, newest first.
///
/// # Errors
/// Where the database is away.
pub async fn entries(db: &Db, filter: Filter) -> Result<Vec<Entry>, StoreError> {
    let mut conn = db.read().await?;
    let rows = sqlx::query!(
        r#"SELECT e.seq, e.occurred_at, e.kind, e.subject_kind, e.subject_id, e.payload::text AS "payload!", e.hash,
                  u.name AS "actor?", i.name AS "institution?"
           FROM events e
           LEFT JOIN users u ON u.id = e.actor_id
           LEFT JOIN institutions i ON i.id = e.institution_id
           WHERE ($1::uuid IS NULL OR e.institution_id = $1)
             AND ($2::bigint IS NULL OR e.seq < $2)
             AND ($3::uuid IS NULL OR e.subject_id = $3)
           ORDER BY e.seq DESC LIMIT $4"#,
        filter.visibility.filter(),
        filter.before,
        filter.subject,
        filter.limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Entry {
            seq: row.seq,
            at: row.occurred_at,
            actor: row.actor,
            institution: row.institution,
            kind: row.kind,
            subject_kind: row.subject_kind,
            subject: row.subject_id,
            payload: row.payload,
            hash: data_encoding::HEXLOWER.encode(&row.hash),
        })
        .collect())
}

/// The history of one thing that the caller may see, oldest first.
///
/// # Errors
/// Where the database is away.
pub async fn of_subject(db: &Db, subject: Uuid) -> Result<Vec<Entry>, StoreError> {
    let mut lines = entries(
        db,
        Filter {
            visibility: Visibility::All,
            before: None,
            subject: Some(subject),
            limit: 200,
        },
    )
    .await?;
    lines.reverse();
    Ok(lines)
}
