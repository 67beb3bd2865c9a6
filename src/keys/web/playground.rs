//! Where a key and a model are tried in the browser, beside the same call for a program. The key stays in the page: the call goes from
//! the browser to the gateway, as any program's does.

use actix_web::{get, web};
use askama::Template;
use serde::Deserialize;

use super::call::{Call, call};
use crate::{
    config::Config,
    db::Db,
    models,
    policy::{self, Action, Scope},
    web::{Chrome, Page, PageResult, filters},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(show);
}

#[derive(Template)]
#[template(path = "keys/playground.html")]
struct PlaygroundPage {
    chrome: Chrome,
    origin: String,
    models: Vec<Choice>,
    call: Call,
    can_request: bool,
}

struct Choice {
    value: String,
    label: String,
    is_chosen: bool,
}

#[derive(Deserialize)]
struct Wish {
    /// A model's name.
    model: Option<String>,
}

#[get("/{lang:nl|en}/keys/playground")]
async fn show(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    wish: web::Query<Wish>,
) -> PageResult {
    let own = page.actor().institution;
    let usable = models::usable_by(&db, own).await?;
    let wished = wish.into_inner().model;
    let chosen = usable
        .iter()
        .find(|model| Some(&model.name) == wished.as_ref())
        .or(usable.first())
        .map_or_else(String::new, |model| model.name.clone());
    let origin = config.origin();
    page.show(&PlaygroundPage {
        chrome: page.chrome(),
        call: call(&origin, &chosen),
        origin,
        models: usable
            .into_iter()
            .map(|model| Choice {
                is_chosen: model.name == chosen,
                value: model.name.clone(),
                label: model.name,
            })
            .collect(),
        can_request: policy::check(page.actor(), Action::RequestKey, &Scope::of(own)).is_ok(),
    })
}
