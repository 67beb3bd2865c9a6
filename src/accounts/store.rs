//! The SQL of people and their logins.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    db::{MeterTx, StoreError},
    ids::{InstitutionId, UserId},
    policy::Actor,
};

/// A login that was begun.
pub(super) struct Attempt {
    pub(super) state_sha256: Vec<u8>,
    pub(super) browser_sha256: Vec<u8>,
    pub(super) nonce: String,
    pub(super) pkce_verifier: String,
    pub(super) return_to: String,
}

pub(super) async fn save_attempt(
    tx: &mut MeterTx,
    attempt: &Attempt,
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!("DELETE FROM login_attempts WHERE expires_at < $1", now)
        .execute(tx.conn())
        .await?;
    sqlx::query!(
        "INSERT INTO login_attempts (state_sha256, browser_sha256, nonce, pkce_verifier, return_to, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        attempt.state_sha256,
        attempt.browser_sha256,
        attempt.nonce,
        attempt.pkce_verifier,
        attempt.return_to,
        now,
        expires_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes an attempt away: it can be had once, by the browser that began it, in time.
pub(super) async fn take_attempt(
    tx: &mut MeterTx,
    state_sha256: &[u8],
    browser_sha256: &[u8],
) -> Result<Option<Attempt>, StoreError> {
    let now = tx.now();
    let row = sqlx::query_as!(
        Attempt,
        "DELETE FROM login_attempts WHERE state_sha256 = $1 AND browser_sha256 = $2 AND expires_at > $3
         RETURNING state_sha256, browser_sha256, nonce, pkce_verifier, return_to",
        state_sha256,
        browser_sha256,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row)
}

pub(super) async fn save_user(
    tx: &mut MeterTx,
    issuer: &str,
    subject: &str,
    name: &str,
    email: Option<String>,
    claims: &serde_json::Value,
) -> Result<UserId, StoreError> {
    let now = tx.now();
    let id = sqlx::query_scalar!(
        "INSERT INTO users (id, issuer, subject, name, email, claims, claims_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
         ON CONFLICT (issuer, subject) DO UPDATE SET name = EXCLUDED.name, email = EXCLUDED.email,
             claims = EXCLUDED.claims, claims_at = EXCLUDED.claims_at
         RETURNING id",
        UserId::fresh().0,
        issuer,
        subject,
        name,
        email,
        claims,
        now,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(UserId(id))
}

/// The institution where a person holds a role; the oldest membership, where there are several.
pub(super) async fn institution_of(
    tx: &mut MeterTx,
    user: UserId,
) -> Result<Option<InstitutionId>, StoreError> {
    let now = tx.now();
    let id = sqlx::query_scalar!(
        "SELECT m.institution_id FROM memberships m JOIN institutions i ON i.id = m.institution_id
         WHERE m.user_id = $1 AND (m.ended_at IS NULL OR m.ended_at > $2) AND i.status = 'active'
         ORDER BY m.created_at, m.institution_id LIMIT 1",
        user.0,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(id.map(InstitutionId))
}

/// A person with the roles that they hold in an institution at that moment; none where they have left it.
///
/// # Errors
/// Where the database is away.
pub async fn actor_in(
    conn: &mut PgConnection,
    user: UserId,
    institution: InstitutionId,
    now: DateTime<Utc>,
) -> Result<Actor, StoreError> {
    let roles = sqlx::query_scalar!(
        "SELECT m.role FROM memberships m JOIN institutions i ON i.id = m.institution_id
         WHERE m.user_id = $1 AND m.institution_id = $2 AND (m.ended_at IS NULL OR m.ended_at > $3)
           AND i.status = 'active'",
        user.0,
        institution.0,
        now,
    )
    .fetch_all(conn)
    .await?;
    Ok(Actor {
        user,
        institution,
        roles: roles.iter().filter_map(|role| role.parse().ok()).collect(),
    })
}
