//! The OpenAI API over HTTP, and what a gateway needs beside it.

mod adapters;
mod answer;
mod chat;
mod completions;
mod failure;
mod form;
mod generate;
mod guard;
mod logprobs;
mod models;
mod stream;

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer, dev::Server, middleware::from_fn, web,
};
use openai_api::{ApiError, EmbeddingsRequest};

use self::failure::Failure;
use crate::{Engine, Registry, UsageLog};

/// Largest request body.
pub const MOST_BODY_BYTES: usize = 1 << 20;

/// What requests work with.
#[derive(Debug, Clone)]
pub struct Service {
    pub registry: Arc<Registry>,
    pub engine: Engine,
    pub usage_log: Arc<UsageLog>,
    /// Required as bearer where set.
    pub token: Option<Arc<str>>,
    /// Whether adapters are loaded from local folders on request.
    pub may_load_adapters: bool,
}

/// Answers requests on `listener` until the server is stopped.
///
/// # Errors
/// Where the listener cannot be used.
pub fn serve(service: Service, listener: TcpListener) -> io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(service.clone()))
            .wrap(from_fn(guard::identify))
            .configure(routes)
            .default_service(web::to(nowhere))
    })
    .workers(2)
    // A client that closes its side has left: its answer must not be made any further.
    .h1_allow_half_closed(false)
    .tcp_nodelay(true)
    .max_connections(4096)
    .client_request_timeout(Duration::from_secs(10))
    .shutdown_timeout(10)
    // The program says first that it leaves.
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(server)
}

fn routes(config: &mut web::ServiceConfig) {
    let wrong_method = || web::to(wrong_method);
    config
        .service(
            web::resource("/healthz")
                .route(web::get().to(health))
                .default_service(wrong_method()),
        )
        .service(
            web::resource("/metrics")
                .route(web::get().to(metrics))
                .default_service(wrong_method()),
        )
        .service(
            web::scope("/v1")
                .wrap(from_fn(guard::require_token))
                .service(
                    web::resource("/models")
                        .route(web::get().to(models::list))
                        .default_service(wrong_method()),
                )
                .service(
                    web::resource("/models/{model}")
                        .route(web::get().to(models::show))
                        .default_service(wrong_method()),
                )
                .service(
                    web::resource("/chat/completions")
                        .route(web::post().to(chat::complete))
                        .default_service(wrong_method()),
                )
                .service(
                    web::resource("/completions")
                        .route(web::post().to(completions::complete))
                        .default_service(wrong_method()),
                )
                .service(
                    web::resource("/embeddings")
                        .route(web::post().to(embeddings))
                        .default_service(wrong_method()),
                )
                .service(
                    web::resource("/load_lora_adapter")
                        .route(web::post().to(adapters::load))
                        .default_service(wrong_method()),
                )
                .service(
                    web::resource("/unload_lora_adapter")
                        .route(web::post().to(adapters::unload))
                        .default_service(wrong_method()),
                )
                .service(
                    web::resource("/requests/{request_id}/usage")
                        .route(web::get().to(models::usage))
                        .default_service(wrong_method()),
                )
                .default_service(web::to(nowhere)),
        );
}

async fn health(service: web::Data<Service>) -> HttpResponse {
    match service.engine.is_running() {
        true => HttpResponse::Ok().json(serde_json::json!({"status": "ok"})),
        false => HttpResponse::ServiceUnavailable()
            .json(serde_json::json!({"status": "the engine has stopped"})),
    }
}

async fn metrics(service: web::Data<Service>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(service.engine.metrics())
}

/// None of our models has any; says so of the one that is asked.
async fn embeddings(
    request: HttpRequest,
    payload: web::Payload,
    service: web::Data<Service>,
) -> Result<HttpResponse, Failure> {
    let asked = EmbeddingsRequest::parse(&guard::body(&request, payload).await?)?;
    generate::find_model(&service, &asked.generation)?;
    Err(ApiError::no_embeddings(&asked.generation.model).into())
}

async fn nowhere(request: HttpRequest) -> Result<HttpResponse, Failure> {
    let path: String = request.path().chars().take(200).collect();
    Err(ApiError::not_found(format!("There is nothing at {path}.")).into())
}

async fn wrong_method() -> Result<HttpResponse, Failure> {
    Err(ApiError::method_not_allowed().into())
}
