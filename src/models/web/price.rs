//! What models cost: everybody sees it, who runs them sets it.

use std::collections::HashMap;

use actix_web::{HttpResponse, get, post, put, web};
use askama::Template;
use serde::Deserialize;
use serde_json::json;

use crate::{
    config::Config,
    db::Db,
    error::AppError,
    ids::ModelId,
    models::{
        model::Status,
        price::{self, set_price},
        price_store, store,
    },
    policy::{self, Action, visible},
    quota::Price,
    web::{
        ApiActor, ApiResult, Chrome, Page, PageResult, ProtectedForm, ProtectedJson, back_with,
        filters, number,
    },
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(index)
        .service(save)
        .service(show_json)
        .service(put_json);
}

struct Row {
    id: ModelId,
    name: String,
    prompt: String,
    completion: String,
    /// As written in a form.
    price: Price,
    can_set: bool,
}

#[derive(Template)]
#[template(path = "models/prices.html")]
struct PricesPage {
    chrome: Chrome,
    unit: String,
    most: i64,
    models: Vec<Row>,
}

#[get("/{lang:nl|en}/models/prices")]
async fn index(page: Page, db: web::Data<Db>, config: web::Data<Config>) -> PageResult {
    let prices: HashMap<_, _> = price_store::prices(&db).await?.into_iter().collect();
    let mut conn = db.read().await?;
    let models = store::list(&mut conn, visible(page.actor(), Action::ViewModel)).await?;
    let lang = page.lang();
    let shown = models
        .into_iter()
        .filter(|model| model.status == Status::Released || prices.contains_key(&model.id));
    let rows = shown.map(|model| {
        let price = prices.get(&model.id).copied().unwrap_or_default();
        Row {
            id: model.id,
            can_set: policy::check(page.actor(), Action::SetPrice, &model.scope()).is_ok(),
            name: model.name,
            prompt: number(lang, price.prompt_per_million),
            completion: number(lang, price.completion_per_million),
            price,
        }
    });
    page.show(&PricesPage {
        chrome: page.chrome(),
        unit: config.gateway.price_unit.clone(),
        most: price::MOST,
        models: rows.collect(),
    })
}

#[derive(Deserialize)]
struct Form {
    prompt: String,
    completion: String,
}

#[post("/{lang:nl|en}/models/{model}/price")]
async fn save(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, ModelId)>,
    ProtectedForm(form): ProtectedForm<Form>,
) -> PageResult {
    let whole = |text: &str| text.trim().parse().unwrap_or(-1);
    let price = Price {
        prompt_per_million: whole(&form.prompt),
        completion_per_million: whole(&form.completion),
    };
    set_price(&db, page.actor(), path.1, price)
        .await
        .map_err(AppError::from)?;
    Ok(back_with(
        &page.path("/models/prices"),
        "good",
        "flash-price-set",
    ))
}

#[get("/api/v1/models/{model}/price")]
async fn show_json(
    actor: ApiActor,
    (db, config): (web::Data<Db>, web::Data<Config>),
    path: web::Path<ModelId>,
) -> ApiResult {
    let mut conn = db.read().await?;
    let model = store::find(&mut conn, *path)
        .await?
        .ok_or(AppError::NotFound)?;
    let _permit = policy::check(&actor.0, Action::ViewModel, &model.scope())?;
    let prices = price_store::prices(&db).await?;
    let found = prices.into_iter().find(|(of, _)| *of == *path);
    let price = found.map(|(_, price)| price).unwrap_or_default();
    Ok(HttpResponse::Ok().json(json!({
        "prompt_per_million": price.prompt_per_million,
        "completion_per_million": price.completion_per_million,
        "unit": config.gateway.price_unit,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    prompt_per_million: i64,
    completion_per_million: i64,
}

#[put("/api/v1/models/{model}/price")]
async fn put_json(
    db: web::Data<Db>,
    path: web::Path<ModelId>,
    sent: ProtectedJson<Body>,
) -> ApiResult {
    let price = Price {
        prompt_per_million: sent.body.prompt_per_million,
        completion_per_million: sent.body.completion_per_million,
    };
    set_price(&db, &sent.actor, *path, price)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::NoContent().finish())
}
