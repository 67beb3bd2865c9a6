//! The page of notices, the button that says "read", and the same for who has no account.

use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use serde::Deserialize;

use super::{
    acknowledge::{acknowledge, confirm},
    confirm_token,
    notice::Shown,
    store::{Filter, list},
};
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    ids::NoticeId,
    web::{
        ApiActor, ApiResult, Chrome, Page, PageResult, ProtectedForm, ProtectedJson, Visit,
        back_with, filters, moment,
    },
};

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(index)
        .service(read)
        .service(index_json)
        .service(read_json)
        .service(outside)
        .service(confirmed);
}

/// A notice as the page shows it.
struct Row {
    id: NoticeId,
    title: String,
    text: String,
    href: String,
    when: String,
    state: String,
    badge: &'static str,
    waits: bool,
}

#[derive(Template)]
#[template(path = "notices/index.html")]
struct IndexPage {
    chrome: Chrome,
    notices: Vec<Row>,
}

#[get("/{lang:nl|en}/notices")]
async fn index(page: Page, db: web::Data<Db>) -> PageResult {
    let mut conn = db.read().await?;
    let told = list(&mut conn, Filter::For(page.actor())).await?;
    drop(conn);
    let (lang, now) = (page.lang(), db.now());
    let notices = told
        .into_iter()
        .map(|notice| {
            let (state, badge) = match (notice.acknowledge_by, notice.acknowledged_at) {
                (_, Some(at)) => (
                    lang.t_with(
                        "notice-read-by",
                        &[
                            ("name", notice.acknowledged_by.clone().unwrap_or_default()),
                            ("when", moment(lang, now, at)),
                        ],
                    ),
                    "granted",
                ),
                (Some(due), None) => (
                    lang.t_with("notice-read-before", &[("due", moment(lang, now, due))]),
                    "waiting-for-you",
                ),
                (None, None) => (String::new(), "neutral"),
            };
            Row {
                id: notice.id,
                title: notice.title(lang),
                text: notice.text(lang),
                href: page.path(&notice.link),
                when: moment(lang, now, notice.created_at),
                state,
                badge,
                waits: notice.waits(),
            }
        })
        .collect();
    page.show(&IndexPage {
        chrome: page.chrome(),
        notices,
    })
}

#[derive(Deserialize)]
struct Nothing {}

#[post("/{lang:nl|en}/notices/{notice}/read")]
async fn read(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, NoticeId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    acknowledge(&db, page.actor(), path.1).await?;
    Ok(back_with(
        &page.path("/notices"),
        "good",
        "flash-notice-read",
    ))
}

fn json(notice: &Shown) -> serde_json::Value {
    let words = |lang: crate::web::Lang| serde_json::json!({ "title": notice.title(lang), "text": notice.text(lang) });
    serde_json::json!({
        "id": notice.id, "kind": notice.kind, "nl": words(crate::web::Lang::Nl), "en": words(crate::web::Lang::En),
        "link": notice.link, "created_at": notice.created_at, "acknowledge_by": notice.acknowledge_by,
        "acknowledged_at": notice.acknowledged_at, "escalated_at": notice.escalated_at, "mails": notice.mails,
    })
}

#[get("/api/v1/notices")]
async fn index_json(actor: ApiActor, db: web::Data<Db>) -> ApiResult {
    let mut conn = db.read().await.map_err(AppError::from)?;
    let told = list(&mut conn, Filter::For(&actor.0))
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::Ok().json(serde_json::json!({
        "notices": told.iter().map(json).collect::<Vec<_>>(),
    })))
}

#[post("/api/v1/notices/{notice}/read")]
async fn read_json(
    db: web::Data<Db>,
    path: web::Path<NoticeId>,
    request: ProtectedJson<Nothing>,
) -> ApiResult {
    acknowledge(&db, &request.actor, *path)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Template)]
#[template(path = "notices/confirm.html")]
struct ConfirmPage {
    chrome: Chrome,
    title: String,
    text: String,
    action: String,
    is_done: bool,
}

type ConfirmPath = web::Path<(String, NoticeId, String)>;

/// The notice, where the token is the one that was mailed with it.
async fn addressed(db: &Db, config: &Config, path: &ConfirmPath) -> Result<Shown, AppError> {
    if !confirm_token::is_token(&config.secret, path.1, &path.2) {
        return Err(AppError::NotFound);
    }
    let mut conn = db.read().await?;
    list(&mut conn, Filter::One(path.1))
        .await?
        .pop()
        .ok_or(AppError::NotFound)
}

fn confirm_page(visit: &Visit, notice: &Shown, path: &ConfirmPath, is_done: bool) -> ConfirmPage {
    ConfirmPage {
        chrome: visit.chrome(),
        title: notice.title(visit.lang),
        text: notice.text(visit.lang),
        action: format!("/{}/notices/{}/confirm/{}", visit.lang, path.1, path.2),
        is_done: is_done || notice.acknowledged_at.is_some(),
    }
}

/// What was told to an address outside; looking at it says nothing yet, as mail programs look by themselves.
#[get("/{lang:nl|en}/notices/{notice}/confirm/{token}")]
async fn outside(
    visit: Visit,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: ConfirmPath,
) -> PageResult {
    let notice = addressed(&db, &config, &path).await?;
    visit.show(&confirm_page(&visit, &notice, &path, false))
}

/// The token of the mail stands for a session here: who has it may say that it was read, and nothing else.
#[post("/{lang:nl|en}/notices/{notice}/confirm/{token}")]
async fn confirmed(
    visit: Visit,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: ConfirmPath,
) -> PageResult {
    addressed(&db, &config, &path).await?;
    let notice = confirm(&db, path.1).await.map_err(AppError::from)?;
    visit.show(&confirm_page(&visit, &notice, &path, true))
}
