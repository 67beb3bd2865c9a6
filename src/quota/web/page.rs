//! The page of an institution's limits, projects and keys.

use std::collections::HashMap;

use actix_web::{get, post, web};
use askama::Template;
use quota::{Measure, Window};
use serde::Deserialize;
use uuid::Uuid;

use super::super::{
    set::{self, Change},
    standing::Standing,
    store::{self, Place},
};
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    ids::{ApiKeyId, InstitutionId},
    policy::{self, Action, Scope},
    web::{Chrome, Lang, Page, PageResult, ProtectedForm, back_with, filters, number},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(index)
        .service(set_limit)
        .service(make_project)
        .service(move_key);
}

/// The limits that people set; programs can set the others too.
const KINDS: [(Measure, Window); 5] = [
    (Measure::Tokens, Window::Day),
    (Measure::Tokens, Window::Month),
    (Measure::Tokens, Window::Minute),
    (Measure::Requests, Window::Minute),
    (Measure::Slots, Window::Always),
];

struct Line {
    name: String,
    used: i64,
    cap: i64,
    text: String,
}

struct Choice {
    value: String,
    label: String,
    is_chosen: bool,
}

struct Node {
    id: Uuid,
    name: String,
    kind: String,
    lines: Vec<Line>,
    /// What can be set; empty where the reader may set nothing.
    kinds: Vec<Choice>,
    /// Where a key can be moved; empty where it is none, or may not be.
    projects: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "quota/index.html")]
struct IndexPage {
    chrome: Chrome,
    institution: InstitutionId,
    nodes: Vec<Node>,
    can_share: bool,
}

fn kind_key((measure, window): (Measure, Window)) -> String {
    format!("limits-{}-{}", measure.name(), window.name())
}

fn line(lang: Lang, standing: &Standing) -> Line {
    let of = (standing.counter.measure, standing.counter.window);
    let used = standing.cap.saturating_sub(standing.left).max(0);
    let shown = [
        ("used", number(lang, used)),
        ("limit", number(lang, standing.cap)),
    ];
    Line {
        name: lang.t(&kind_key(of)),
        used,
        cap: standing.cap,
        text: lang.t_with("limits-used", &shown),
    }
}

fn projects(lang: Lang, places: &[Place], of: &Place) -> Vec<Choice> {
    let none = Choice {
        value: String::new(),
        label: lang.t("limits-no-project"),
        is_chosen: false,
    };
    let all = places.iter().filter(|place| place.kind == "project");
    let all = all.map(|place| Choice {
        value: place.id.to_string(),
        label: place.name.clone(),
        is_chosen: of.parent == Some(place.id),
    });
    std::iter::once(none).chain(all).collect()
}

#[derive(Deserialize)]
struct Query {
    institution: Option<InstitutionId>,
}

#[get("/{lang:nl|en}/limits")]
async fn index(page: Page, db: web::Data<Db>, query: web::Query<Query>) -> PageResult {
    let institution = query.institution.unwrap_or(page.actor().institution);
    let scope = Scope::of(institution);
    let _permit = policy::check(page.actor(), Action::ViewUsage, &scope)?;
    let lang = page.lang();
    let mut conn = db.read().await?;
    let places = store::places(&mut conn, institution).await?;
    let ids: Vec<Uuid> = places.iter().map(|place| place.id).collect();
    let mut lines: HashMap<Uuid, Vec<Line>> = HashMap::new();
    for standing in store::standings_of(&mut conn, &ids, db.now()).await? {
        let node = Uuid::from_u128(standing.counter.node.0);
        lines.entry(node).or_default().push(line(lang, &standing));
    }
    let can_share = policy::check(page.actor(), Action::ShareBudget, &scope).is_ok();
    let can_set_all = policy::check(page.actor(), Action::SetBudget, &scope).is_ok();
    let kinds = || {
        KINDS.map(|(measure, window)| Choice {
            value: format!("{}-{}", measure.name(), window.name()),
            label: lang.t(&kind_key((measure, window))),
            is_chosen: false,
        })
    };
    let nodes = places.iter().map(|place| {
        let may_set = can_set_all || can_share && place.kind != "institution";
        Node {
            id: place.id,
            name: place.name.clone(),
            kind: lang.t(&format!("usage-of-{}", place.kind)),
            lines: lines.remove(&place.id).unwrap_or_default(),
            kinds: if may_set { kinds().into() } else { Vec::new() },
            projects: if can_share && place.kind == "key" {
                projects(lang, &places, place)
            } else {
                Vec::new()
            },
        }
    });
    page.show(&IndexPage {
        chrome: page.chrome(),
        institution,
        nodes: nodes.collect(),
        can_share,
    })
}

/// Back to the page of the institution that a node belongs to.
async fn back(page: &Page, db: &Db, node: Uuid) -> Result<String, AppError> {
    let mut conn = db.read().await?;
    let node = store::node(&mut conn, node)
        .await?
        .ok_or(AppError::NotFound)?;
    Ok(page.path(&format!("/limits?institution={}", node.institution)))
}

#[derive(Deserialize)]
struct LimitForm {
    kind: String,
    /// Empty: no limit.
    #[serde(default)]
    cap: String,
}

#[post("/{lang:nl|en}/limits/{node}")]
async fn set_limit(
    page: Page,
    (db, config): (web::Data<Db>, web::Data<Config>),
    path: web::Path<(String, Uuid)>,
    ProtectedForm(form): ProtectedForm<LimitForm>,
) -> PageResult {
    let wrong = || AppError::invalid("quota-limit-wrong");
    let of = KINDS
        .into_iter()
        .find(|(measure, window)| form.kind == format!("{}-{}", measure.name(), window.name()))
        .ok_or_else(wrong)?;
    let cap = match form.cap.trim() {
        "" => None,
        cap => Some(cap.parse().map_err(|_| wrong())?),
    };
    let change = Change {
        node: path.1,
        of,
        cap,
        most_by_manager: config.limits.manager_tokens_per_day,
    };
    set::set(&db, page.actor(), &change)
        .await
        .map_err(AppError::from)?;
    let to = back(&page, &db, path.1).await?;
    Ok(back_with(&to, "good", "flash-limit-set"))
}

#[derive(Deserialize)]
struct ProjectForm {
    institution: InstitutionId,
    #[serde(default)]
    name: String,
}

#[post("/{lang:nl|en}/limits/projects/new")]
async fn make_project(
    page: Page,
    db: web::Data<Db>,
    ProtectedForm(form): ProtectedForm<ProjectForm>,
) -> PageResult {
    let project = set::make_project(&db, page.actor(), form.institution, &form.name)
        .await
        .map_err(AppError::from)?;
    let to = back(&page, &db, project).await?;
    Ok(back_with(&to, "good", "flash-project-made"))
}

#[derive(Deserialize)]
struct MoveForm {
    /// Empty: the institution itself.
    #[serde(default)]
    project: String,
}

#[post("/{lang:nl|en}/limits/{key}/project")]
async fn move_key(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, ApiKeyId)>,
    ProtectedForm(form): ProtectedForm<MoveForm>,
) -> PageResult {
    let project = match form.project.as_str() {
        "" => None,
        id => Some(id.parse().map_err(|_| AppError::NotFound)?),
    };
    set::move_key(&db, page.actor(), path.1, project)
        .await
        .map_err(AppError::from)?;
    let to = back(&page, &db, path.1.0).await?;
    Ok(back_with(&to, "good", "flash-key-moved"))
}
