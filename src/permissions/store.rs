//! The SQL of permissions.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Coverage, Layer, OnWithdrawal, Permission, State, Terms};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{DatasetId, DatasetVersionId, InstitutionId, PermissionId},
    policy::Scope,
};

struct Row {
    id: Uuid,
    dataset_version_id: Option<Uuid>,
    layer: String,
    terms: String,
    terms_sha256: String,
    state: String,
    decided_at: DateTime<Utc>,
    name: String,
}

impl TryFrom<Row> for Permission {
    type Error = CorruptRow;

    fn try_from(row: Row) -> Result<Self, CorruptRow> {
        let corrupt = |problem| CorruptRow {
            table: "permissions",
            id: row.id,
            problem,
        };
        Ok(Self {
            id: PermissionId(row.id),
            version: row.dataset_version_id,
            layer: row.layer.parse().map_err(|_| corrupt("unknown layer"))?,
            terms: Terms::parse(&row.terms).map_err(|_| corrupt("terms cannot be read"))?,
            terms_sha256: row.terms_sha256,
            state: row.state.parse().map_err(|_| corrupt("unknown state"))?,
            decided_by: row.name,
            decided_at: row.decided_at,
        })
    }
}

/// Every permission that speaks about a version (its own and those for all versions), whatever its state.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn of_version(
    conn: &mut PgConnection,
    dataset: DatasetId,
    version: DatasetVersionId,
) -> Result<Vec<Permission>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT p.id, p.dataset_version_id, p.layer, p.terms, p.terms_sha256, e.state, e.decided_at, u.name
           FROM permissions p
           JOIN LATERAL (SELECT state, decided_by, decided_at FROM permission_events
                         WHERE permission_id = p.id ORDER BY decided_at DESC, id DESC LIMIT 1) e ON true
           JOIN users u ON u.id = e.decided_by
           WHERE p.dataset_id = $1 AND (p.dataset_version_id IS NULL OR p.dataset_version_id = $2)
           ORDER BY p.id"#,
        dataset.0,
        version.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok(Permission::try_from(row)?))
        .collect()
}

/// A permission with the dataset it is about.
pub(super) struct Found {
    pub(super) permission: Permission,
    /// Its terms as they were recorded.
    pub(super) canonical: String,
    pub(super) dataset: DatasetId,
    pub(super) title: String,
    pub(super) institution: InstitutionId,
    pub(super) institution_name: String,
    pub(super) institution_slug: String,
    is_published: bool,
}

impl Found {
    /// What policy looks at: who may see the dataset may see what may be done with it.
    pub(super) fn scope(&self) -> Scope {
        Scope {
            is_published: self.is_published,
            ..Scope::of(self.institution)
        }
    }
}

/// One permission.
pub(super) async fn find(
    conn: &mut PgConnection,
    id: PermissionId,
) -> Result<Option<Found>, StoreError> {
    let dataset = sqlx::query_scalar!("SELECT dataset_id FROM permissions WHERE id = $1", id.0)
        .fetch_optional(&mut *conn)
        .await?;
    let Some(dataset) = dataset else {
        return Ok(None);
    };
    let all = of_dataset(conn, DatasetId(dataset)).await?;
    Ok(all.into_iter().find(|found| found.permission.id == id))
}

/// Every permission of a dataset, whatever its state, oldest first.
pub(super) async fn of_dataset(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Vec<Found>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT p.id, p.dataset_version_id, p.layer, p.terms, p.terms_sha256, e.state, e.decided_at, u.name,
                  d.title, d.institution_id, i.name AS institution_name, i.slug AS institution_slug,
                  EXISTS (SELECT 1 FROM dataset_versions v WHERE v.dataset_id = d.id AND 'approved' IN (v.status, v.withdrawn_from))
                      AS "is_published!"
           FROM permissions p
           JOIN datasets d ON d.id = p.dataset_id
           JOIN institutions i ON i.id = d.institution_id
           JOIN LATERAL (SELECT state, decided_by, decided_at FROM permission_events
                         WHERE permission_id = p.id ORDER BY decided_at DESC, id DESC LIMIT 1) e ON true
           JOIN users u ON u.id = e.decided_by
           WHERE p.dataset_id = $1
           ORDER BY p.id"#,
        dataset.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Found {
                canonical: row.terms.clone(),
                dataset,
                title: row.title,
                institution: InstitutionId(row.institution_id),
                institution_name: row.institution_name,
                institution_slug: row.institution_slug,
                is_published: row.is_published,
                permission: Permission::try_from(Row {
                    id: row.id,
                    dataset_version_id: row.dataset_version_id,
                    layer: row.layer,
                    terms: row.terms,
                    terms_sha256: row.terms_sha256,
                    state: row.state,
                    decided_at: row.decided_at,
                    name: row.name,
                })?,
            })
        })
        .collect()
}

