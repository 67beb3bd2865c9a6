//! The SQL of notices.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::notice::{Notice, Recipient, Shown};
use crate::{
    db::{CorruptRow, Db, MeterTx, StoreError, WriteTx},
    ids::{InstitutionId, NoticeId, UserId},
    policy::{Actor, Role},
};

/// Adds notices in one statement; answers the ids of those that were not told before.
pub(super) async fn insert(
    tx: &mut WriteTx<'_>,
    notices: &[Notice],
) -> Result<Vec<NoticeId>, StoreError> {
    let now = tx.now();
    let mut rows = serde_json::Value::Array(Vec::with_capacity(notices.len()));
    if let serde_json::Value::Array(list) = &mut rows {
        for notice in notices {
            let (institution, role, user, address) = match &notice.to {
                Recipient::Role { institution, role } => {
                    (Some(institution.0), Some(role.name()), None, None)
                }
                Recipient::User { institution, user } => {
                    (Some(institution.0), None, Some(user.0), None)
                }
                Recipient::Address(address) => (None, None, None, Some(address)),
            };
            list.push(serde_json::json!({
                "id": NoticeId::fresh(), "kind": notice.kind, "once": notice.once, "to_institution_id": institution,
                "to_role": role, "to_user_id": user, "to_address": address, "named_values": notice.values,
                "link": notice.link, "subject_kind": notice.about.kind, "subject_id": notice.about.id,
                "acknowledge_by": notice.acknowledge_by,
            }));
        }
    }
    let ids = sqlx::query_scalar!(
        "INSERT INTO notices (id, kind, once, to_institution_id, to_role, to_user_id, to_address, named_values, link,
             subject_kind, subject_id, acknowledge_by, created_at)
         SELECT id, kind, once, to_institution_id, to_role, to_user_id, to_address, named_values, link,
             subject_kind, subject_id, acknowledge_by, $2
         FROM jsonb_to_recordset($1) AS row (id uuid, kind text, once text, to_institution_id uuid, to_role text,
             to_user_id uuid, to_address text, named_values jsonb, link text, subject_kind text, subject_id uuid,
             acknowledge_by timestamptz)
         ON CONFLICT (once) DO NOTHING RETURNING id",
        rows,
        now,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(ids.into_iter().map(NoticeId).collect())
}

/// Which notices.
#[derive(Debug, Clone, Copy)]
pub enum Filter<'a> {
    /// Those that an actor is told, by role or by name.
    For(&'a Actor),
    /// Those about one thing, whoever is told, or of them those to one institution.
    About(Uuid, Option<InstitutionId>),
    /// One, whoever is told.
    One(NoticeId),
    /// One, where an actor is told it, by role or by name.
    OneFor(NoticeId, &'a Actor),
}

const MOST_LISTED: i64 = 500;

/// Notices, 500 at most: those that wait to be acknowledged first, of each kind the newest first.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn list(conn: &mut PgConnection, filter: Filter<'_>) -> Result<Vec<Shown>, StoreError> {
    let (mut institution, mut user, mut roles, mut about, mut one, mut to) =
        (None, None, Vec::new(), None, None, None);
    match filter {
        Filter::For(actor) | Filter::OneFor(_, actor) => {
            if let Filter::OneFor(id, _) = filter {
                one = Some(id.0);
            }
            institution = Some(actor.institution.0);
            user = Some(actor.user.0);
            roles = actor
                .roles
                .iter()
                .map(|role| role.name().to_owned())
                .collect();
        }
        Filter::About(id, told) => {
            about = Some(id);
            to = told.map(|told| told.0);
        }
        Filter::One(id) => one = Some(id.0),
    }
    let rows = sqlx::query!(
        r#"SELECT n.id, n.kind, n.named_values, n.link, n.to_institution_id, n.to_role, n.created_at, n.acknowledge_by,
                  coalesce(u.name, n.to_address, i.name) AS "to!", i.name AS "institution_name?", a.acknowledged_at AS "acknowledged_at?",
                  w.name AS "acknowledged_by?", e.escalated_at AS "escalated_at?",
                  (SELECT count(*) FROM notice_mails m WHERE m.notice_id = n.id AND m.refusal IS NULL) AS "mails!",
                  (SELECT max(m.refusal) FROM notice_mails m WHERE m.notice_id = n.id) AS refusal
           FROM notices n
           LEFT JOIN institutions i ON i.id = n.to_institution_id
           LEFT JOIN users u ON u.id = n.to_user_id
           LEFT JOIN notice_acknowledgements a ON a.notice_id = n.id
           LEFT JOIN users w ON w.id = a.acknowledged_by
           LEFT JOIN notice_escalations e ON e.notice_id = n.id
           WHERE ($1::uuid IS NULL OR n.to_institution_id = $1 AND (n.to_user_id = $2 OR n.to_role = ANY($3)))
             AND ($4::uuid IS NULL OR n.subject_id = $4)
             AND ($5::uuid IS NULL OR n.id = $5)
             AND ($7::uuid IS NULL OR n.to_institution_id = $7)
           -- However much is told: what has to be acknowledged is never pushed out.
           ORDER BY (n.acknowledge_by IS NOT NULL AND a.notice_id IS NULL) DESC, n.id DESC LIMIT $6"#,
        institution,
        user,
        &roles,
        about,
        one,
        MOST_LISTED,
        to,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = |problem| CorruptRow {
                table: "notices",
                id: row.id,
                problem,
            };
            let to_role = row
                .to_role
                .map(|role| role.parse::<Role>().map_err(|_| corrupt("unknown role")))
                .transpose()?;
            Ok(Shown {
                id: NoticeId(row.id),
                kind: row.kind,
                values: serde_json::from_value(row.named_values)
                    .map_err(|_| corrupt("values cannot be read"))?,
                link: row.link,
                institution: row.to_institution_id.map(InstitutionId),
                institution_name: row.institution_name,
                to: row.to,
                to_role,
                created_at: row.created_at,
                acknowledge_by: row.acknowledge_by,
                acknowledged_at: row.acknowledged_at,
                acknowledged_by: row.acknowledged_by,
                escalated_at: row.escalated_at,
                mails: row.mails,
                refusal: row.refusal,
            })
        })
        .collect()
}

