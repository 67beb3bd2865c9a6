//! Where anybody ends a key that they found, with a form or from a program. The key comes in a body, never in an address.

use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use serde::Deserialize;

use crate::{
    config::Config,
    db::Db,
    error::AppError,
    keys::{Leaked, report_leaked},
    web::{ApiResult, Chrome, PageResult, PublicForm, Visit, filters},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(ask).service(report).service(report_json);
}

#[derive(Template)]
#[template(path = "keys/leaked.html")]
struct LeakedPage {
    chrome: Chrome,
    /// What became of the key that was just sent.
    outcome: Option<Outcome>,
}

struct Outcome {
    look: &'static str,
    text: String,
}

#[get("/{lang:nl|en}/keys/leaked")]
async fn ask(visit: Visit) -> PageResult {
    visit.show(&LeakedPage {
        chrome: visit.chrome(),
        outcome: None,
    })
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    api_key: String,
}

#[post("/{lang:nl|en}/keys/leaked")]
async fn report(
    visit: Visit,
    db: web::Data<Db>,
    config: web::Data<Config>,
    PublicForm(found): PublicForm<Found>,
) -> PageResult {
    let leaked = report_leaked(&db, &config.secret, &found.api_key)
        .await
        .map_err(AppError::from)?;
    let look = match leaked {
        Leaked::Revoked | Leaked::EndedBefore => "good",
        Leaked::Unknown => "bad",
    };
    let text = visit.lang.t(&format!("key-leaked-{}", leaked.name()));
    visit.show(&LeakedPage {
        chrome: visit.chrome(),
        outcome: Some(Outcome { look, text }),
    })
}

/// For programs that look for lost secrets.
#[post("/api/v1/keys/leaked")]
async fn report_json(
    db: web::Data<Db>,
    config: web::Data<Config>,
    body: web::Json<Found>,
) -> ApiResult {
    let leaked = report_leaked(&db, &config.secret, &body.api_key)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::Ok().json(serde_json::json!({ "status": leaked.name() })))
}
