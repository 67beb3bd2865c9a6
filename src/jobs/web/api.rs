//! Jobs for programs.

use actix_web::{HttpResponse, get, post, web};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    super::{
        Compute, Draft, JobError, Method, RawDraft, approve, cancel, find_visible, job::Job,
        reject, request, status::AttemptStatus, store,
    },
    new_json::{NewJob, field_wrong},
    queue,
    view::View,
};
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    ids::JobId,
    policy::{Action, visible},
    rights_checks,
    web::{ApiActor, ApiResult, FieldErrors, Lang, ProtectedJson, Text},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(create)
        .service(list)
        .service(show)
        .service(approve_json)
        .service(reject_json)
        .service(cancel_json);
}

/// Asks for a job. 422 with the rules of each dataset where one may not be used for this.
#[post("/api/v1/jobs")]
async fn create(
    db: web::Data<Db>,
    compute: web::Data<Compute>,
    sent: ProtectedJson<NewJob>,
) -> ApiResult {
    let raw: RawDraft = sent.body.into();
    let draft = Draft::parse(&raw).map_err(|errors| field_wrong(&errors))?;
    match request(&db, &sent.actor, &draft, &compute).await {
        Ok(id) => Ok(HttpResponse::Created()
            .insert_header(("location", format!("/api/v1/jobs/{id}")))
            .json(json!({ "id": id, "status": "submitted" }))),
        Err(JobError::NotPermitted(verdicts)) => {
            let datasets: Vec<Value> = verdicts
                .iter()
                .map(|(version, decision)| {
                    json!({
                        "dataset_version": version,
                        "is_allowed": decision.verdict.is_allowed,
                        "rules": decision.verdict.reasons.iter().map(|r| &r.rule).collect::<Vec<_>>(),
                        "reasons": decision.verdict.reasons,
                        "duties": decision.verdict.duties,
                        "policy_sha256": decision.policy_sha256,
                    })
                })
                .collect();
            Ok(HttpResponse::UnprocessableEntity()
                .content_type("application/problem+json")
                .json(json!({
                    "type": "about:blank",
                    "title": "Unprocessable Entity",
                    "status": 422,
                    "code": "jobs-not-permitted",
                    "detail": Lang::En.t("jobs-not-permitted"),
                    "datasets": datasets,
                })))
        }
        Err(error) => Err(AppError::from(error).into()),
    }
}

#[derive(Deserialize)]
struct Query {
    before: Option<Uuid>,
}

/// The jobs that the caller may see, newest first, 50 at a time.
#[get("/api/v1/jobs")]
async fn list(db: web::Data<Db>, actor: ApiActor, query: web::Query<Query>) -> ApiResult {
    const PAGE: i64 = 50;
    let mut conn = db.read().await?;
    let listing = store::Listing {
        of: visible(&actor.0, Action::ViewJob).filter(),
        before: query.before,
        limit: PAGE + 1,
    };
    let mut jobs = store::list(&mut conn, &listing).await?;
    let has_more = jobs.len() as i64 > PAGE;
    jobs.truncate(50);
    let data: Vec<Value> = jobs
        .iter()
        .map(|job| {
            json!({
                "id": job.id,
                "title": job.title,
                "institution": job.institution_name,
                "status": job.status.name(),
                "base_model": job.base_name,
                "requested_at": job.requested_at,
                "requested_by": job.requested_by_name,
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "data": data, "has_more": has_more })))
}

/// One job with its attempts, how it stands, and its result.
#[get("/api/v1/jobs/{job}")]
async fn show(
    db: web::Data<Db>,
    config: web::Data<Config>,
    compute: web::Data<Compute>,
    actor: ApiActor,
    path: web::Path<JobId>,
) -> ApiResult {
    let job = find_visible(&db, &actor.0, *path)
        .await?
        .ok_or(AppError::NotFound)?;
    let view = View::read_last(&db, job).await?;
    let mut shown = as_json(&view);
    queue::add_json(&db, (&config, &compute), &view, &mut shown).await?;
    Ok(HttpResponse::Ok().json(shown))
}

