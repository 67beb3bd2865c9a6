//! The page with an institution's addresses.

use actix_web::{get, post, web};
use askama::Template;
use serde::Deserialize;

use super::super::{
    keep::{self, KeepError},
    secret::secret,
    store,
};
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    ids::WebhookId,
    policy::{self, Action, Scope},
    rights_checks::Fetcher,
    web::{Chrome, Page, PageResult, ProtectedForm, back_with, filters, moment},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(index)
        .service(add)
        .service(rotate)
        .service(remove);
}

struct Row {
    id: WebhookId,
    url: String,
    since: String,
    state: String,
}

#[derive(Template)]
#[template(path = "webhooks/index.html")]
struct IndexPage {
    chrome: Chrome,
    rows: Vec<Row>,
    /// Of the address that was added or renewed just now.
    secret: Option<String>,
    url: String,
    error: String,
}

fn may_manage(page: &Page) -> Result<(), AppError> {
    let own = Scope::of(page.actor().institution);
    let _permit = policy::check(page.actor(), Action::ManageWebhooks, &own)?;
    Ok(())
}

async fn draw(page: &Page, db: &Db) -> Result<IndexPage, AppError> {
    let (lang, now) = (page.lang(), db.now());
    let mut conn = db.read().await?;
    let rows = store::list(&mut conn, page.actor().institution)
        .await?
        .into_iter()
        .map(|one| Row {
            id: one.id,
            since: lang.t_with(
                "webhooks-since",
                &[
                    ("who", one.created_by_name),
                    ("when", moment(lang, now, one.created_at)),
                ],
            ),
            state: match (one.waiting, one.last) {
                (0, None) => lang.t("webhooks-nothing-yet"),
                (0, Some((at, outcome))) => lang.t_with(
                    "webhooks-last",
                    &[("outcome", outcome), ("when", moment(lang, now, at))],
                ),
                (waiting, last) => lang.t_with(
                    "webhooks-waiting",
                    &[
                        ("count", waiting.to_string()),
                        (
                            "outcome",
                            last.map_or_else(|| "–".into(), |(_, outcome)| outcome),
                        ),
                    ],
                ),
            },
            url: one.url,
        })
        .collect();
    Ok(IndexPage {
        chrome: page.chrome(),
        rows,
        secret: None,
        url: String::new(),
        error: String::new(),
    })
}

#[get("/{lang:nl|en}/webhooks")]
async fn index(page: Page, db: web::Data<Db>) -> PageResult {
    may_manage(&page)?;
    page.show(&draw(&page, &db).await?)
}

#[derive(Deserialize)]
struct New {
    #[serde(default)]
    url: String,
}

/// The answer holds the secret: no redirect, no store.
#[post("/{lang:nl|en}/webhooks")]
async fn add(
    page: Page,
    (db, config, fetcher): (web::Data<Db>, web::Data<Config>, web::Data<Fetcher>),
    ProtectedForm(form): ProtectedForm<New>,
) -> PageResult {
    may_manage(&page)?;
    match keep::add(&db, &fetcher, page.actor(), &form.url).await {
        Ok(id) => {
            let mut shown = draw(&page, &db).await?;
            shown.secret = Some(secret(&config.secret, id, 1));
            page.show(&shown)
        }
        Err(error @ (KeepError::Address | KeepError::TooMany)) => {
            let mut shown = draw(&page, &db).await?;
            shown.error = page.lang().say(&AppError::from(error).say());
            shown.url = form.url;
            page.show_invalid(&shown)
        }
        Err(error) => Err(AppError::from(error).into()),
    }
}

#[derive(Deserialize)]
struct Nothing {}

#[post("/{lang:nl|en}/webhooks/{id}/rotate")]
async fn rotate(
    page: Page,
    (db, config): (web::Data<Db>, web::Data<Config>),
    path: web::Path<(String, WebhookId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    let generation = keep::rotate(&db, page.actor(), path.1)
        .await
        .map_err(AppError::from)?;
    let mut shown = draw(&page, &db).await?;
    shown.secret = Some(secret(&config.secret, path.1, generation));
    page.show(&shown)
}

#[post("/{lang:nl|en}/webhooks/{id}/remove")]
async fn remove(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, WebhookId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    keep::remove(&db, page.actor(), path.1)
        .await
        .map_err(AppError::from)?;
    Ok(back_with(
        &page.path("/webhooks"),
        "good",
        "flash-webhook-removed",
    ))
}
