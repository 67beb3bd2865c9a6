//! Loading adapters by hand, with the paths and bodies of vLLM.

use std::path::PathBuf;

use actix_web::{HttpRequest, HttpResponse, web};
use language_model::inference::Adapter;
use openai_api::{ApiError, LoadAdapter, UnloadAdapter};
use serde::de::DeserializeOwned;

use super::{
    Service,
    failure::Failure,
    guard::{RequestId, body},
};
use crate::registry::RegistryError;

pub(super) async fn load(
    request: HttpRequest,
    payload: web::Payload,
    service: web::Data<Service>,
) -> Result<HttpResponse, Failure> {
    allow(&service)?;
    let asked: LoadAdapter = parse(&body(&request, payload).await?)?;
    if asked.lora_name.is_empty() || asked.lora_name.len() > 256 {
        return Err(
            ApiError::invalid_param("lora_name", "'lora_name' must have 1 to 256 bytes.").into(),
        );
    }
    let base = match asked.base_model_name {
        Some(name) => name,
        None => only_base(&service)?,
    };
    let name = asked.lora_name.clone();
    let loading = web::block(move || {
        let shape = service.registry.base(&base)?.model.config().clone();
        let adapter = Adapter::open(&PathBuf::from(asked.lora_path), &shape)?;
        service
            .registry
            .add_adapter(&asked.lora_name, &base, adapter)
    });
    let loaded = loading
        .await
        .map_err(|_| ApiError::internal(&RequestId::of(&request).0))?;
    loaded.map_err(refusal)?;
    Ok(HttpResponse::Ok().body(format!(
        "Success: LoRA adapter '{name}' added successfully."
    )))
}

pub(super) async fn unload(
    request: HttpRequest,
    payload: web::Payload,
    service: web::Data<Service>,
) -> Result<HttpResponse, Failure> {
    allow(&service)?;
    let asked: UnloadAdapter = parse(&body(&request, payload).await?)?;
    let name = asked.lora_name;
    let is_adapter = service
        .registry
        .find(&name)
        .is_some_and(|served| served.adapter.is_some());
    if !is_adapter || !service.registry.remove(&name) {
        return Err(refusal(RegistryError::NoAdapter(name)).into());
    }
    Ok(HttpResponse::Ok().body(format!(
        "Success: LoRA adapter '{name}' removed successfully."
    )))
}

fn allow(service: &Service) -> Result<(), ApiError> {
    match service.may_load_adapters {
        true => Ok(()),
        false => Err(ApiError::not_found(
            "Loading adapters by request is switched off.",
        )),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::invalid_body(format!("The body does not fit: {error}.")))
}

fn only_base(service: &Service) -> Result<String, ApiError> {
    let all = service.registry.all();
    let mut bases = all.iter().filter(|served| served.adapter.is_none());
    match (bases.next(), bases.next()) {
        (Some(base), None) => Ok(base.name.clone()),
        _ => Err(ApiError::invalid_param(
            "base_model_name",
            "'base_model_name' is needed: there is not just one base.",
        )),
    }
}

fn refusal(error: RegistryError) -> ApiError {
    let message = error.to_string();
    match error {
        RegistryError::NameTaken(_) => ApiError::invalid_param("lora_name", message),
        RegistryError::NoBase(_) => ApiError::invalid_param("base_model_name", message),
        RegistryError::Adapter(_)
        | RegistryError::Open(_)
        | RegistryError::NoRoom
        | RegistryError::DoesNotFit(_) => ApiError::invalid_param("lora_path", message),
        RegistryError::NoAdapter(_) => ApiError::not_found(message).with_param("lora_name"),
    }
}
