//! Keys for programs.

use actix_web::{HttpResponse, get, post, web};
use serde::Deserialize;

use super::form::Form;
use crate::{
    config::Config,
    db::Db,
    error::{AppError, Say},
    ids::ApiKeyId,
    keys::{
        decide,
        key::Key,
        request, reveal, revoke,
        rotate::{self, Overlap},
        store,
    },
    models,
    policy::{self, Action, Actor, visible},
    web::{ApiActor, ApiResult, FieldErrors, ProtectedJson, Text},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(create)
        .service(list)
        .service(show)
        .service(reject)
        .service(reveal_once)
        .service(rotate_secret)
        .service(approve)
        .service(revoke_key);
}

/// The same fields as the form; models by id or by name.
#[derive(Deserialize)]
struct NewKeyBody {
    name: String,
    purpose: String,
    #[serde(default)]
    is_commercial: bool,
    #[serde(default = "yes")]
    may_infer: bool,
    #[serde(default)]
    may_fine_tune: bool,
    /// Networks in the notation of RFC 4632, or single addresses.
    #[serde(default)]
    allowed_networks: Vec<String>,
    models: Vec<String>,
    /// By id; none: right under the institution.
    project: Option<String>,
    tokens_per_day: i64,
    #[serde(default = "default_requests")]
    requests_per_minute: i64,
    #[serde(default = "default_days")]
    expires_in_days: i64,
}

fn yes() -> bool {
    true
}

fn default_requests() -> i64 {
    30
}

fn default_days() -> i64 {
    90
}

#[post("/api/v1/keys")]
async fn create(db: web::Data<Db>, request: ProtectedJson<NewKeyBody>) -> ApiResult {
    let ProtectedJson { actor, body } = request;
    let usable = models::usable_by(&db, actor.institution).await?;
    let id_of = |wanted: String| {
        usable
            .iter()
            .find(|model| model.name == wanted)
            .map_or(wanted, |model| model.id.to_string())
    };
    let form = Form {
        name: body.name,
        purpose: body.purpose,
        commercial: if body.is_commercial { "yes" } else { "no" }.into(),
        abilities: [(body.may_infer, "infer"), (body.may_fine_tune, "tune")]
            .into_iter()
            .filter(|(may, _)| *may)
            .map(|(_, word)| word.to_owned())
            .collect(),
        networks: body.allowed_networks.join("\n"),
        models: body.models.into_iter().map(id_of).collect(),
        project: body.project.unwrap_or_default(),
        tokens_per_day: body.tokens_per_day.to_string(),
        requests_per_minute: body.requests_per_minute.to_string(),
        days: body.expires_in_days.to_string(),
    };
    let new = form.parse().map_err(wrong_field)?;
    let id = request::request(&db, &actor, new).await?;
    let key = visible_key(&db, &actor, id).await?;
    Ok(HttpResponse::Created().json(as_json(&key)))
}

fn wrong_field(errors: FieldErrors) -> AppError {
    let field = errors.iter().next().map_or("", |(field, _)| field);
    AppError::Invalid(Say::new("key-field-wrong").with("field", field))
}

/// A key without its secret.
fn as_json(key: &Key) -> serde_json::Value {
    let models: Vec<_> = key
        .models
        .iter()
        .map(|model| serde_json::json!({ "id": model.id, "name": model.name }))
        .collect();
    let project = key
        .project
        .as_ref()
        .map(|project| serde_json::json!({ "id": project.id, "name": project.name }));
    serde_json::json!({
        "id": key.id,
        "public_id": key.public_id,
        "name": key.name,
        "purpose": key.purpose,
        "is_commercial": key.is_commercial,
        "may_infer": key.may_infer,
        "may_fine_tune": key.may_fine_tune,
        "allowed_networks": key.allowed_networks,
        "institution": { "id": key.institution, "name": key.institution_name },
        "models": models,
        "project": project,
        "tokens_per_day": key.limits.tokens_per_day,
        "requests_per_minute": key.limits.requests_per_minute,
        "status": key.status.name(),
        "requested_by": key.requested_by,
        "requested_at": key.requested_at,
        "decided_at": key.decided_at,
        "reason": key.reason,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    })
}

