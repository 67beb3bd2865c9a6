//! What serving programs ask and report; they hold the serving token.

use actix_web::{HttpRequest, HttpResponse, get, http::header, post, web};
use job_contract::ServingStatus;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::super::{arrange, assign, report};
use crate::{
    config::Config, db::Db, error::AppError, ids::ServingProcessId, objects::ObjectStore,
    web::ApiResult,
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(list_assignments).service(report_status);
}

fn is_serving_program(request: &HttpRequest, config: &Config) -> bool {
    let expected = config.serving.token.expose_secret();
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    !expected.is_empty() && bool::from(given.as_bytes().ct_eq(expected.as_bytes()))
}

fn refused() -> HttpResponse {
    HttpResponse::Unauthorized().json(job_contract::Refusal {
        code: "token_invalid".into(),
        message: "The serving token is not the portal's.".into(),
        rules: Vec::new(),
    })
}

#[derive(Deserialize)]
struct Asking {
    process: ServingProcessId,
}

/// Who asks has everything looked at first: so what stands where is never older than a second.
#[get("/internal/v1/serving/assignments")]
async fn list_assignments(
    request: HttpRequest,
    db: web::Data<Db>,
    objects: web::Data<ObjectStore>,
    config: web::Data<Config>,
    asking: web::Query<Asking>,
) -> ApiResult {
    if !is_serving_program(&request, &config) {
        return Ok(refused());
    }
    arrange(&db).await.map_err(AppError::from)?;
    let assignments = assign::assignments(&db, &objects, asking.process)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::Ok().json(assignments))
}

#[post("/internal/v1/serving/status")]
async fn report_status(
    request: HttpRequest,
    db: web::Data<Db>,
    config: web::Data<Config>,
    status: web::Json<ServingStatus>,
) -> ApiResult {
    if !is_serving_program(&request, &config) {
        return Ok(refused());
    }
    report::report(&db, status.into_inner())
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::NoContent().finish())
}
