//! Who is signed in: a row in Postgres, found by the hash of a cookie.

use actix_web::{HttpRequest, cookie::Cookie};
use chrono::TimeDelta;
use sha2::{Digest as _, Sha256};

use crate::{
    config::Config,
    db::{Db, MeterTx},
    ids::{InstitutionId, UserId},
    policy::{Actor, Role},
};

/// How long a session holds, however busy.
pub const SESSION_LIFETIME: TimeDelta = TimeDelta::hours(12);
/// How long a session holds without a request.
const IDLE_LIFETIME: TimeDelta = TimeDelta::hours(2);

/// A signed-in person, as pages need to know them.
#[derive(Debug, Clone)]
pub struct Session {
    /// Who, where and what they are there.
    pub actor: Actor,
    /// Their name.
    pub name: String,
    /// Their institution's name.
    pub institution: String,
    /// Goes into every form.
    pub csrf_token: String,
}

/// The session cookie's name: `__Host-` wherever the browser can hold us to it.
#[must_use]
pub fn cookie_name(config: &Config) -> &'static str {
    if config.is_https() {
        "__Host-session"
    } else {
        "session"
    }
}

pub(super) fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

/// Opens a session; answers the cookie's value, which is kept nowhere.
///
/// # Errors
/// Where the database refuses.
pub async fn start_session(
    tx: &mut MeterTx,
    user: UserId,
    institution: InstitutionId,
) -> Result<String, sqlx::Error> {
    let secret: [u8; 32] = rand::random();
    let csrf: [u8; 32] = rand::random();
    let value = data_encoding::BASE64URL_NOPAD.encode(&secret);
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO sessions (cookie_sha256, user_id, institution_id, csrf_secret, created_at, last_seen_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $5, $6)",
        sha256(value.as_bytes()),
        user.0,
        institution.0,
        &csrf[..],
        now,
        now + SESSION_LIFETIME,
    )
    .execute(tx.conn())
    .await?;
    Ok(value)
}

/// Ends the session of this cookie, at once and in every tab.
///
/// # Errors
/// Where the database refuses.
pub async fn end_session(db: &Db, cookie: &str) -> Result<(), sqlx::Error> {
    let mut tx = db.meter().await?;
    sqlx::query!(
        "DELETE FROM sessions WHERE cookie_sha256 = $1",
        sha256(cookie.as_bytes())
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await
}

/// The session that a request belongs to, if any.
///
/// # Errors
/// Where the database is away.
pub async fn read_session(
    db: &Db,
    config: &Config,
    request: &HttpRequest,
) -> Result<Option<Session>, sqlx::Error> {
    let Some(cookie) = request.cookie(cookie_name(config)) else {
        return Ok(None);
    };
    find(db, &cookie).await
}

async fn find(db: &Db, cookie: &Cookie<'_>) -> Result<Option<Session>, sqlx::Error> {
    let hash = sha256(cookie.value().as_bytes());
    let now = db.now();
    let mut conn = db.read().await?;
    let row = sqlx::query!(
        r#"SELECT s.user_id, s.institution_id, s.csrf_secret, s.last_seen_at, u.name, i.name AS institution,
                  ARRAY(SELECT m.role FROM memberships m
                        WHERE m.user_id = s.user_id AND m.institution_id = s.institution_id
                          AND (m.ended_at IS NULL OR m.ended_at > $2)) AS "roles!"
           FROM sessions s
           JOIN users u ON u.id = s.user_id
           JOIN institutions i ON i.id = s.institution_id
           WHERE s.cookie_sha256 = $1 AND s.expires_at > $2 AND s.last_seen_at > $3 AND i.status = 'active'"#,
        hash,
        now,
        now - IDLE_LIFETIME,
    )
    .fetch_optional(&mut *conn)
    .await?;
    drop(conn);
    let Some(row) = row else { return Ok(None) };
    if now - row.last_seen_at > TimeDelta::minutes(1) {
        let mut tx = db.meter().await?;
        sqlx::query!(
            "UPDATE sessions SET last_seen_at = $2 WHERE cookie_sha256 = $1",
            hash,
            now
        )
        .execute(tx.conn())
        .await?;
        tx.commit().await?;
    }
    let roles: Vec<Role> = row
        .roles
        .iter()
        .filter_map(|role| role.parse().ok())
        .collect();
    Ok(Some(Session {
        actor: Actor {
            user: UserId(row.user_id),
            institution: InstitutionId(row.institution_id),
            roles,
        },
        name: row.name,
        institution: row.institution,
        csrf_token: data_encoding::HEXLOWER.encode(&sha256(&row.csrf_secret)),
    }))
}
