//! What is served where, for programs.

use actix_web::{HttpResponse, get, post, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{
        list::{self, Deployment, Process},
        placement::Why,
    },
    Act, drain_process, may_view, perform, replicas, start,
};
use crate::{
    db::Db,
    error::AppError,
    ids::{DeploymentId, ModelId, ServingProcessId},
    web::{ApiActor, ApiResult, ProtectedJson},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(list_deployments)
        .service(start_json)
        .service(act_json)
        .service(list_processes)
        .service(drain_json);
}

const USUAL: usize = 50;
const MOST: usize = 200;

#[derive(Deserialize)]
struct Asked {
    /// The model's name after which the page begins.
    after: Option<String>,
    limit: Option<usize>,
}

fn deployment_json(one: &Deployment) -> Value {
    let places: Vec<_> = one
        .places
        .iter()
        .map(|at| {
            json!({
                "process": at.process, "name": at.name, "state": at.state, "message": at.message, "load": at.load,
            })
        })
        .collect();
    json!({
        "id": one.id, "model": one.model, "name": one.name, "state": one.state.name(),
        "replicas": one.replicas, "wanted": one.wanted, "ready": one.ready,
        "waits_because": one.why.map(Why::name), "places": places, "created_at": one.created_at,
    })
}

fn process_json(one: &Process) -> Value {
    json!({
        "id": one.id, "name": one.name, "address": one.address, "state": one.state.name(),
        "is_drained": one.is_drained, "takes": one.takes, "room_bytes": one.room_bytes,
        "running": one.running, "waiting": one.waiting, "seen_at": one.seen_at, "models": one.models,
    })
}

#[get("/api/v1/deployments")]
async fn list_deployments(
    actor: ApiActor,
    db: web::Data<Db>,
    asked: web::Query<Asked>,
) -> ApiResult {
    may_view(&actor.0)?;
    let mut conn = db.read().await?;
    let limit = asked.limit.unwrap_or(USUAL).clamp(1, MOST);
    let (all, has_more) = list::deployments(&mut conn, asked.after.as_deref(), limit).await?;
    let data: Vec<_> = all.iter().map(deployment_json).collect();
    Ok(HttpResponse::Ok().json(json!({ "data": data, "has_more": has_more })))
}

#[derive(Deserialize)]
struct New {
    model: ModelId,
    replicas: Option<i64>,
}

/// Has a released model served; one that is served already gets the number of replicas.
#[post("/api/v1/deployments")]
async fn start_json(db: web::Data<Db>, new: ProtectedJson<New>) -> ApiResult {
    may_view(&new.actor)?;
    let count = new.body.replicas.map(|count| replicas(Some(count)));
    start(&db, &new.actor, new.body.model, count.transpose()?).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, Default)]
struct Scale {
    replicas: Option<i64>,
}

#[post("/api/v1/deployments/{deployment}/{act:scale|drain|stop}")]
async fn act_json(
    actor: ApiActor,
    db: web::Data<Db>,
    path: web::Path<(DeploymentId, Act)>,
    body: web::Bytes,
) -> ApiResult {
    let to: Scale = if body.is_empty() {
        Scale::default()
    } else {
        serde_json::from_slice(&body).map_err(|_| AppError::invalid("deployment-replicas-wrong"))?
    };
    perform(&db, &actor.0, path.into_inner(), to.replicas).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[get("/api/v1/serving-processes")]
async fn list_processes(actor: ApiActor, db: web::Data<Db>) -> ApiResult {
    may_view(&actor.0)?;
    let mut conn = db.read().await?;
    let all = list::processes(&mut conn).await?;
    let data: Vec<_> = all.iter().map(process_json).collect();
    Ok(HttpResponse::Ok().json(json!({ "data": data, "has_more": false })))
}

#[post("/api/v1/serving-processes/{process}/{act:drain|resume}")]
async fn drain_json(
    actor: ApiActor,
    db: web::Data<Db>,
    path: web::Path<(ServingProcessId, String)>,
) -> ApiResult {
    let (process, act) = path.into_inner();
    drain_process(&db, &actor.0, (process, act == "drain")).await?;
    Ok(HttpResponse::NoContent().finish())
}