async fn visible_key(db: &Db, actor: &Actor, id: ApiKeyId) -> Result<Key, AppError> {
    let mut conn = db.read().await?;
    let key = store::find(&mut conn, id)
        .await?
        .ok_or(AppError::NotFound)?;
    let _permit = policy::check(actor, Action::ViewKey, &key.scope())?;
    Ok(key)
}

#[get("/api/v1/keys")]
async fn list(actor: ApiActor, db: web::Data<Db>) -> ApiResult {
    let mut conn = db.read().await?;
    let keys = store::list(&mut conn, visible(&actor.0, Action::ViewKey)).await?;
    let data: Vec<_> = keys.iter().map(as_json).collect();
    Ok(HttpResponse::Ok().json(serde_json::json!({ "data": data, "has_more": false })))
}

#[get("/api/v1/keys/{key}")]
async fn show(actor: ApiActor, db: web::Data<Db>, path: web::Path<ApiKeyId>) -> ApiResult {
    let key = visible_key(&db, &actor.0, *path).await?;
    Ok(HttpResponse::Ok().json(as_json(&key)))
}

#[derive(Deserialize)]
struct Rejection {
    reason: String,
}

#[post("/api/v1/keys/{key}/reject")]
async fn reject(
    db: web::Data<Db>,
    path: web::Path<ApiKeyId>,
    request: ProtectedJson<Rejection>,
) -> ApiResult {
    let bounds = Text {
        least: 1,
        most: 1000,
    };
    let mut errors = FieldErrors::default();
    let reason = errors.text("reason", &request.body.reason, bounds);
    let reason = errors.into_result(reason).map_err(wrong_field)?;
    let key = visible_key(&db, &request.actor, *path).await?;
    decide::reject(&db, &request.actor, key.id, &reason).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The only answer that ever holds the whole key.
#[post("/api/v1/keys/{key}/reveal")]
async fn reveal_once(
    actor: ApiActor,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<ApiKeyId>,
) -> ApiResult {
    let key = visible_key(&db, &actor.0, *path).await?;
    let (_, secret) = reveal::reveal(&db, &actor.0, key.id, &config.secret).await?;
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(serde_json::json!({ "api_key": secret.reveal() })))
}

/// The other answer that holds a whole key.
#[post("/api/v1/keys/{key}/rotate")]
async fn rotate_secret(
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<ApiKeyId>,
    request: ProtectedJson<Rotation>,
) -> ApiResult {
    let ProtectedJson { actor, body } = request;
    let key = visible_key(&db, &actor, *path).await?;
    let overlap =
        Overlap::parse(&body.overlap).ok_or_else(|| AppError::invalid("key-overlap-wrong"))?;
    let (_, secret) = rotate::rotate(&db, &actor, key.id, overlap, &config.secret).await?;
    Ok(HttpResponse::Ok().json(serde_json::json!({ "api_key": secret.reveal() })))
}

#[derive(Deserialize)]
struct Rotation {
    /// How long the secret of before answers on: `none`, `hour`, `day` or `week`.
    overlap: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Approval {
    /// Accepts the terms of the models for the institution, where that was not done before.
    #[serde(default)]
    accept_terms: bool,
}

/// The body may be left out.
#[post("/api/v1/keys/{key}/approve")]
async fn approve(
    actor: ApiActor,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<ApiKeyId>,
    body: web::Bytes,
) -> ApiResult {
    let approval: Approval = if body.is_empty() {
        Approval::default()
    } else {
        serde_json::from_slice(&body).map_err(|_| AppError::invalid("form-unreadable"))?
    };
    let key = visible_key(&db, &actor.0, *path).await?;
    let most = config.limits.manager_tokens_per_day;
    decide::approve(&db, &actor.0, key.id, most, approval.accept_terms).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[post("/api/v1/keys/{key}/revoke")]
async fn revoke_key(actor: ApiActor, db: web::Data<Db>, path: web::Path<ApiKeyId>) -> ApiResult {
    let key = visible_key(&db, &actor.0, *path).await?;
    revoke::revoke(&db, &actor.0, key.id).await?;
    Ok(HttpResponse::NoContent().finish())
}
