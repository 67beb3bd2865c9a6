//! The tree of what has limits: institutions, their projects, their keys.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    db::{StoreError, WriteTx},
    ids::{InstitutionId, UserId},
    policy::Scope,
    quota::{Project, Shares},
};

/// One node of it.
#[derive(Debug, Clone)]
pub(in crate::quota) struct Node {
    pub(in crate::quota) kind: String,
    /// Whose it is.
    pub(in crate::quota) institution: InstitutionId,
    /// Who asked for it, where it is a key.
    pub(in crate::quota) requested_by: Option<UserId>,
}

impl Node {
    /// What the rules look at.
    pub(in crate::quota) fn scope(&self) -> Scope {
        Scope::of(self.institution).requested_by(self.requested_by)
    }
}

/// A node on the page of limits.
#[derive(Debug, Clone)]
pub(in crate::quota) struct Place {
    pub(in crate::quota) id: Uuid,
    pub(in crate::quota) kind: String,
    pub(in crate::quota) parent: Option<Uuid>,
    pub(in crate::quota) name: String,
}

/// Most nodes of one page.
const MOST_PLACES: i64 = 1000;

/// An institution, its projects and its keys in use: the institution first, then by name.
pub(in crate::quota) async fn places(
    conn: &mut PgConnection,
    institution: InstitutionId,
) -> Result<Vec<Place>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT n.id, n.kind, n.parent_id, coalesce(n.name, k.name, i.name, '') AS "name!"
           FROM quota_nodes n LEFT JOIN quota_nodes p ON p.id = n.parent_id
           LEFT JOIN api_keys k ON k.id = n.id LEFT JOIN institutions i ON i.id = n.id
           WHERE (n.id = $1 OR n.parent_id = $1 OR p.parent_id = $1) AND (n.kind <> 'key' OR k.status = 'active')
           ORDER BY n.kind = 'key', n.parent_id IS NOT NULL, 4, n.id LIMIT $2"#,
        institution.0,
        MOST_PLACES,
    )
    .fetch_all(conn)
    .await?;
    let places = rows.into_iter().map(|row| Place {
        id: row.id,
        kind: row.kind,
        parent: row.parent_id,
        name: row.name,
    });
    Ok(places.collect())
}

/// A node with the institution above it.
pub(in crate::quota) async fn node(
    conn: &mut PgConnection,
    id: Uuid,
) -> Result<Option<Node>, StoreError> {
    let row = sqlx::query!(
        r#"WITH RECURSIVE up AS (
               SELECT id, parent_id FROM quota_nodes WHERE id = $1
               UNION
               SELECT n.id, n.parent_id FROM quota_nodes n JOIN up ON n.id = up.parent_id)
           SELECT n.kind, up.id AS "institution!", k.requested_by AS "requested_by?"
           FROM quota_nodes n CROSS JOIN up LEFT JOIN api_keys k ON k.id = n.id WHERE n.id = $1 AND up.parent_id IS NULL"#,
        id,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Node {
        kind: row.kind,
        institution: InstitutionId(row.institution),
        requested_by: row.requested_by.map(UserId),
    }))
}

/// Keeps what an institution gives its projects and keys from changing until the transaction ends; false where there is
/// none of this id.
pub(in crate::quota) async fn lock_institution(
    tx: &mut WriteTx<'_>,
    institution: InstitutionId,
) -> Result<bool, StoreError> {
    // Not FOR UPDATE: that would hold up the counters that name it.
    let found = sqlx::query!(
        "SELECT id FROM quota_nodes WHERE id = $1 AND kind = 'institution' FOR NO KEY UPDATE",
        institution.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(found.is_some())
}

pub(in crate::quota) async fn projects_of(
    conn: &mut PgConnection,
    institution: InstitutionId,
) -> Result<Vec<Project>, StoreError> {
    let projects = sqlx::query_as!(
        Project,
        r#"SELECT id, name AS "name!" FROM quota_nodes WHERE parent_id = $1 AND kind = 'project' ORDER BY name, id"#,
        institution.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(projects)
}

pub(in crate::quota) async fn count_projects(
    conn: &mut PgConnection,
    institution: InstitutionId,
) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM quota_nodes WHERE parent_id = $1 AND kind = 'project'"#,
        institution.0,
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

pub(in crate::quota) async fn shares_besides(
    conn: &mut PgConnection,
    institution: InstitutionId,
    key: Uuid,
    now: DateTime<Utc>,
) -> Result<Shares, StoreError> {
    let shares = sqlx::query_as!(
        Shares,
        r#"SELECT i.cap AS "cap?",
                  (SELECT least(coalesce(sum(coalesce(l.cap, i.cap)), 0), 9000000000000000000)::bigint
                   FROM api_keys k
                   LEFT JOIN quota_limits l ON l.node_id = k.id AND l.measure = 'tokens' AND l.period = 'day'
                   WHERE k.institution_id = n.id AND k.id <> $2 AND k.status IN ('approved', 'active')
                     AND k.expires_at > $3) AS "given!"
           FROM quota_nodes n
           LEFT JOIN quota_limits i ON i.node_id = n.id AND i.measure = 'tokens' AND i.period = 'day'
           WHERE n.id = $1"#,
        institution.0,
        key,
        now,
    )
    .fetch_one(conn)
    .await?;
    Ok(shares)
}

pub(in crate::quota) async fn make_project(
    tx: &mut WriteTx<'_>,
    id: Uuid,
    institution: InstitutionId,
    name: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO quota_nodes (id, kind, parent_id, name) VALUES ($1, 'project', $2, $3)",
        id,
        institution.0,
        name,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in crate::quota) async fn move_key(
    tx: &mut WriteTx<'_>,
    key: Uuid,
    under: Uuid,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE quota_nodes SET parent_id = $2 WHERE id = $1 AND kind = 'key'",
        key,
        under,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
