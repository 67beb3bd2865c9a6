//! The page of what is served where, the same for programs, and what serving programs ask.

mod api;
mod page;
mod programs;

use actix_web::web;
use serde::Deserialize;

use super::{arrange, drain, store};
use crate::{
    db::Db,
    error::AppError,
    ids::{DeploymentId, ModelId, ServingProcessId},
    models::{self, Replicas},
    policy::{self, Action, Actor, Scope},
};

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(page::routes)
        .configure(api::routes)
        .configure(programs::routes);
}

fn may_view(actor: &Actor) -> Result<(), AppError> {
    let _permit = policy::check(actor, Action::ViewServing, &Scope::of(actor.institution))?;
    Ok(())
}

/// What is done to a deployment.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Act {
    Scale,
    Drain,
    Stop,
}

fn replicas(count: Option<i64>) -> Result<Replicas, AppError> {
    count
        .and_then(Replicas::new)
        .ok_or_else(|| AppError::invalid("deployment-replicas-wrong"))
}

async fn start(
    db: &Db,
    actor: &Actor,
    model: ModelId,
    replicas: Option<Replicas>,
) -> Result<(), AppError> {
    models::deploy(db, actor, model, replicas).await?;
    Ok(arrange(db).await?)
}

/// Does `act` to a deployment; answers what people are told.
async fn perform(
    db: &Db,
    actor: &Actor,
    (deployment, act): (DeploymentId, Act),
    count: Option<i64>,
) -> Result<&'static str, AppError> {
    // Who may not see deployments is not told which there are.
    may_view(actor)?;
    let mut conn = db.read().await?;
    let model = store::model_of(&mut conn, deployment)
        .await?
        .ok_or(AppError::NotFound)?;
    drop(conn);
    let told = match act {
        Act::Scale => {
            models::scale(db, actor, model, replicas(count)?).await?;
            "flash-deployment-scaled"
        }
        Act::Drain => {
            models::drain(db, actor, model).await?;
            "flash-deployment-drained"
        }
        Act::Stop => {
            models::stop(db, actor, model).await?;
            "flash-model-stopped"
        }
    };
    arrange(db).await?;
    Ok(told)
}

/// Has a program take nothing new, or take it again; answers what people are told.
async fn drain_process(
    db: &Db,
    actor: &Actor,
    (process, is_drained): (ServingProcessId, bool),
) -> Result<&'static str, AppError> {
    drain::drain(db, actor, process, is_drained).await?;
    arrange(db).await?;
    Ok(if is_drained {
        "flash-serving-drained"
    } else {
        "flash-serving-resumed"
    })
}
