//! The SQL of lineage: edges from a set of nodes, and what the nodes are.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::graph::{Edge, Kind};
use crate::{
    db::{CorruptRow, StoreError},
    ids::InstitutionId,
};

/// The edges out of these nodes.
pub(super) async fn edges_down(
    conn: &mut PgConnection,
    nodes: &[Uuid],
    limit: i64,
) -> Result<Vec<Edge>, StoreError> {
    Ok(sqlx::query_as!(
        Edge,
        r#"SELECT from_id AS "from", to_id AS "to", at FROM lineage_edges
           WHERE from_id = ANY($1) ORDER BY to_id DESC LIMIT $2"#,
        nodes,
        limit,
    )
    .fetch_all(conn)
    .await?)
}

/// The edges into these nodes.
pub(super) async fn edges_up(
    conn: &mut PgConnection,
    nodes: &[Uuid],
    limit: i64,
) -> Result<Vec<Edge>, StoreError> {
    Ok(sqlx::query_as!(
        Edge,
        r#"SELECT from_id AS "from", to_id AS "to", at FROM lineage_edges
           WHERE to_id = ANY($1) ORDER BY from_id DESC LIMIT $2"#,
        nodes,
        limit,
    )
    .fetch_all(conn)
    .await?)
}

/// The edges among these nodes.
pub(super) async fn edges_among(
    conn: &mut PgConnection,
    nodes: &[Uuid],
) -> Result<Vec<Edge>, StoreError> {
    Ok(sqlx::query_as!(
        Edge,
        r#"SELECT from_id AS "from", to_id AS "to", at FROM lineage_edges
           WHERE from_id = ANY($1) AND to_id = ANY($1) ORDER BY from_id, to_id"#,
        nodes,
    )
    .fetch_all(conn)
    .await?)
}

/// The versions of a dataset.
pub(super) async fn versions(
    conn: &mut PgConnection,
    dataset: Uuid,
) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!(
        "SELECT id FROM dataset_versions WHERE dataset_id = $1 ORDER BY number",
        dataset,
    )
    .fetch_all(conn)
    .await?)
}

/// Of these nodes, those that came out of data of the institution.
pub(super) async fn out_of_data_of(
    conn: &mut PgConnection,
    institution: InstitutionId,
    nodes: &[Uuid],
) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT d.id AS "id!" FROM lineage_descendants(ARRAY(
               SELECT v.id FROM dataset_versions v JOIN datasets s ON s.id = v.dataset_id WHERE s.institution_id = $1
           )) d WHERE d.id = ANY($2)"#,
        institution.0,
        nodes,
    )
    .fetch_all(conn)
    .await?)
}

/// A node with all there is to know.
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) id: Uuid,
    pub(super) label: String,
    pub(super) institution: (Uuid, String),
    pub(super) status: String,
    pub(super) page: Uuid,
    /// Whether every partner may see it.
    pub(super) is_published: bool,
    pub(super) is_marked: bool,
    pub(super) created_at: DateTime<Utc>,
}

/// What these nodes are, in the order in which they came to be.
pub(super) async fn nodes(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Found>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT n.kind AS "kind!", n.id AS "id!", n.label AS "label!", n.institution_id AS "institution_id!",
                  i.name AS "institution!", n.status AS "status!", n.page AS "page!",
                  n.is_published AS "is_published!", n.is_marked AS "is_marked!", n.created_at AS "created_at!"
           FROM (
               SELECT 'dataset_version' AS kind, v.id, d.title || ' v' || v.number AS label, d.institution_id, v.status,
                      d.id AS page, EXISTS (SELECT 1 FROM dataset_versions a
                          WHERE a.dataset_id = d.id AND a.status = 'approved') AS is_published,
                      v.status = 'withdrawn' AS is_marked, v.created_at
               FROM dataset_versions v JOIN datasets d ON d.id = v.dataset_id WHERE v.id = ANY($1)
               UNION ALL
               SELECT 'curation_run', r.id, r.kind, d.institution_id, r.kind, r.id,
                      EXISTS (SELECT 1 FROM dataset_versions a WHERE a.dataset_id = d.id AND a.status = 'approved'),
                      false, r.created_at
               FROM curation_runs r JOIN dataset_versions v ON v.id = r.output_version_id
               JOIN datasets d ON d.id = v.dataset_id WHERE r.id = ANY($1)
               UNION ALL
               SELECT 'job', j.id, j.title, j.institution_id, j.status, j.id, false, false, j.requested_at
               FROM jobs j WHERE j.id = ANY($1)
               UNION ALL
               SELECT 'model', m.id, m.name, m.institution_id, m.status, m.id, m.kind = 'base',
                      m.marked_at IS NOT NULL, m.created_at
               FROM models m WHERE m.id = ANY($1)
               UNION ALL
               SELECT 'deployment', p.id, m.name, m.institution_id, p.status, m.id, m.kind = 'base',
                      m.marked_at IS NOT NULL, p.created_at
               FROM deployments p JOIN models m ON m.id = p.model_id WHERE p.id = ANY($1)
               UNION ALL
               SELECT 'key', k.id, k.name, k.institution_id, k.status, k.id, false, false, k.requested_at
               FROM api_keys k WHERE k.id = ANY($1)
           ) n JOIN institutions i ON i.id = n.institution_id
           ORDER BY n.created_at, n.id"#,
        ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Found {
                kind: row.kind.parse().map_err(|_| CorruptRow {
                    table: "lineage_edges",
                    id: row.id,
                    problem: "unknown kind",
                })?,
                id: row.id,
                label: row.label,
                institution: (row.institution_id, row.institution),
                status: row.status,
                page: row.page,
                is_published: row.is_published,
                is_marked: row.is_marked,
                created_at: row.created_at,
            })
        })
        .collect()
}
