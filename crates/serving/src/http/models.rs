use actix_web::{HttpResponse, web};
use openai_api::{ApiError, Model, ModelList};

use super::{Service, failure::Failure};
use crate::registry::Served;

pub(super) async fn list(service: web::Data<Service>) -> HttpResponse {
    let models = service.registry.all();
    HttpResponse::Ok().json(ModelList::new(models.iter().map(describe).collect()))
}

pub(super) async fn show(
    service: web::Data<Service>,
    name: web::Path<String>,
) -> Result<HttpResponse, Failure> {
    let served = service
        .registry
        .find(&name)
        .ok_or_else(|| ApiError::model_not_found(&name))?;
    Ok(HttpResponse::Ok().json(describe(&served)))
}

/// What a recent request took; the gateway asks after it lost the answer.
pub(super) async fn usage(
    service: web::Data<Service>,
    request_id: web::Path<String>,
) -> Result<HttpResponse, Failure> {
    let usage = service.usage_log.find(&request_id);
    let usage = usage
        .ok_or_else(|| ApiError::not_found("There is no such request within the last hour."))?;
    Ok(HttpResponse::Ok().json(usage))
}

fn describe(served: &Served) -> Model {
    let mut model = Model::new(&served.name, served.created, "virtual-faculty");
    model.parent = served.adapter.as_ref().map(|_| served.base.name.clone());
    model
}
