//! The routes under `/v1`.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, middleware::from_fn, web};
use openai_api::{ApiError, ModelList};
use tokio::sync::oneshot;

use super::{
    Gateway,
    ask::Asked,
    catalogue,
    failure::Failure,
    guard::{self, Caller, identify, request_id},
    headers::limit_headers,
    measure::{About, Times},
    relay::Relay,
    screen::Screen,
    usage,
};
use crate::{db::Db, quota, telemetry::Parent};

/// Registers the routes, and `more` that stand under the same path.
pub fn routes(config: &mut web::ServiceConfig, more: fn(&mut web::ServiceConfig)) {
    let resource = |path: &str, route: actix_web::Route| {
        web::resource(path)
            .route(route)
            .default_service(web::to(wrong_method))
    };
    config.service(
        web::scope("/v1")
            .wrap(from_fn(identify))
            // First, so that another method of one of our own paths can be theirs.
            .configure(more)
            .service(resource("/models", web::get().to(list)))
            // Names of models have colons, and those of others also slashes.
            .service(resource("/models/{model:.+}", web::get().to(show)))
            .service(resource("/usage", web::get().to(usage::show)))
            .service(resource("/chat/completions", web::post().to(chat)))
            .service(resource("/completions", web::post().to(text)))
            .service(resource("/embeddings", web::post().to(embeddings)))
            .default_service(web::to(nowhere)),
    );
}

async fn list(
    caller: Caller,
    db: web::Data<Db>,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, Failure> {
    caller.look()?;
    let models = catalogue::usable(&db, &gateway, &caller.0.holder).await?;
    respond(&db, &caller, &ModelList::new(models)).await
}

async fn show(
    caller: Caller,
    db: web::Data<Db>,
    gateway: web::Data<Gateway>,
    path: web::Path<String>,
) -> Result<HttpResponse, Failure> {
    caller.look()?;
    let model = catalogue::usable(&db, &gateway, &caller.0.holder)
        .await?
        .into_iter()
        .find(|model| model.id == *path)
        .ok_or_else(|| ApiError::model_not_found(&path))?;
    respond(&db, &caller, &model).await
}

async fn respond(
    db: &Db,
    caller: &Caller,
    body: &impl serde::Serialize,
) -> Result<HttpResponse, Failure> {
    let now = db.now();
    let mut conn = db.read().await?;
    let standings = quota::standing_of(&mut conn, caller.0.holder.key, now).await?;
    let mut response = HttpResponse::Ok();
    for header in limit_headers(&standings, now) {
        response.insert_header(header);
    }
    Ok(response.json(body))
}

async fn chat(
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
    db: web::Data<Db>,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, Failure> {
    let asked = Asked::chat(&guard::body(&request, payload).await?)?;
    relay(caller, &request, asked, &db, gateway).await
}

async fn text(
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
    db: web::Data<Db>,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, Failure> {
    let asked = Asked::text(&guard::body(&request, payload).await?)?;
    relay(caller, &request, asked, &db, gateway).await
}

async fn embeddings(
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
    db: web::Data<Db>,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, Failure> {
    let asked = Asked::embeddings(&guard::body(&request, payload).await?)?;
    relay(caller, &request, asked, &db, gateway).await
}

async fn relay(
    Caller(key): Caller,
    request: &HttpRequest,
    mut asked: Asked,
    db: &Db,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, Failure> {
    if !key.holder.may_infer {
        let message = "This key is not for asking models. Request one for that in the portal.";
        return Err(ApiError::permission_denied("key_not_for_inference", message).into());
    }
    let route = catalogue::route(db, &gateway, &key.holder, &asked.generation().model).await?;
    let times = Times::begin(db.now());
    let parent = request.headers().get("traceparent");
    let parent = parent.and_then(|value| Parent::parse(value.to_str().ok()?));
    let request = request_id(request);
    let screen = match &route.steps {
        None => Screen::default(),
        Some(steps) => {
            let whose = (key.holder.institution, request);
            Screen::of(steps, &gateway.judges, whose, &mut asked)?
        }
    };
    let (tell, begun) = oneshot::channel();
    let running = gateway.running.clone();
    let relay = Relay {
        db: db.clone(),
        gateway: gateway.into_inner(),
        request,
        key,
        about: About {
            request,
            operation: asked.operation(),
            model: Arc::clone(&route.names.0),
            institution: Arc::clone(&route.names.1),
            is_streamed: asked.generation().stream,
            parent,
        },
        times,
        route,
        need: asked.need(),
        asked,
        screen,
        place: std::sync::OnceLock::new(),
    };
    // Dropping `begun`, as happens when the client leaves, ends the task after it has settled.
    running.spawn(relay.run(tell));
    let begun = begun
        .await
        .map_err(|_| ApiError::internal(&request.to_string()))?;
    begun.respond()
}

async fn nowhere(request: HttpRequest) -> Result<HttpResponse, Failure> {
    let path: String = request.path().chars().take(200).collect();
    Err(ApiError::not_found(format!("There is nothing at {path}.")).into())
}

async fn wrong_method() -> Result<HttpResponse, Failure> {
    Err(ApiError::method_not_allowed().into())
}
