//! The same as JSON.

use actix_web::{HttpResponse, get, post, web};
use serde::Deserialize;

use super::{
    super::{
        cascade::{Request, withdraw},
        decide::{Decision, decide_model},
        reach::preview,
        scope::Target,
    },
    parts::{reason, withdrawable},
    show::whole,
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
        .service(decide);
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
        location: config.training.location,
    };
    let found = preview(&db, target).await.map_err(AppError::from)?;
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
        "jobs": found.reach.jobs,
        "jobs_by_status": by_status,
        "models": found.models,
        "keys": found.keys,
        "licensees": found.licensees,
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
            location: config.training.location,
        },
        reason: reason_of(&request.body.reason)?,
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
    let gone = found
        .copies
        .iter()
        .filter(|copy| copy.verified_absent_at.is_some())
        .count();
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
        "jobs": found.stops,
        "models": found.models,
        "copies": { "all": found.copies.len(), "gone": gone, "items": found.copies },
        "notices": found.notices.iter().map(notice).collect::<Vec<_>>(),
        "duties": found.duties,
    })))
}

#[derive(Deserialize)]
struct DecisionForm {
    model: ModelId,
    decision: String,
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
    let decision = Decision::parse(&body.decision)
        .ok_or_else(|| AppError::invalid("withdrawal-decision-incomplete"))?;
    let why = reason_of(&body.reason)?;
    decide_model(&db, &request.actor, (*path, body.model), decision, &why)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::NoContent().finish())
}
