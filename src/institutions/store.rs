//! The SQL of institutions and memberships.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Institution, Member, NewInstitution};
use crate::{
    db::{StoreError, WriteTx},
    ids::{InstitutionId, UserId},
    policy::Role,
};

pub(super) async fn find_by_home_organization(
    conn: &mut PgConnection,
    home_organization: &str,
    authority: &str,
) -> Result<Option<Institution>, StoreError> {
    let row = sqlx::query!(
        "SELECT id, slug, name, kind FROM institutions
         WHERE $1 = ANY(home_organizations) AND $2 = ANY(authenticating_authorities) AND status = 'active'",
        home_organization,
        authority,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Institution {
        id: InstitutionId(row.id),
        slug: row.slug,
        name: row.name,
        is_platform: row.kind == "platform",
    }))
}

pub(super) async fn find(
    conn: &mut PgConnection,
    id: InstitutionId,
) -> Result<Option<Institution>, StoreError> {
    let row = sqlx::query!(
        "SELECT id, slug, name, kind FROM institutions WHERE id = $1",
        id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Institution {
        id: InstitutionId(row.id),
        slug: row.slug,
        name: row.name,
        is_platform: row.kind == "platform",
    }))
}

pub(super) async fn find_by_slug(
    conn: &mut PgConnection,
    slug: &str,
) -> Result<Option<Institution>, StoreError> {
    let id = sqlx::query_scalar!("SELECT id FROM institutions WHERE slug = $1", slug)
        .fetch_optional(&mut *conn)
        .await?;
    match id {
        Some(id) => find(conn, InstitutionId(id)).await,
        None => Ok(None),
    }
}

pub(super) async fn find_platform(
    conn: &mut PgConnection,
) -> Result<Option<Institution>, StoreError> {
    let id = sqlx::query_scalar!(
        "SELECT id FROM institutions WHERE kind = 'platform' ORDER BY created_at LIMIT 1"
    )
    .fetch_optional(&mut *conn)
    .await?;
    match id {
        Some(id) => find(conn, InstitutionId(id)).await,
        None => Ok(None),
    }
}

pub(super) async fn members(
    conn: &mut PgConnection,
    id: InstitutionId,
    now: DateTime<Utc>,
) -> Result<Vec<Member>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT u.id, u.name, array_agg(m.role ORDER BY m.role) AS "roles!"
           FROM memberships m JOIN users u ON u.id = m.user_id
           WHERE m.institution_id = $1 AND (m.ended_at IS NULL OR m.ended_at > $2)
           GROUP BY u.id, u.name ORDER BY u.name, u.id"#,
        id.0,
        now,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Member {
            user: UserId(row.id),
            name: row.name,
            roles: row
                .roles
                .iter()
                .filter_map(|role| role.parse().ok())
                .collect(),
        })
        .collect())
}

/// Makes the institution, or brings its name and addresses up to date. Answers its id.
///
/// # Errors
/// Where the database refuses.
pub async fn ensure(
    tx: &mut WriteTx<'_>,
    new: &NewInstitution<'_>,
) -> Result<InstitutionId, StoreError> {
    let organizations: Vec<String> = new
        .home_organizations
        .iter()
        .map(ToString::to_string)
        .collect();
    let authorities: Vec<String> = new
        .authenticating_authorities
        .iter()
        .map(ToString::to_string)
        .collect();
    let now = tx.now();
    let id = sqlx::query_scalar!(
        "INSERT INTO institutions (id, slug, name, kind, home_organizations, authenticating_authorities, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (slug) DO UPDATE SET name = EXCLUDED.name, home_organizations = EXCLUDED.home_organizations,
             authenticating_authorities = EXCLUDED.authenticating_authorities
         RETURNING id",
        InstitutionId::fresh().0,
        new.slug,
        new.name,
        if new.is_platform { "platform" } else { "partner" },
        &organizations,
        &authorities,
        now,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(InstitutionId(id))
}

/// Gives a person (known by issuer and subject, whether or not they signed in before) a role.
///
/// # Errors
/// Where the database refuses.
pub async fn ensure_member(
    tx: &mut WriteTx<'_>,
    institution: InstitutionId,
    (issuer, subject): (&str, &str),
    name: &str,
    role: Role,
) -> Result<UserId, StoreError> {
    let now = tx.now();
    let user = sqlx::query_scalar!(
        "INSERT INTO users (id, issuer, subject, name, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (issuer, subject) DO UPDATE SET issuer = EXCLUDED.issuer RETURNING id",
        UserId::fresh().0,
        issuer,
        subject,
        name,
        now,
    )
    .fetch_one(tx.conn())
    .await?;
    sqlx::query!(
        "INSERT INTO memberships (user_id, institution_id, role, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_id, institution_id, role) DO UPDATE SET ended_at = NULL",
        user,
        institution.0,
        role.name(),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(UserId(user))
}

pub(super) async fn slugs(
    conn: &mut PgConnection,
) -> Result<Vec<(InstitutionId, String)>, StoreError> {
    let rows = sqlx::query!("SELECT id, slug FROM institutions")
        .fetch_all(conn)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (InstitutionId(row.id), row.slug))
        .collect())
}
