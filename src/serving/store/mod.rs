//! The SQL of serving programs, and of what stands where. Whether a program lives is decided by the database's clock
//! alone.

mod arrange;
mod list;
mod report;

use std::collections::HashMap;

use sqlx::PgConnection;

pub(super) use self::{
    arrange::{add, drop_place, expire, is_alone, leave, stand, sum_up},
    list::{
        ListedDeployment, ListedPlace, ListedProcess, deployable, listed_deployments,
        listed_places, listed_processes, model_of, models_of_processes,
    },
    report::{end_others_at, forgive_silence, save_drained, save_models, save_process},
};
use super::process::MOST_MODELS;
use crate::{
    db::{Db, StoreError},
    ids::{DeploymentId, ModelId, ServingProcessId},
};

/// Where each model takes requests: the addresses, in order.
///
/// # Errors
/// Where the database is away.
pub async fn places(db: &Db) -> Result<HashMap<ModelId, Vec<String>>, StoreError> {
    let mut conn = db.read().await?;
    let rows = sqlx::query!(
        r#"SELECT d.model_id, array_agg(s.address ORDER BY s.address) AS "addresses!"
           FROM serving_places p
           JOIN deployments d ON d.id = p.deployment_id
           JOIN serving_processes s ON s.id = p.process_id
           WHERE d.status <> 'stopped' AND d.draining_at IS NULL AND p.state = 'ready' AND p.left_at IS NULL
             AND s.gone_at IS NULL AND NOT s.is_leaving AND s.expires_at > clock_timestamp()
           GROUP BY d.model_id"#
    )
    .fetch_all(&mut *conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (ModelId(row.model_id), row.addresses))
        .collect())
}

/// A model that a program should have.
pub(super) struct Assigned {
    pub(super) deployment: DeploymentId,
    pub(super) model: ModelId,
    pub(super) name: String,
    /// The base's name, of an adapter.
    pub(super) base: Option<String>,
}

pub(super) async fn is_alive(
    conn: &mut PgConnection,
    process: ServingProcessId,
) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM serving_processes WHERE id = $1 AND gone_at IS NULL) AS "found!""#,
        process.0,
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

pub(super) async fn assigned(
    conn: &mut PgConnection,
    process: ServingProcessId,
) -> Result<Vec<Assigned>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT d.id, d.model_id, m.name, b.name AS "base?"
           FROM serving_places p
           JOIN deployments d ON d.id = p.deployment_id AND d.status <> 'stopped'
           JOIN models m ON m.id = d.model_id
           LEFT JOIN models b ON b.id = m.base_model_id AND m.kind = 'adapter'
           WHERE p.process_id = $1 ORDER BY m.kind = 'adapter', d.id LIMIT $2"#,
        process.0,
        i64::try_from(MOST_MODELS).unwrap_or(i64::MAX),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Assigned {
            deployment: DeploymentId(row.id),
            model: ModelId(row.model_id),
            name: row.name,
            base: row.base,
        })
        .collect())
}
