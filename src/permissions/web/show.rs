//! One permission: what it says, what was decided about it, where it can be taken.

use actix_web::{HttpResponse, get, web};
use askama::Template;
use serde_json::json;

use super::{
    super::{
        store::{self, EventRow, Found},
        words::{self, Sentence},
    },
    exchange::standing,
};
use crate::{
    db::Db,
    error::AppError,
    ids::{DatasetId, PermissionId},
    policy::{self, Action, Actor},
    web::{ApiActor, ApiResult, Chrome, Lang, Page, PageResult, filters, moment, short_hash},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(show).service(show_json).service(list_json);
}

struct Fact {
    name: String,
    value: String,
    href: Option<String>,
}

struct Event {
    badge: &'static str,
    state: String,
    who: String,
    when: String,
    exact: String,
    reason: String,
}

struct Export {
    label: String,
    href: String,
}

#[derive(Template)]
#[template(path = "permissions/show.html")]
struct ShowPage {
    chrome: Chrome,
    dataset: DatasetId,
    title: String,
    layer: String,
    badge: &'static str,
    state: String,
    statement: String,
    sentences: Vec<Sentence>,
    facts: Vec<Fact>,
    events: Vec<Event>,
    exports: Vec<Export>,
    /// Whether it holds no more, so that it goes nowhere.
    is_over: bool,
    canonical: String,
}

/// The permission, where `actor` may see its dataset.
pub(super) async fn load(db: &Db, actor: &Actor, id: PermissionId) -> Result<Found, AppError> {
    let mut conn = db.read().await?;
    let found = store::find(&mut conn, id)
        .await?
        .ok_or(AppError::NotFound)?;
    // A dataset that one may not see is answered like one that is not there, and so are its permissions.
    let _permit = policy::check(actor, Action::ViewDataset, &found.scope())
        .map_err(|_| AppError::NotFound)?;
    Ok(found)
}

fn badge(counts: bool) -> &'static str {
    if counts { "granted" } else { "refused" }
}

#[get("/{lang:nl|en}/permissions/{id}")]
async fn show(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, PermissionId)>,
) -> PageResult {
    let found = load(&db, page.actor(), path.1).await?;
    let mut conn = db.read().await?;
    let events = store::events(&mut conn, path.1).await?;
    drop(conn);
    let (lang, now) = (page.lang(), db.now());
    let permission = &found.permission;
    let is_over = standing(permission, now).is_some();
    let is_close = page.actor().is_close_to(found.institution);
    let events = events.into_iter().rev().map(|one| Event {
        badge: badge(one.state.counts()),
        state: lang.t(&format!("permission-state-{}", one.state)),
        when: moment(lang, now, one.decided_at),
        exact: one.decided_at.to_rfc3339(),
        who: if is_close {
            one.decided_by
        } else {
            String::new()
        },
        reason: if is_close { one.reason } else { String::new() },
    });
    page.show(&ShowPage {
        chrome: page.chrome(),
        dataset: found.dataset,
        title: found.title.clone(),
        layer: words::layer_name(lang, permission.layer),
        badge: badge(permission.state.counts()),
        state: lang.t(&format!("permission-state-{}", permission.state)),
        statement: words::sentence(lang, &permission.terms),
        sentences: words::sentences(lang, &permission.terms),
        facts: facts(&page, lang, &found),
        events: events.collect(),
        exports: exports(lang, permission.id, is_over),
        is_over,
        canonical: found.canonical.clone(),
    })
}

fn facts(page: &Page, lang: Lang, found: &Found) -> Vec<Fact> {
    let versions = if found.permission.version.is_some() {
        "permission-for-one-version"
    } else {
        "permission-for-all-versions"
    };
    let fact = |key: &str, value: String, href| Fact {
        name: lang.t(key),
        value,
        href,
    };
    vec![
        fact(
            "permission-dataset",
            found.title.clone(),
            Some(page.path(&format!("/datasets/{}", found.dataset))),
        ),
        fact(
            "permission-institution",
            found.institution_name.clone(),
            None,
        ),
        fact("permission-versions", lang.t(versions), None),
        fact(
            "permission-hash",
            short_hash(&found.permission.terms_sha256),
            None,
        ),
        fact("permission-id", found.permission.id.to_string(), None),
    ]
}

fn exports(lang: Lang, id: PermissionId, is_over: bool) -> Vec<Export> {
    let mut all = vec![("permission-export-json", "")];
    if !is_over {
        all.push(("permission-export-odrl", "/odrl"));
        all.push(("permission-export-duo", "/duo"));
    }
    all.into_iter()
        .map(|(key, rest)| Export {
            label: lang.t(key),
            href: format!("/api/v1/permissions/{id}{rest}"),
        })
        .collect()
}

/// One permission, with its terms in both languages and its events from first to last.
#[get("/api/v1/permissions/{id}")]
async fn show_json(db: web::Data<Db>, actor: ApiActor, id: web::Path<PermissionId>) -> ApiResult {
    let found = load(&db, &actor.0, *id).await?;
    let mut conn = db.read().await?;
    let events = store::events(&mut conn, *id).await?;
    Ok(HttpResponse::Ok().json(json_of(&actor.0, &found, &events)))
}

fn json_of(actor: &Actor, found: &Found, events: &[EventRow]) -> serde_json::Value {
    let permission = &found.permission;
    let is_close = actor.is_close_to(found.institution);
    json!({
        "id": permission.id,
        "dataset": found.dataset,
        "dataset_version": permission.version,
        "institution": found.institution,
        "layer": permission.layer,
        "state": permission.state,
        "terms": permission.terms,
        "terms_sha256": permission.terms_sha256,
        "words": {
            "nl": words::sentences(Lang::Nl, &permission.terms),
            "en": words::sentences(Lang::En, &permission.terms),
        },
        "events": events.iter().map(|one| json!({
            "state": one.state,
            "reason": is_close.then_some(&one.reason),
            "decided_by": is_close.then_some(&one.decided_by),
            "decided_at": one.decided_at,
        })).collect::<Vec<_>>(),
    })
}

/// Every permission of a dataset, whatever its state, oldest first.
#[get("/api/v1/datasets/{dataset}/permissions")]
async fn list_json(db: web::Data<Db>, actor: ApiActor, dataset: web::Path<DatasetId>) -> ApiResult {
    let mut conn = db.read().await?;
    let row = store::dataset(&mut conn, *dataset)
        .await?
        .ok_or(AppError::NotFound)?;
    let _permit = policy::check(&actor.0, Action::ViewDataset, &row.scope())
        .map_err(|_| AppError::NotFound)?;
    let mut all = Vec::new();
    for found in store::of_dataset(&mut conn, *dataset).await? {
        let events = store::events(&mut conn, found.permission.id).await?;
        all.push(json_of(&actor.0, &found, &events));
    }
    Ok(HttpResponse::Ok().json(json!({ "permissions": all })))
}
