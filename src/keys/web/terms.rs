//! The terms of the models: to read for everybody, to accept for managers.

use actix_web::{HttpResponse, get, post, web};
use askama::Template;

use super::show::Nothing;
use crate::{
    db::Db,
    keys::{accept_terms, has_accepted_terms, terms::VERSION},
    policy::{self, Action, Scope},
    web::{ApiActor, ApiResult, Chrome, Page, PageResult, ProtectedForm, back_with, filters},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(show)
        .service(accept)
        .service(show_json)
        .service(accept_json);
}

#[derive(Template)]
#[template(path = "keys/terms.html")]
struct TermsPage {
    chrome: Chrome,
    version: &'static str,
    is_accepted: bool,
    can_accept: bool,
}

#[get("/{lang:nl|en}/keys/terms")]
async fn show(page: Page, db: web::Data<Db>) -> PageResult {
    let own = page.actor().institution;
    let mut conn = db.read().await?;
    let is_accepted = has_accepted_terms(&mut conn, own).await?;
    let may = policy::check(page.actor(), Action::AcceptModelTerms, &Scope::of(own)).is_ok();
    page.show(&TermsPage {
        chrome: page.chrome(),
        version: VERSION,
        is_accepted,
        can_accept: may && !is_accepted,
    })
}

#[post("/{lang:nl|en}/keys/terms")]
async fn accept(page: Page, db: web::Data<Db>, _form: ProtectedForm<Nothing>) -> PageResult {
    accept_terms(&db, page.actor()).await?;
    Ok(back_with(
        &page.path("/keys/terms"),
        "good",
        "flash-terms-accepted",
    ))
}

#[get("/api/v1/model-terms")]
async fn show_json(actor: ApiActor, db: web::Data<Db>) -> ApiResult {
    let mut conn = db.read().await?;
    let is_accepted = has_accepted_terms(&mut conn, actor.0.institution).await?;
    Ok(HttpResponse::Ok()
        .json(serde_json::json!({ "version": VERSION, "is_accepted": is_accepted })))
}

#[post("/api/v1/model-terms/accept")]
async fn accept_json(actor: ApiActor, db: web::Data<Db>) -> ApiResult {
    accept_terms(&db, &actor.0).await?;
    Ok(HttpResponse::NoContent().finish())
}
