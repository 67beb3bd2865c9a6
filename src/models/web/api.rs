//! Models for programs, and receipts for everybody who wants to check.

use actix_web::{HttpResponse, get, http::header, post, web};

use super::perform;
use crate::{
    db::Db,
    error::AppError,
    ids::{EvaluationId, ModelId},
    models::{deploy, download, evaluation_store, model::Model, release, store},
    objects::ObjectStore,
    policy::{self, Action, visible},
    web::{ApiActor, ApiResult},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(list_json)
        .service(show_json)
        .service(act_json)
        .service(download_receipt)
        .service(download_file);
}

#[post("/api/v1/models/{model}/{act:release|deploy|stop|retire}")]
async fn act_json(
    actor: ApiActor,
    db: web::Data<Db>,
    path: web::Path<(ModelId, String)>,
    body: web::Bytes,
) -> ApiResult {
    let (model, act) = path.into_inner();
    let to = if body.is_empty() {
        release::ReleaseTo::default()
    } else {
        serde_json::from_slice(&body).map_err(|_| AppError::invalid("model-release-unclear"))?
    };
    perform(&db, &actor.0, model, &act, &to).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn as_json(model: &Model, deployment: Option<&(String, Option<String>)>) -> serde_json::Value {
    serde_json::json!({
        "id": model.id,
        "name": model.name,
        "kind": model.kind.name(),
        "base_model": model.kind.base(),
        "job": model.kind.job(),
        "family": model.family,
        "license": model.license,
        "status": model.status.name(),
        "marked_at": model.marked.as_ref().map(|(at, _)| at),
        "marked_reason": model.marked.as_ref().map(|(_, reason)| reason),
        "weights_sha256": model.weights_sha256,
        "created_at": model.created_at,
        "deployment": deployment.map(|(status, message)| serde_json::json!({
            "status": status, "message": message,
        })),
    })
}

#[get("/api/v1/models")]
async fn list_json(actor: ApiActor, db: web::Data<Db>) -> ApiResult {
    let mut conn = db.read().await?;
    let models = store::list(&mut conn, visible(&actor.0, Action::ViewModel)).await?;
    let data: Vec<_> = models.iter().map(|model| as_json(model, None)).collect();
    Ok(HttpResponse::Ok().json(serde_json::json!({ "data": data, "has_more": false })))
}

#[get("/api/v1/models/{model}")]
async fn show_json(actor: ApiActor, db: web::Data<Db>, path: web::Path<ModelId>) -> ApiResult {
    let mut conn = db.read().await?;
    let model = store::find(&mut conn, *path)
        .await?
        .ok_or(AppError::NotFound)?;
    let _permit = policy::check(&actor.0, Action::ViewModel, &model.scope())?;
    let deployment = deploy::state(&mut conn, model.id).await?;
    let receipt = store::receipt(&mut conn, model.id).await?;
    let newest = evaluation_store::newest_evaluation(&mut conn, model.id).await?;
    let mut shown = as_json(&model, deployment.as_ref());
    if let Some(fields) = shown.as_object_mut() {
        let receipt = receipt.map(|_| format!("/api/v1/models/{}/receipt", model.id));
        fields.insert("receipt".to_owned(), serde_json::json!(receipt));
        let evaluation = newest.map(|(id, created_at)| {
            serde_json::json!({
                "id": id, "created_at": created_at, "statement": statement(id), "report": report(id),
            })
        });
        fields.insert("evaluation".to_owned(), serde_json::json!(evaluation));
    }
    Ok(HttpResponse::Ok().json(shown))
}

/// Where the signed statement of an evaluation is.
fn statement(evaluation: EvaluationId) -> String {
    format!("/api/v1/evaluations/{evaluation}/statement")
}

/// Where its report is, as the program left it.
fn report(evaluation: EvaluationId) -> String {
    format!("/api/v1/evaluations/{evaluation}/report")
}

/// What leads from a receipt to what was measured of its model, as a `Link` field (RFC 8288): a receipt is signed before
/// anything can be measured, so it cannot name that itself.
fn leads_on(model: ModelId, newest: Option<EvaluationId>) -> String {
    let all =
        format!("</api/v1/models/{model}/evaluations>; rel=\"related\"; type=\"application/json\"");
    match newest {
        Some(id) => format!(
            "{all}, <{}>; rel=\"describedby\"; type=\"application/vnd.in-toto+json\", \
             <{}>; rel=\"describedby\"; type=\"application/json\"",
            statement(id),
            report(id)
        ),
        None => all,
    }
}

/// One file of a released model, for those of its institution: leads to an address that holds for five minutes.
#[get("/api/v1/models/{model}/files/{file}")]
async fn download_file(
    actor: ApiActor,
    db: web::Data<Db>,
    objects: web::Data<ObjectStore>,
    path: web::Path<(ModelId, String)>,
) -> ApiResult {
    let (model, file) = path.into_inner();
    let url = download::download(&db, &objects, &actor.0, (model, &file))
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::SeeOther()
        .insert_header((header::LOCATION, url))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish())
}

/// The receipt as it was signed, to keep and to check with `faculty verify-receipt`. Its header leads to what was
/// measured.
#[get("/api/v1/models/{model}/receipt")]
async fn download_receipt(
    actor: ApiActor,
    db: web::Data<Db>,
    path: web::Path<ModelId>,
) -> ApiResult {
    let mut conn = db.read().await?;
    let model = store::find(&mut conn, *path)
        .await?
        .ok_or(AppError::NotFound)?;
    let _permit = policy::check(&actor.0, Action::ViewModel, &model.scope())?;
    let envelope = store::receipt(&mut conn, model.id)
        .await?
        .ok_or(AppError::NotFound)?;
    let newest = evaluation_store::newest_evaluation(&mut conn, model.id).await?;
    let newest = newest.map(|(id, _)| id);
    Ok(HttpResponse::Ok()
        .content_type("application/vnd.in-toto+json")
        .insert_header((header::LINK, leads_on(model.id, newest)))
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"receipt-{}.json\"", model.id),
        ))
        .body(envelope))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_receipt_leads_to_all_evaluations_and_to_the_newest_one() {
        let model = ModelId(Uuid::from_u128(5));
        let all = "</api/v1/models/00000000-0000-0000-0000-000000000005/evaluations>; rel=\"related\"; type=\"application/json\"";
        assert_eq!(leads_on(model, None), all);
        let evaluation = "/api/v1/evaluations/00000000-0000-0000-0000-000000000007";
        assert_eq!(
            leads_on(model, Some(EvaluationId(Uuid::from_u128(7)))),
            format!(
                "{all}, <{evaluation}/statement>; rel=\"describedby\"; type=\"application/vnd.in-toto+json\", <{evaluation}/report>; rel=\"describedby\"; type=\"application/json\""
            )
        );
    }
}
