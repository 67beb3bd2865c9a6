//! What people are shown.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    db::StoreError,
    ids::{DeploymentId, ModelId, ServingProcessId},
};

/// A program, also for an hour after it has gone.
pub(in crate::serving) struct ListedProcess {
    pub(in crate::serving) id: ServingProcessId,
    pub(in crate::serving) name: String,
    pub(in crate::serving) address: String,
    pub(in crate::serving) takes: Vec<String>,
    pub(in crate::serving) room_bytes: Option<i64>,
    pub(in crate::serving) running: i32,
    pub(in crate::serving) waiting: i32,
    pub(in crate::serving) is_gone: bool,
    pub(in crate::serving) is_leaving: bool,
    pub(in crate::serving) drained_at: Option<DateTime<Utc>>,
    pub(in crate::serving) seen_at: DateTime<Utc>,
}

/// A model that is to be served.
pub(in crate::serving) struct ListedDeployment {
    pub(in crate::serving) id: DeploymentId,
    pub(in crate::serving) model: ModelId,
    pub(in crate::serving) name: String,
    pub(in crate::serving) replicas: i32,
    pub(in crate::serving) draining_at: Option<DateTime<Utc>>,
    pub(in crate::serving) created_at: DateTime<Utc>,
}

/// A model in a program.
#[derive(Clone)]
pub(in crate::serving) struct ListedPlace {
    pub(in crate::serving) deployment: DeploymentId,
    pub(in crate::serving) process: ServingProcessId,
    pub(in crate::serving) state: String,
    pub(in crate::serving) message: Option<String>,
    pub(in crate::serving) left_at: Option<DateTime<Utc>>,
}

pub(in crate::serving) async fn listed_processes(
    conn: &mut PgConnection,
) -> Result<Vec<ListedProcess>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT id, name, address, takes, room_bytes, running, waiting, is_leaving, drained_at, seen_at,
                  gone_at IS NOT NULL OR expires_at < clock_timestamp() AS "is_gone!"
           FROM serving_processes WHERE gone_at IS NULL OR gone_at > clock_timestamp() - interval '1 hour'
           ORDER BY gone_at IS NOT NULL, name, id LIMIT 500"#
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ListedProcess {
            id: ServingProcessId(row.id),
            name: row.name,
            address: row.address,
            takes: row.takes,
            room_bytes: row.room_bytes,
            running: row.running,
            waiting: row.waiting,
            is_gone: row.is_gone,
            is_leaving: row.is_leaving,
            drained_at: row.drained_at,
            seen_at: row.seen_at,
        })
        .collect())
}

/// By name, from the one after `after`.
pub(in crate::serving) async fn listed_deployments(
    conn: &mut PgConnection,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<ListedDeployment>, StoreError> {
    let rows = sqlx::query!(
        "SELECT d.id, d.model_id, m.name, d.replicas, d.draining_at, d.created_at
         FROM deployments d JOIN models m ON m.id = d.model_id
         WHERE d.status <> 'stopped' AND ($1::text IS NULL OR m.name > $1) ORDER BY m.name LIMIT $2",
        after,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ListedDeployment {
            id: DeploymentId(row.id),
            model: ModelId(row.model_id),
            name: row.name,
            replicas: row.replicas,
            draining_at: row.draining_at,
            created_at: row.created_at,
        })
        .collect())
}

pub(in crate::serving) async fn listed_places(
    conn: &mut PgConnection,
) -> Result<Vec<ListedPlace>, StoreError> {
    let rows = sqlx::query!(
        "SELECT p.deployment_id, p.process_id, p.state, p.message, p.left_at
         FROM serving_places p JOIN deployments d ON d.id = p.deployment_id AND d.status <> 'stopped'
         ORDER BY p.placed_at, p.process_id"
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ListedPlace {
            deployment: DeploymentId(row.deployment_id),
            process: ServingProcessId(row.process_id),
            state: row.state,
            message: row.message,
            left_at: row.left_at,
        })
        .collect())
}

/// Which program has which model, by name.
pub(in crate::serving) async fn models_of_processes(
    conn: &mut PgConnection,
) -> Result<Vec<(ServingProcessId, String)>, StoreError> {
    let rows = sqlx::query!(
        "SELECT p.process_id, m.name
         FROM serving_places p
         JOIN deployments d ON d.id = p.deployment_id AND d.status <> 'stopped'
         JOIN models m ON m.id = d.model_id ORDER BY m.name"
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (ServingProcessId(row.process_id), row.name))
        .collect())
}

/// The model of a deployment that is not stopped.
pub(in crate::serving) async fn model_of(
    conn: &mut PgConnection,
    deployment: DeploymentId,
) -> Result<Option<ModelId>, StoreError> {
    let model = sqlx::query_scalar!(
        "SELECT model_id FROM deployments WHERE id = $1 AND status <> 'stopped'",
        deployment.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(model.map(ModelId))
}

/// Models that may be deployed and are not, by name: (id, name).
pub(in crate::serving) async fn deployable(
    conn: &mut PgConnection,
) -> Result<Vec<(ModelId, String)>, StoreError> {
    let rows = sqlx::query!(
        "SELECT m.id, m.name FROM models m
         WHERE m.status = 'released' AND m.quarantined_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.model_id = m.id AND d.status <> 'stopped')
         ORDER BY m.name LIMIT 500"
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (ModelId(row.id), row.name))
        .collect())
}
