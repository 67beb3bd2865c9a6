//! Addresses for programs.

use actix_web::{HttpResponse, delete, get, post, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{keep, secret::secret, store};
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    ids::WebhookId,
    policy::{self, Action, Scope},
    rights_checks::Fetcher,
    web::{ApiActor, ApiResult, ProtectedJson},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(create)
        .service(list)
        .service(rotate)
        .service(remove);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    url: String,
}

/// Adds an address; the answer holds its secret.
#[post("/api/v1/webhooks")]
async fn create(
    (db, config, fetcher): (web::Data<Db>, web::Data<Config>, web::Data<Fetcher>),
    sent: ProtectedJson<New>,
) -> ApiResult {
    let id = keep::add(&db, &fetcher, &sent.actor, &sent.body.url)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::Created()
        .insert_header(("cache-control", "no-store"))
        .json(json!({ "id": id, "secret": secret(&config.secret, id, 1) })))
}

/// The addresses of the caller's institution, without secrets.
#[get("/api/v1/webhooks")]
async fn list(db: web::Data<Db>, ApiActor(actor): ApiActor) -> ApiResult {
    let own = Scope::of(actor.institution);
    let _permit = policy::check(&actor, Action::ManageWebhooks, &own).map_err(AppError::from)?;
    let mut conn = db.read().await?;
    let data: Vec<Value> = store::list(&mut conn, actor.institution)
        .await?
        .into_iter()
        .map(|one| {
            json!({
                "id": one.id,
                "url": one.url,
                "created_at": one.created_at,
                "created_by": one.created_by_name,
                "rotated_at": one.rotated_at,
                "secrets_that_sign": one.generations(db.now()).len(),
                "waiting": one.waiting,
                "last": one.last.map(|(at, outcome)| json!({ "at": at, "outcome": outcome })),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "data": data, "has_more": false })))
}

/// Gives an address a new secret; the one of before signs along for a day.
#[post("/api/v1/webhooks/{id}/rotate")]
async fn rotate(
    (db, config): (web::Data<Db>, web::Data<Config>),
    ApiActor(actor): ApiActor,
    id: web::Path<WebhookId>,
) -> ApiResult {
    let generation = keep::rotate(&db, &actor, *id)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(json!({ "id": *id, "secret": secret(&config.secret, *id, generation) })))
}

#[delete("/api/v1/webhooks/{id}")]
async fn remove(
    db: web::Data<Db>,
    ApiActor(actor): ApiActor,
    id: web::Path<WebhookId>,
) -> ApiResult {
    keep::remove(&db, &actor, *id)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::NoContent().finish())
}