/// Something that was decided about a permission.
pub(super) struct EventRow {
    pub(super) state: State,
    pub(super) reason: String,
    pub(super) decided_by: String,
    pub(super) decided_at: DateTime<Utc>,
}

/// What was decided about a permission, from first to last.
pub(super) async fn events(
    conn: &mut PgConnection,
    id: PermissionId,
) -> Result<Vec<EventRow>, StoreError> {
    let rows = sqlx::query!(
        "SELECT e.id, e.state, e.reason, e.decided_at, u.name
         FROM permission_events e JOIN users u ON u.id = e.decided_by
         WHERE e.permission_id = $1 ORDER BY e.decided_at, e.id",
        id.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(EventRow {
                state: row.state.parse().map_err(|_| CorruptRow {
                    table: "permission_events",
                    id: row.id,
                    problem: "unknown state",
                })?,
                reason: row.reason,
                decided_by: row.name,
                decided_at: row.decided_at,
            })
        })
        .collect()
}

pub(super) async fn insert(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
    new: &super::NewPermission,
    terms: &str,
    terms_sha256: &str,
) -> Result<PermissionId, StoreError> {
    let id = PermissionId::fresh();
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "INSERT INTO permissions (id, dataset_id, dataset_version_id, institution_id, layer, terms, terms_sha256,
             created_by, created_at)
         VALUES ($1, $2,
             CASE WHEN $3 THEN (SELECT v.id FROM dataset_versions v WHERE v.dataset_id = $2
                                ORDER BY v.number DESC LIMIT 1) END,
             $4, $5, $6, $7, $8, $9)",
        id.0,
        dataset.0,
        new.coverage == Coverage::NewestVersion,
        actor.institution.0,
        new.layer.name(),
        terms,
        terms_sha256,
        actor.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    add_event(tx, id, "given", "").await?;
    Ok(id)
}

async fn add_event(
    tx: &mut WriteTx<'_>,
    permission: PermissionId,
    state: &str,
    reason: &str,
) -> Result<(), StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "INSERT INTO permission_events (id, permission_id, state, reason, decided_by, decided_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        uuid::Uuid::now_v7(),
        permission.0,
        state,
        reason,
        actor.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A permission that counts, with what it says about its end.
#[derive(Debug, Clone)]
pub struct Standing {
    pub id: PermissionId,
    pub layer: Layer,
    /// Whether the dataset needs permission in this layer.
    pub is_needed: bool,
    /// none: all versions of the dataset
    pub version: Option<DatasetVersionId>,
    /// Whether it allows anything, rather than only forbid, or wait for somebody who reads it.
    pub allows_something: bool,
    /// Last day on which it holds, in the Netherlands.
    pub valid_until: NaiveDate,
    /// What happens to models when it is withdrawn.
    pub on_withdrawal: OnWithdrawal,
    /// Days within which copies go.
    pub delete_within_days: i32,
}

/// The permissions of a dataset that count (within their dates or not), by id.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn standing(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Vec<Standing>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT p.id, p.layer, p.dataset_version_id, p.terms,
                  CASE p.layer WHEN 'personal_data' THEN d.has_personal_data
                      WHEN 'confidentiality' THEN d.confidentiality <> 'public' ELSE true END AS "is_needed!"
           FROM permissions p
           JOIN datasets d ON d.id = p.dataset_id
           JOIN LATERAL (SELECT state FROM permission_events
                         WHERE permission_id = p.id ORDER BY decided_at DESC, id DESC LIMIT 1) e ON true
           WHERE p.dataset_id = $1 AND e.state IN ('given', 'renewed')
           ORDER BY p.id"#,
        dataset.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = |problem| CorruptRow {
                table: "permissions",
                id: row.id,
                problem,
            };
            // Of whichever rule set: what pages say of them is what follows.
            let terms = Terms::parse(&row.terms).map_err(|_| corrupt("terms cannot be read"))?;
            Ok(Standing {
                id: PermissionId(row.id),
                layer: row.layer.parse().map_err(|_| corrupt("unknown layer"))?,
                is_needed: row.is_needed,
                version: row.dataset_version_id.map(DatasetVersionId),
                allows_something: !terms.purposes.is_empty() && terms.needs_human.is_empty(),
                valid_until: terms.valid_until,
                on_withdrawal: terms.on_withdrawal,
                delete_within_days: i32::try_from(terms.duties.delete_within_days)
                    .unwrap_or(i32::MAX),
            })
        })
        .collect()
}

