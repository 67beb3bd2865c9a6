//! Limits and projects for programs.

use actix_web::{HttpResponse, get, post, put, web};
use quota::{Measure, Window};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::super::{set, store};
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    ids::{ApiKeyId, InstitutionId},
    policy::{self, Action, Scope},
    web::{ApiActor, ApiResult, ProtectedJson},
};

/// Registers the routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(show)
        .service(put_limit)
        .service(post_project)
        .service(put_key);
}

/// What an institution, a project or a key is allowed, and what is left of that and of all above it.
#[get("/api/v1/quotas/{node}")]
async fn show(actor: ApiActor, db: web::Data<Db>, path: web::Path<Uuid>) -> ApiResult {
    let mut conn = db.read().await?;
    let node = store::node(&mut conn, *path)
        .await?
        .ok_or(AppError::NotFound)?;
    let _permit = policy::check(&actor.0, Action::ViewUsage, &Scope::of(node.institution))?;
    let standings = store::standing(&mut conn, *path, db.now()).await?;
    let limits = standings.iter().map(|one| {
        json!({
            "node": Uuid::from_u128(one.counter.node.0),
            "measure": one.counter.measure.name(),
            "period": one.counter.window.name(),
            "cap": one.cap,
            "left": one.left.max(0),
        })
    });
    let limits: Vec<_> = limits.collect();
    Ok(HttpResponse::Ok().json(json!({
        "id": *path, "kind": node.kind, "institution": node.institution, "limits": limits,
    })))
}

#[derive(Deserialize)]
struct LimitBody {
    measure: String,
    period: String,
    /// None: no limit.
    cap: Option<i64>,
}

#[put("/api/v1/quotas/{node}")]
async fn put_limit(
    (db, config): (web::Data<Db>, web::Data<Config>),
    path: web::Path<Uuid>,
    request: ProtectedJson<LimitBody>,
) -> ApiResult {
    let body = &request.body;
    let measure = Measure::parse(&body.measure);
    let window = Window::parse(&body.period);
    let of = measure
        .zip(window)
        .filter(|(measure, window)| measure.windows().contains(window))
        .ok_or_else(|| AppError::invalid("quota-limit-wrong"))?;
    let change = set::Change {
        node: *path,
        of,
        cap: body.cap,
        most_by_manager: config.limits.manager_tokens_per_day,
    };
    set::set(&db, &request.actor, &change)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize)]
struct ProjectBody {
    institution: InstitutionId,
    name: String,
}

#[post("/api/v1/projects")]
async fn post_project(db: web::Data<Db>, request: ProtectedJson<ProjectBody>) -> ApiResult {
    let institution = request.body.institution;
    let project = set::make_project(&db, &request.actor, institution, &request.body.name)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::Created().json(json!({ "id": project })))
}

#[derive(Deserialize)]
struct KeyBody {
    /// None: the institution itself.
    project: Option<Uuid>,
}

#[put("/api/v1/keys/{key}/project")]
async fn put_key(
    db: web::Data<Db>,
    path: web::Path<ApiKeyId>,
    request: ProtectedJson<KeyBody>,
) -> ApiResult {
    set::move_key(&db, &request.actor, *path, request.body.project)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::NoContent().finish())
}
