//! Asking for an evaluation, and everything that one left.

use actix_web::{HttpResponse, get, http::header, post, web};
use serde::Deserialize;
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    config::Config,
    db::Db,
    error::AppError,
    ids::{EvaluationId, JobId, ModelId},
    jobs,
    models::{self, DatasetFigures, Evaluation, Model, REPORT_NAME},
    objects::ObjectStore,
    policy::{self, Action, Actor},
    web::{ApiActor, ApiResult, Page, PageResult, ProtectedForm, see_other},
};

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(ask)
        .service(ask_json)
        .service(list_json)
        .service(statement)
        .service(report);
}

#[derive(Deserialize)]
struct Nothing {}

/// Asks for a model to be measured, and shows the job.
#[post("/{lang:nl|en}/models/{model}/evaluate")]
async fn ask(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<(String, ModelId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    let job = request(&db, &config, (page.actor(), path.1)).await?;
    Ok(see_other(&page.path(&format!("/jobs/{job}"))))
}

/// The same for programs; answers the job.
#[post("/api/v1/models/{model}/evaluations")]
async fn ask_json(
    actor: ApiActor,
    db: web::Data<Db>,
    config: web::Data<Config>,
    model: web::Path<ModelId>,
) -> ApiResult {
    let job = request(&db, &config, (&actor.0, *model)).await?;
    Ok(HttpResponse::Created().json(json!({ "job": job })))
}

async fn request(
    db: &Db,
    config: &Config,
    (actor, model): (&Actor, ModelId),
) -> Result<JobId, AppError> {
    let locations = config.locations();
    let asked = (model, locations.as_slice());
    Ok(jobs::request_evaluation(db, actor, &config.evaluation, asked).await?)
}

async fn visible(
    conn: &mut PgConnection,
    actor: &Actor,
    model: ModelId,
) -> Result<Model, AppError> {
    let model = models::find(conn, model).await?.ok_or(AppError::NotFound)?;
    let _permit = policy::check(actor, Action::ViewModel, &model.scope())?;
    Ok(model)
}

/// What was measured of a model, newest first, and how it stands to the limits of its datasets.
#[get("/api/v1/models/{model}/evaluations")]
async fn list_json(actor: ApiActor, db: web::Data<Db>, path: web::Path<ModelId>) -> ApiResult {
    let mut conn = db.read().await?;
    let model = visible(&mut conn, &actor.0, *path).await?;
    let evaluations = models::evaluations_of(&mut conn, model.id).await?;
    let standing = models::memorisation_standing(&mut conn, model.id).await?;
    let limits = models::memorisation_limits(&mut conn, model.id).await?;
    Ok(HttpResponse::Ok().json(json!({
        "data": evaluations.iter().map(as_json).collect::<Vec<_>>(),
        "memorisation": {
            "standing": standing,
            "limits": limits.iter().map(|limit| json!({
                "dataset": limit.dataset, "title": limit.title, "most_extracted": limit.most_extracted,
                "longest_match": limit.longest_match, "is_tried": limit.is_tried,
            })).collect::<Vec<_>>(),
        },
    })))
}

fn as_json(evaluation: &Evaluation) -> serde_json::Value {
    json!({
        "id": evaluation.id,
        "job": evaluation.job,
        "program": evaluation.program,
        "report_sha256": evaluation.report_sha256,
        "statement_sha256": evaluation.statement_sha256,
        "created_at": evaluation.created_at,
        "figures": evaluation.figures,
        "datasets": evaluation.datasets.iter().map(of_dataset).collect::<Vec<_>>(),
    })
}

fn of_dataset(of: &DatasetFigures) -> serde_json::Value {
    let found = &of.found;
    json!({
        "dataset": of.dataset,
        "title": of.title,
        "number": of.number,
        "dataset_version": found.dataset_version,
        "documents": found.documents,
        "items": found.items,
        "extracted": found.extracted,
        "interval": found.interval,
        "longest_match": found.longest_match,
    })
}

/// One evaluation of a model that the actor may see.
async fn find(
    conn: &mut PgConnection,
    actor: &Actor,
    id: EvaluationId,
) -> Result<Evaluation, AppError> {
    let found = models::find_evaluation(conn, id)
        .await?
        .ok_or(AppError::NotFound)?;
    visible(conn, actor, found.model).await?;
    Ok(found)
}

/// The statement as it was signed, to keep and to check with `faculty verify-receipt`.
#[get("/api/v1/evaluations/{id}/statement")]
async fn statement(actor: ApiActor, db: web::Data<Db>, path: web::Path<EvaluationId>) -> ApiResult {
    let mut conn = db.read().await?;
    let found = find(&mut conn, &actor.0, *path).await?;
    let envelope = models::evaluation_statement(&mut conn, found.id)
        .await?
        .ok_or(AppError::NotFound)?;
    Ok(file(
        "application/vnd.in-toto+json",
        &format!("evaluation-statement-{}.json", found.id),
        envelope.into_bytes(),
    ))
}

/// The report as the program left it.
#[get("/api/v1/evaluations/{id}/report")]
async fn report(
    actor: ApiActor,
    db: web::Data<Db>,
    objects: web::Data<ObjectStore>,
    path: web::Path<EvaluationId>,
) -> ApiResult {
    let found = {
        let mut conn = db.read().await?;
        find(&mut conn, &actor.0, *path).await?
    };
    let named = (found.attempt, REPORT_NAME, found.report_sha256.as_str());
    let bytes = jobs::report_file(&db, &objects, named)
        .await?
        .ok_or(AppError::NotFound)?;
    Ok(file(
        "application/json",
        &format!("evaluation-{}.json", found.id),
        bytes,
    ))
}

fn file(kind: &str, name: &str, bytes: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(kind)
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ))
        .body(bytes)
}
