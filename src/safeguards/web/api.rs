//! The steps, for programs.

use actix_web::{HttpResponse, get, post, put, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{
    keep::{self, Wanted},
    safeguard::{OnFailure, Safeguards},
    secret::token,
    store,
};
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    policy::{self, Action, Scope},
    rights_checks::Fetcher,
    web::{ApiActor, ApiResult, ProtectedJson},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(show).service(put_steps).service(rotate);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    filters_prompts: bool,
    #[serde(default)]
    filters_answers: bool,
    /// None: nobody judges.
    #[serde(default)]
    moderation: Option<Moderation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Moderation {
    url: String,
    #[serde(default)]
    judges_prompts: bool,
    #[serde(default)]
    judges_answers: bool,
    #[serde(default = "refuse")]
    on_failure: String,
}

fn refuse() -> String {
    OnFailure::Refuse.name().to_owned()
}

fn json_of(steps: &Safeguards) -> Value {
    json!({
        "filters_prompts": steps.filters_prompts,
        "filters_answers": steps.filters_answers,
        "moderation": steps.hook.as_ref().map(|hook| json!({
            "url": hook.url,
            "judges_prompts": hook.judges_prompts,
            "judges_answers": hook.judges_answers,
            "on_failure": hook.on_failure.name(),
        })),
    })
}

/// The steps of the caller's institution, without the secret.
#[get("/api/v1/safeguards")]
async fn show(db: web::Data<Db>, ApiActor(actor): ApiActor) -> ApiResult {
    let own = Scope::of(actor.institution);
    let _permit = policy::check(&actor, Action::SetSafeguards, &own).map_err(AppError::from)?;
    let mut conn = db.read().await?;
    let (steps, _) = store::of(&mut conn, actor.institution).await?;
    Ok(HttpResponse::Ok().json(json_of(&steps)))
}

/// Sets them all; the answer holds the secret where the service is a new one.
#[put("/api/v1/safeguards")]
async fn put_steps(
    (db, config, fetcher): (web::Data<Db>, web::Data<Config>, web::Data<Fetcher>),
    sent: ProtectedJson<Body>,
) -> ApiResult {
    let body = &sent.body;
    let hook = body.moderation.as_ref();
    let failure = hook.map_or(OnFailure::Refuse.name(), |hook| hook.on_failure.as_str());
    let wanted = Wanted {
        filters_prompts: body.filters_prompts,
        filters_answers: body.filters_answers,
        hook_url: hook.map(|hook| hook.url.clone()).unwrap_or_default(),
        judges_prompts: hook.is_some_and(|hook| hook.judges_prompts),
        judges_answers: hook.is_some_and(|hook| hook.judges_answers),
        on_failure: OnFailure::parse(failure)
            .ok_or_else(|| AppError::invalid("safeguards-failure-wrong"))?,
    };
    if hook.is_some() && wanted.hook_url.trim().is_empty() {
        return Err(AppError::invalid("safeguards-address-wrong").into());
    }
    let kept = keep::set(&db, &fetcher, &sent.actor, &wanted)
        .await
        .map_err(AppError::from)?;
    let mut answer = json_of(&kept.steps);
    if let (true, Some(answer)) = (kept.has_new_secret, answer.as_object_mut()) {
        let secret = token(&config.secret, sent.actor.institution, kept.generation);
        answer.insert("secret".to_owned(), json!(secret));
    }
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(answer))
}

/// Gives the service a new secret.
#[post("/api/v1/safeguards/rotate")]
async fn rotate(
    (db, config): (web::Data<Db>, web::Data<Config>),
    ApiActor(actor): ApiActor,
) -> ApiResult {
    let generation = keep::rotate(&db, &actor).await.map_err(AppError::from)?;
    let secret = token(&config.secret, actor.institution, generation);
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(json!({ "secret": secret })))
}