/// Ends permissions that count: withdrawn by who gave them, or revoked by the platform. The caller holds the
/// dataset's row.
///
/// # Errors
/// Where the database refuses.
pub async fn end(
    tx: &mut WriteTx<'_>,
    permissions: &[PermissionId],
    is_revoked: bool,
    reason: &str,
) -> Result<(), StoreError> {
    let state = if is_revoked { "revoked" } else { "withdrawn" };
    for id in permissions {
        add_event(tx, *id, state, reason).await?;
    }
    Ok(())
}

/// What giving a permission needs to know of the dataset.
pub(super) struct DatasetRow {
    pub(super) institution: InstitutionId,
    pub(super) title: String,
    is_published: bool,
}

impl DatasetRow {
    /// What policy looks at.
    pub(super) fn scope(&self) -> Scope {
        Scope {
            is_published: self.is_published,
            ..Scope::of(self.institution)
        }
    }
}

pub(super) async fn dataset(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Option<DatasetRow>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT d.institution_id, d.title,
                  EXISTS (SELECT 1 FROM dataset_versions v WHERE v.dataset_id = d.id AND 'approved' IN (v.status, v.withdrawn_from))
                      AS "is_published!"
           FROM datasets d WHERE d.id = $1"#,
        dataset.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| DatasetRow {
        institution: InstitutionId(row.institution_id),
        title: row.title,
        is_published: row.is_published,
    }))
}

/// Keeps everybody who decides on a use of the dataset waiting until the transaction ends.
pub(super) async fn lock_dataset(
    tx: &mut WriteTx<'_>,
    dataset_id: DatasetId,
) -> Result<Option<DatasetRow>, StoreError> {
    sqlx::query!(
        "SELECT id FROM datasets WHERE id = $1 FOR UPDATE",
        dataset_id.0
    )
    .fetch_optional(tx.conn())
    .await?;
    dataset(tx.conn(), dataset_id).await
}

/// A document that was read here and that an agreement in force rests on.
pub(super) struct Proof {
    pub(super) sha256: String,
    pub(super) file_name: String,
    /// The agreement, by its title.
    pub(super) agreement: String,
}

/// The documents that can prove a permission for the dataset, newest first.
pub(super) async fn documents(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Vec<Proof>, StoreError> {
    Ok(sqlx::query_as!(
        Proof,
        "SELECT t.sha256, t.file_name, a.title AS agreement
         FROM agreement_documents t
         JOIN agreements a ON a.id = t.agreement_id
         JOIN agreement_datasets s ON s.agreement_id = a.id
         JOIN datasets d ON d.id = s.dataset_id AND d.institution_id = a.institution_id
         WHERE s.dataset_id = $1 AND a.status = 'in_force' AND t.state = 'ready'
         ORDER BY t.id DESC LIMIT 50",
        dataset.0,
    )
    .fetch_all(conn)
    .await?)
}

/// Keeps the text of a policy that a verdict was read from; the same one again changes nothing.
///
/// # Errors
/// Where the database refuses: the name must be the text's SHA-256.
pub async fn keep_policy(
    tx: &mut WriteTx<'_>,
    canonical: &str,
    sha256: &str,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO policies (sha256, rule_set, canonical, kept_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (sha256) DO NOTHING",
        sha256,
        i32::try_from(permission_policy::RULE_SET).unwrap_or(i32::MAX),
        canonical,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The texts of these policies, by their names; those that were not kept are left out.
///
/// # Errors
/// Where the database is away.
pub async fn kept_policies(
    conn: &mut PgConnection,
    sha256: &[String],
) -> Result<std::collections::BTreeMap<String, String>, StoreError> {
    let rows = sqlx::query!(
        "SELECT sha256, canonical FROM policies WHERE sha256 = ANY($1)",
        sha256,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.sha256, row.canonical))
        .collect())
}