fn as_json(view: &View) -> Value {
    let job: &Job = &view.job;
    let attempts: Vec<Value> = view
        .attempts
        .iter()
        .map(|attempt| {
            json!({
                "id": attempt.id,
                "number": attempt.number,
                "backend": attempt.backend,
                "status": attempt.status.name(),
                "phase": attempt.phase,
                "created_at": attempt.created_at,
                "heartbeat_at": attempt.heartbeat_at,
                "ended_at": attempt.ended_at,
                "failure_code": attempt.failure_code,
                "failure_message": attempt.failure_message,
            })
        })
        .collect();
    let datasets: Vec<Value> = view
        .inputs
        .iter()
        .map(|input| {
            let bound = view
                .bound
                .iter()
                .find(|bound| bound.version == input.version);
            json!({
                "dataset": input.dataset,
                "dataset_version": input.version,
                "title": input.title,
                "manifest_sha256": input.manifest_sha256,
                "verdict": bound.map(|bound| &bound.verdict),
                "policy_sha256": bound.map(|bound| &bound.policy_sha256),
                "decided_at": bound.map(|bound| bound.decided_at),
                "rights_then": bound.map(|bound| {
                    let at = rights_checks::in_address(bound.decided_at);
                    format!("/api/v1/datasets/{}/rights?at={at}", input.dataset)
                }),
            })
        })
        .collect();
    json!({
        "id": job.id,
        "title": job.title,
        "motivation": job.motivation,
        "institution": job.institution_name,
        "purpose": job.purpose,
        "is_commercial": job.is_commercial,
        "territory": job.territory,
        "recipients": job.recipients,
        "method": Method::of(&job.task, job.purpose).map(Method::name),
        "base_model": job.base.map(|id| json!({ "id": id, "name": job.base_name })),
        "task": job.task,
        "seed": job.seed,
        "status": job.status.name(),
        "status_code": job.status_code,
        "status_message": job.status_message,
        "requested_by": job.requested_by_name,
        "requested_at": job.requested_at,
        "approved_by": job.approved_by_name,
        "approved_at": job.approved_at,
        "cancel_requested_at": job.cancel_requested_at,
        "cancel_reason": job.cancel_reason,
        "pause_requested_at": job.pause_requested_at,
        "not_before": job.not_before,
        "ended_at": job.ended_at,
        "datasets": datasets,
        "attempts": attempts,
        "progress": progress_json(view),
        "result": result_json(view),
        "model": view.model.as_ref().map(|model| json!({ "id": model.id, "name": model.name })),
    })
}

fn progress_json(view: &View) -> Value {
    let progress = &view.progress;
    json!({
        "phase": view.attempts.last().and_then(|last| last.phase.as_deref()),
        "step": progress.step,
        "total_steps": progress.total_steps,
        "loss": progress.loss,
        "held_out_loss": progress.held_out.last().map(|(_, loss)| loss),
        "learning_rate": progress.learning_rate,
        "tokens_per_second": progress.tokens_per_second,
        "seconds_left": progress.seconds_left,
    })
}

/// What the successful attempt told of its work.
fn result_json(view: &View) -> Value {
    let outcome = view
        .attempts
        .iter()
        .find(|attempt| attempt.status == AttemptStatus::Succeeded)
        .and_then(|attempt| attempt.outcome.clone());
    match outcome {
        Some(Value::Object(mut fields)) => {
            fields.remove("outcome");
            fields.remove("artifacts");
            Value::Object(fields)
        }
        _ => Value::Null,
    }
}

#[post("/api/v1/jobs/{job}/approve")]
async fn approve_json(db: web::Data<Db>, actor: ApiActor, path: web::Path<JobId>) -> ApiResult {
    approve(&db, &actor.0, *path)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::Ok().json(json!({ "id": *path, "status": "approved" })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: String,
}

#[post("/api/v1/jobs/{job}/reject")]
async fn reject_json(
    db: web::Data<Db>,
    sent: ProtectedJson<Reason>,
    path: web::Path<JobId>,
) -> ApiResult {
    let mut errors = FieldErrors::default();
    let bounds = Text {
        least: 1,
        most: 2000,
    };
    let reason = errors.text("reason", &sent.body.reason, bounds);
    errors
        .into_result(())
        .map_err(|errors| field_wrong(&errors))?;
    reject(&db, &sent.actor, *path, &reason)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::Ok().json(json!({ "id": *path, "status": "rejected" })))
}

#[post("/api/v1/jobs/{job}/cancel")]
async fn cancel_json(db: web::Data<Db>, actor: ApiActor, path: web::Path<JobId>) -> ApiResult {
    let status = cancel(&db, &actor.0, *path).await.map_err(AppError::from)?;
    Ok(HttpResponse::Ok()
        .json(json!({ "id": *path, "status": status.name(), "cancel_requested": true })))
}