/// How many notices there are.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    pub all: i64,
    /// That somebody said they read.
    pub acknowledged: i64,
}

/// How many notices are about one thing, or of them to one institution.
///
/// # Errors
/// Where the database is away.
pub async fn count_about(
    conn: &mut PgConnection,
    about: Uuid,
    to: Option<InstitutionId>,
) -> Result<Counts, StoreError> {
    let counts = sqlx::query_as!(
        Counts,
        r#"SELECT count(*) AS "all!", count(a.notice_id) AS "acknowledged!"
           FROM notices n LEFT JOIN notice_acknowledgements a ON a.notice_id = n.id
           WHERE n.subject_id = $1 AND ($2::uuid IS NULL OR n.to_institution_id = $2)"#,
        about,
        to.map(|to| to.0),
    )
    .fetch_one(conn)
    .await?;
    Ok(counts)
}

/// The notices that wait until `actor` says that they read them, newest first.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn waiting_for(db: &Db, actor: &Actor) -> Result<Vec<Shown>, StoreError> {
    let mut conn = db.read().await?;
    let mut told = list(&mut conn, Filter::For(actor)).await?;
    told.retain(Shown::waits);
    Ok(told)
}

/// Notes that it was read; false where it was noted before.
pub(super) async fn acknowledge(
    tx: &mut WriteTx<'_>,
    id: NoticeId,
    by: Option<UserId>,
) -> Result<bool, StoreError> {
    let now = tx.now();
    let done = sqlx::query!(
        "INSERT INTO notice_acknowledgements (notice_id, acknowledged_by, acknowledged_at) VALUES ($1, $2, $3)
         ON CONFLICT (notice_id) DO NOTHING",
        id.0,
        by.map(|user| user.0),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notices that nobody acknowledged in time and nobody was told of; none while another worker is at them.
pub(super) async fn overdue(tx: &mut WriteTx<'_>) -> Result<Vec<NoticeId>, StoreError> {
    // Not by locking the rows: that takes the right to change them, which nobody has.
    const LOCK: i64 = 0x0fac_0500;
    if !sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "leads!""#, LOCK)
        .fetch_one(tx.conn())
        .await?
    {
        return Ok(Vec::new());
    }
    let now = tx.now();
    let ids = sqlx::query_scalar!(
        "SELECT n.id FROM notices n
         WHERE n.acknowledge_by < $1
           AND NOT EXISTS (SELECT 1 FROM notice_acknowledgements a WHERE a.notice_id = n.id)
           AND NOT EXISTS (SELECT 1 FROM notice_escalations e WHERE e.notice_id = n.id)
         ORDER BY n.id LIMIT 50",
        now,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(ids.into_iter().map(NoticeId).collect())
}

pub(super) async fn escalate(tx: &mut WriteTx<'_>, id: NoticeId) -> Result<bool, StoreError> {
    let now = tx.now();
    let done = sqlx::query!(
        "INSERT INTO notice_escalations (notice_id, escalated_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        id.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Where a notice still goes by mail.
pub(super) struct Address {
    pub(super) email: String,
    /// What the person's institution says they read, if it does.
    pub(super) language: Option<String>,
}

/// The addresses that a notice has not been mailed to yet.
pub(super) async fn unmailed(
    conn: &mut PgConnection,
    id: NoticeId,
    now: DateTime<Utc>,
) -> Result<Vec<Address>, StoreError> {
    let rows = sqlx::query!(
        r#"WITH recipients AS (
               SELECT u.email, u.claims->>'preferred_language' AS language
               FROM notices n
               JOIN memberships m ON m.institution_id = n.to_institution_id AND m.role = n.to_role
                   AND (m.ended_at IS NULL OR m.ended_at > $2)
               JOIN users u ON u.id = m.user_id
               WHERE n.id = $1
               UNION ALL
               SELECT u.email, u.claims->>'preferred_language' FROM notices n JOIN users u ON u.id = n.to_user_id
               WHERE n.id = $1
               UNION ALL
               SELECT n.to_address, NULL FROM notices n WHERE n.id = $1)
           SELECT email AS "email!", min(language) AS language FROM recipients r
           WHERE email <> '' AND NOT EXISTS (
               SELECT 1 FROM notice_mails m WHERE m.notice_id = $1 AND m.address = r.email)
           GROUP BY email ORDER BY email"#,
        id.0,
        now,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Address {
            email: row.email,
            language: row.language,
        })
        .collect())
}

pub(super) async fn set_mailed(
    tx: &mut MeterTx,
    id: NoticeId,
    address: &str,
    message_id: &str,
    refusal: Option<&str>,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO notice_mails (notice_id, address, message_id, refusal, sent_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (notice_id, address) DO NOTHING",
        id.0,
        address,
        message_id,
        refusal,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
