//! The facts behind the documents, for programs.

use actix_web::{HttpResponse, get, post, web};
use serde::Deserialize;
use serde_json::json;

use super::{drafts, model::reason, visible_model};
use crate::{
    db::Db,
    disclosures::{
        BaseFacts, Conclusion, ProviderFacts, RawBaseFacts, RawProviderFacts, decide_modification,
        describe_base, describe_provider, store,
    },
    error::{AppError, Say},
    ids::ModelId,
    policy::{self, Action, Scope},
    web::{ApiActor, ApiResult, FieldErrors, Lang, ProtectedJson},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(show_provider)
        .service(state_provider)
        .service(show_base)
        .service(state_base)
        .service(show_modification)
        .service(decide);
}

fn wrong_field(errors: &FieldErrors) -> AppError {
    let what = errors.iter().next();
    let (field, problem) = what.map_or(("", String::new()), |(field, say)| {
        (*field, Lang::En.say(say))
    });
    AppError::Invalid(
        Say::new("datasets-field-wrong")
            .with("field", field)
            .with("problem", problem),
    )
}

/// The newest facts of the provider.
#[get("/api/v1/provider")]
async fn show_provider(_actor: ApiActor, db: web::Data<Db>) -> ApiResult {
    let mut conn = db.read().await?;
    let known = store::provider(&mut conn, db.now()).await?;
    Ok(HttpResponse::Ok().json(json!({
        "id": known.as_ref().map(|known| known.id),
        "facts": known.map(|known| known.facts),
    })))
}

/// States them: the fields of the form.
#[post("/api/v1/provider")]
async fn state_provider(db: web::Data<Db>, request: ProtectedJson<RawProviderFacts>) -> ApiResult {
    let scope = Scope::of(request.actor.institution);
    let _permit = policy::check(&request.actor, Action::DescribeProvider, &scope)?;
    let facts = ProviderFacts::parse(&request.body).map_err(|errors| wrong_field(&errors))?;
    describe_provider(&db, &request.actor, &facts).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The newest facts of a base model.
#[get("/api/v1/models/{model}/base-facts")]
async fn show_base(actor: ApiActor, db: web::Data<Db>, path: web::Path<ModelId>) -> ApiResult {
    let mut conn = db.read().await?;
    visible_model(&mut conn, &actor.0, *path).await?;
    let known = store::base_facts(&mut conn, *path, db.now()).await?;
    Ok(HttpResponse::Ok().json(json!({
        "id": known.as_ref().map(|known| known.id),
        "facts": known.map(|known| known.facts),
    })))
}

/// States them: the fields of the form.
#[post("/api/v1/models/{model}/base-facts")]
async fn state_base(
    db: web::Data<Db>,
    path: web::Path<ModelId>,
    request: ProtectedJson<RawBaseFacts>,
) -> ApiResult {
    let mut conn = db.read().await?;
    let model = visible_model(&mut conn, &request.actor, *path).await?;
    drop(conn);
    let _permit = policy::check(&request.actor, Action::RegisterBaseModel, &model.scope())?;
    let facts = BaseFacts::parse(&request.body).map_err(|errors| wrong_field(&errors))?;
    describe_base(&db, &request.actor, *path, &facts).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// How far a model was modified.
#[get("/api/v1/models/{model}/modification")]
async fn show_modification(
    actor: ApiActor,
    db: web::Data<Db>,
    path: web::Path<ModelId>,
) -> ApiResult {
    let mut conn = db.read().await?;
    visible_model(&mut conn, &actor.0, *path).await?;
    let ledger = store::ledger(&mut conn, *path, db.now())
        .await?
        .ok_or(AppError::NotFound)?;
    let ratio = ledger.ratio();
    Ok(HttpResponse::Ok().json(json!({
        "ratio": ratio,
        "standing": ratio.standing(),
        "decision": ledger.counting_decision().map(|decision| json!({
            "id": decision.id, "conclusion": decision.conclusion, "reason": decision.reason,
        })),
    })))
}

#[derive(Deserialize)]
struct DecisionBody {
    #[serde(default)]
    conclusion: String,
    #[serde(default)]
    reason: String,
}

/// Puts the decision on a heavy modification on record.
#[post("/api/v1/models/{model}/modification")]
async fn decide(
    db: web::Data<Db>,
    path: web::Path<ModelId>,
    request: ProtectedJson<DecisionBody>,
) -> ApiResult {
    drafts(&db, &request.actor, *path).await?;
    let needed = || AppError::invalid("disclosure-conclusion-needed");
    let conclusion: Conclusion = request.body.conclusion.parse().map_err(|_| needed())?;
    let mut errors = FieldErrors::default();
    let why = reason(&mut errors, &request.body.reason);
    if !errors.is_empty() {
        return Err(needed().into());
    }
    decide_modification(&db, &request.actor, *path, conclusion, &why).await?;
    Ok(HttpResponse::NoContent().finish())
}
