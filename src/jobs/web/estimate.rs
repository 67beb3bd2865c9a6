//! What a job would need, for programs: before it is asked for, and beside what it used.

use actix_web::{HttpResponse, post, web};
use serde_json::{Value, json};

use super::{
    super::{Compute, Draft, Estimate, RawDraft, estimate_request::estimate_for},
    new_json::{NewJob, field_wrong},
};
use crate::{
    budgets::Cost,
    db::Db,
    error::AppError,
    web::{ApiResult, ProtectedJson},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(estimate_json_of);
}

/// Amounts as JSON; energy is none where the settings state no power.
pub(super) fn cost_json(cost: &Cost) -> Value {
    json!({
        "seconds": cost.seconds,
        "milli_sbu": cost.milli_sbu,
        "joules": cost.joules,
    })
}

/// An estimate as JSON.
pub(super) fn estimate_json(estimate: &Estimate) -> Value {
    let mut shown = cost_json(&estimate.cost);
    shown["place"] = json!(estimate.place);
    shown["basis"] = json!(estimate.basis.name());
    shown["tokens"] = json!(estimate.tokens);
    shown["flop"] = json!(estimate.flop);
    shown["memory_bytes"] = json!(estimate.memory_bytes);
    shown
}

/// What a job would need, as the wizard shows it, without asking for it: the body of `POST /api/v1/jobs`, of which title,
/// motivation and recipients may be left out.
#[post("/api/v1/jobs/estimate")]
async fn estimate_json_of(
    db: web::Data<Db>,
    compute: web::Data<Compute>,
    sent: ProtectedJson<NewJob>,
) -> ApiResult {
    let raw: RawDraft = sent.body.into();
    let draft = Draft::parse(&raw.for_estimate()).map_err(|errors| field_wrong(&errors))?;
    let estimate = estimate_for(&db, &sent.actor, &draft, &compute)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::Ok().json(estimate_json(&estimate)))
}
