//! The page about the places where jobs run.

use actix_web::{HttpResponse, get, web};
use askama::Template;
use serde_json::{Value, json};

use super::super::{PlaceState, places};
use crate::{
    db::Db,
    error::AppError,
    policy::{self, Action, Actor, Scope},
    web::{ApiActor, ApiResult, Chrome, Page, PageResult, filters, moment},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(index).service(index_json);
}

struct Row {
    id: String,
    kind: String,
    location: String,
    taken: String,
    badge: &'static str,
    state: String,
    /// What is wrong, in the place's own words.
    trouble: String,
    seen: String,
    seen_exact: String,
}

#[derive(Template)]
#[template(path = "jobs/places.html")]
struct PlacesPage {
    chrome: Chrome,
    listed: Vec<Row>,
}

fn may_view(actor: &Actor) -> Result<(), AppError> {
    let _permit = policy::check(actor, Action::ViewPlaces, &Scope::of(actor.institution))?;
    Ok(())
}

#[get("/{lang:nl|en}/admin/places")]
async fn index(page: Page, db: web::Data<Db>) -> PageResult {
    may_view(page.actor())?;
    let (lang, now) = (page.lang(), db.now());
    let row = |place: PlaceState| {
        let (badge, state) = match &place.trouble {
            None => ("granted", lang.t("places-works")),
            Some((true, _, since)) => (
                "refused",
                lang.t_with("places-locked", &[("since", moment(lang, now, *since))]),
            ),
            Some((false, _, since)) => (
                "waiting-for-you",
                lang.t_with(
                    "places-unreachable",
                    &[("since", moment(lang, now, *since))],
                ),
            ),
        };
        Row {
            kind: lang.t(&format!("places-kind-{}", place.kind)),
            taken: format!("{} / {}", place.live, place.slots),
            badge,
            state,
            trouble: place.trouble.map(|(_, text, _)| text).unwrap_or_default(),
            seen: moment(lang, now, place.seen_at),
            seen_exact: place.seen_at.to_rfc3339(),
            id: place.id,
            location: place.location,
        }
    };
    let rows = places(&db).await?.into_iter().map(row).collect();
    page.show(&PlacesPage {
        chrome: page.chrome(),
        listed: rows,
    })
}

/// The places where jobs run, and how they stand.
#[get("/api/v1/places")]
async fn index_json(actor: ApiActor, db: web::Data<Db>) -> ApiResult {
    may_view(&actor.0)?;
    let listed: Vec<Value> = places(&db)
        .await
        .map_err(AppError::from)?
        .into_iter()
        .map(|place| {
            json!({
                "id": place.id, "name": place.name, "kind": place.kind, "location": place.location,
                "slots": place.slots, "live": place.live, "seen_at": place.seen_at,
                "trouble": place.trouble.map(|(is_locked, text, since)| json!({
                    "is_locked": is_locked, "text": text, "since": since,
                })),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "data": listed })))
}
