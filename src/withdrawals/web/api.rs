//! The same as JSON.

use actix_web::{HttpResponse, get, post, web};
use serde::Deserialize;

use super::{
    super::{
        cascade::{Request, withdraw},
        decide::confirm_lift,
        lost_place::declare_lost,
        reach::preview,
        scope::Target,
    },
    act::DecisionWords,
    parts::{reason, withdrawable},
    whole::whole,
};
use crate::{
    config::Config,
    db::Db,
    error::{AppError, Say},
    ids::{DatasetId, ModelId, WithdrawalId},
    notices::Shown,
    web::{ApiActor, ApiResult, FieldErrors, ProtectedJson},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(reach)
        .service(confirm)
        .service(show)
        .service(decide)
        .service(lift)
        .service(machine_gone);
}

#[derive(Deserialize)]
struct Query {
    #[serde(default)]
    extent: String,
}

#[get("/api/v1/datasets/{dataset}/reach")]
async fn reach(
    actor: ApiActor,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<DatasetId>,
    query: web::Query<Query>,
) -> ApiResult {
    let dataset = withdrawable(&db, &actor.0, *path).await?;
    let extent = query.extent.parse().map_err(|_| AppError::NotFound)?;
    let target = Target {
        dataset: dataset.id,
        extent,
        locations: config.locations(),
    };
    let found = preview(&db, &target).await.map_err(AppError::from)?;
    let by_status: serde_json::Map<_, _> = found
        .jobs_by_status
        .iter()
        .map(|(status, count)| (status.name().to_owned(), (*count).into()))
        .collect();
    Ok(HttpResponse::Ok().json(serde_json::json!({
        "extent": extent.to_string(),
        "on_withdrawal": found.reach.consequence,
        "permissions": found.reach.permissions,
        "versions": found.reach.fallen,
        "siblings": found.reach.siblings,
        "jobs": found.reach.jobs,
        "jobs_by_status": by_status,
        "seen": found.reach.in_short(),
        "models": found.models.iter().map(|model| serde_json::json!({
            "id": model.id, "name": model.name_for(&actor.0), "institution": model.institution,
            "is_served": model.is_served,
        })).collect::<Vec<_>>(),
        "keys": { "count": found.keys.len(), "by_institution": found.keys_by_institution() },
        "licensees": { "count": found.licensees.len() },
        "copies": found.copies,
        "delete_within_days": found.reach.delete_within_days,
        "tokens_read": found.tokens_read,
    })))
}

#[derive(Deserialize)]
struct Form {
    #[serde(default)]
    extent: String,
    #[serde(default)]
    reason: String,
    /// As the reach said it; left out where nobody looked.
    seen: Option<String>,
}

fn reason_of(raw: &str) -> Result<String, AppError> {
    let mut errors = FieldErrors::default();
    let reason = reason(&mut errors, raw);
    errors
        .into_result(reason)
        .map_err(|_| AppError::Invalid(Say::new("withdrawal-needs-reason")))
}

#[post("/api/v1/datasets/{dataset}/withdraw")]
async fn confirm(
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<DatasetId>,
    request: ProtectedJson<Form>,
) -> ApiResult {
    let dataset = withdrawable(&db, &request.actor, *path).await?;
    let extent = request
        .body
        .extent
        .parse()
        .map_err(|_| AppError::Invalid(Say::new("withdrawal-unknown-extent")))?;
    let wanted = Request {
        target: Target {
            dataset: dataset.id,
            extent,
            locations: config.locations(),
        },
        reason: reason_of(&request.body.reason)?,
        seen: request.body.seen.clone(),
    };
    let id = withdraw(&db, &request.actor, &wanted)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::Ok().json(serde_json::json!({ "withdrawal": id })))
}

fn notice(told: &Shown) -> serde_json::Value {
    serde_json::json!({
        "kind": told.kind, "to": told.to, "to_role": told.to_role.map(crate::policy::Role::name), "mails": told.mails,
        "created_at": told.created_at, "acknowledge_by": told.acknowledge_by,
        "acknowledged_at": told.acknowledged_at, "escalated_at": told.escalated_at,
    })
}

#[get("/api/v1/withdrawals/{withdrawal}")]
async fn show(actor: ApiActor, db: web::Data<Db>, path: web::Path<WithdrawalId>) -> ApiResult {
    let found = whole(&db, &actor.0, *path).await?;
    let withdrawal = &found.withdrawal;
    Ok(HttpResponse::Ok().json(serde_json::json!({
        "id": withdrawal.id,
        "dataset": withdrawal.dataset,
        "extent": withdrawal.scope,
        "is_revoked": withdrawal.is_revoked,
        "reason": withdrawal.reason,
        "withdrawn_at": withdrawal.at,
        "on_withdrawal": withdrawal.consequence,
        "delete_by": withdrawal.delete_by,
        "is_given_anew": withdrawal.is_given_anew,
        "keys": withdrawal.keys,
        "addresses": { "count": withdrawal.addresses, "end_at": withdrawal.addresses_end_at },
        "jobs": found.stops,
        "models": found.models,
        "models_all": found.models_all,
        "copies": { "all": found.copies_all.all, "gone": found.copies_all.gone, "items": found.copies },
        "notices_all": found.notices_all.all,
        "notices_acknowledged": found.notices_all.acknowledged,
        "notices": found.notices.iter().map(notice).collect::<Vec<_>>(),
        "duties": found.duties,
    })))
}

#[derive(Deserialize)]
struct DecisionForm {
    model: ModelId,
    decision: String,
    #[serde(default)]
    replaced_by: String,
    reason: String,
}

#[post("/api/v1/withdrawals/{withdrawal}/decide")]
async fn decide(
    db: web::Data<Db>,
    path: web::Path<WithdrawalId>,
    request: ProtectedJson<DecisionForm>,
) -> ApiResult {
    whole(&db, &request.actor, *path).await?;
    let body = &request.body;
    let words = DecisionWords {
        decision: &body.decision,
        replaced_by: &body.replaced_by,
        reason: &body.reason,
    };
    words
        .carry_out(&db, &request.actor, (*path, body.model))
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize)]
struct LiftForm {
    model: ModelId,
    reason: String,
}

#[post("/api/v1/withdrawals/{withdrawal}/lift")]
async fn lift(
    db: web::Data<Db>,
    path: web::Path<WithdrawalId>,
    request: ProtectedJson<LiftForm>,
) -> ApiResult {
    whole(&db, &request.actor, *path).await?;
    let why = reason_of(&request.body.reason)?;
    confirm_lift(&db, &request.actor, (*path, request.body.model), &why)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize)]
struct PlaceForm {
    place: String,
    reason: String,
}

#[post("/api/v1/withdrawals/{withdrawal}/machine-gone")]
async fn machine_gone(
    db: web::Data<Db>,
    path: web::Path<WithdrawalId>,
    request: ProtectedJson<PlaceForm>,
) -> ApiResult {
    whole(&db, &request.actor, *path).await?;
    let why = reason_of(&request.body.reason)?;
    declare_lost(&db, &request.actor, *path, &request.body.place, &why)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::NoContent().finish())
}
