//! The page of lineage, and the graph for programs.

use actix_web::{HttpResponse, get, http::header, web};
use askama::Template;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    draw::{Drawing, draw},
    graph::{Graph, Kind, Node},
    json::as_json,
    prov, read,
};
use crate::{
    db::Db,
    error::AppError,
    web::{ApiActor, ApiResult, Chrome, Lang, Page, PageResult, filters, moment},
};

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(show).service(show_json).service(show_prov);
}

/// Nodes each way that are shown at first, and at most.
const AT_FIRST: usize = 60;
const MOST: usize = 600;
/// Nodes each way in an export.
const MOST_EXPORTED: usize = 20_000;
/// Characters of a name that fit a node.
const FITS: usize = 24;

#[derive(Deserialize)]
struct Query {
    limit: Option<usize>,
}

/// A node in the picture.
struct Spot {
    x: usize,
    y: usize,
    kind: String,
    /// Cut to what fits.
    short: String,
    /// All of it, on hover and read aloud.
    full: String,
    owner: String,
    href: Option<String>,
    look: &'static str,
}

/// A node in the table.
struct Row {
    where_: String,
    kind: String,
    label: String,
    href: Option<String>,
    owner: String,
    status: String,
    when: String,
    from: String,
}

struct Legend {
    look: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "lineage/show.html")]
struct ShowPage {
    chrome: Chrome,
    title: String,
    about: String,
    width: usize,
    height: usize,
    node_width: usize,
    node_height: usize,
    lines: Vec<String>,
    spots: Vec<Spot>,
    legend: Vec<Legend>,
    entries: Vec<Row>,
    is_alone: bool,
    more: Option<String>,
    is_cut: bool,
    prov: String,
    json: String,
    back: Option<String>,
}

fn parse(kind: &str, id: &str) -> Result<(Kind, Uuid), AppError> {
    let kind = kind.parse().map_err(|_| AppError::NotFound)?;
    let id = id.parse().map_err(|_| AppError::NotFound)?;
    Ok((kind, id))
}

#[get("/{lang:nl|en}/lineage/{kind}/{id}")]
async fn show(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, String, String)>,
    query: web::Query<Query>,
) -> PageResult {
    let (kind, id) = parse(&path.1, &path.2)?;
    let limit = query.limit.unwrap_or(AT_FIRST).clamp(1, MOST);
    let graph = read::read(&db, page.actor(), (kind, id), limit).await?;
    let lang = page.lang();
    let drawing = draw(&graph);
    let root = graph
        .nodes
        .iter()
        .find(|node| graph.roots.contains(&node.id));
    let title = root.map(|node| name(lang, node)).unwrap_or_default();
    let up = graph.upstream.len();
    let down = graph
        .nodes
        .len()
        .saturating_sub(graph.upstream.len() + graph.roots.len());
    let about = lang.t_with(
        "lineage-about",
        &[("up", up.to_string()), ("down", down.to_string())],
    );
    let here = format!("/lineage/{}/{id}", kind.name());
    let more = (graph.is_cut && limit < MOST)
        .then(|| page.path(&format!("{here}?limit={}", (limit * 3).min(MOST))));
    page.show(&ShowPage {
        chrome: page.chrome(),
        about,
        width: drawing.width,
        height: drawing.height,
        node_width: drawing.node_width(),
        node_height: drawing.node_height(),
        spots: spots(&page, &graph, &drawing),
        lines: drawing.lines,
        legend: ["here", "open", "other", "marked"]
            .into_iter()
            .map(|look| Legend {
                look,
                text: lang.t(&format!("lineage-legend-{look}")),
            })
            .collect(),
        entries: rows(&page, &db, &graph),
        is_alone: graph.edges.is_empty(),
        more,
        is_cut: graph.is_cut,
        prov: format!("/api/v1{here}/prov"),
        json: format!("/api/v1{here}"),
        back: root.and_then(|node| href(&page, node)),
        title,
    })
}

/// Its name, or in words that there is one.
fn name(lang: Lang, node: &Node) -> String {
    match (&node.label, node.kind) {
        (Some(kind), Kind::CurationRun) => lang.t(&format!("lineage-run-{kind}")),
        (Some(label), _) => label.clone(),
        (None, kind) => lang.t(&format!("lineage-some-{}", kind.name().replace('_', "-"))),
    }
}

fn kind_word(lang: Lang, kind: Kind) -> String {
    lang.t(&format!("lineage-kind-{}", kind.name().replace('_', "-")))
}

/// Its own page, where the one who looks may open it.
fn href(page: &Page, node: &Node) -> Option<String> {
    let id = node.page?;
    let folder = match node.kind {
        Kind::Dataset | Kind::DatasetVersion => "datasets",
        Kind::CurationRun => return None,
        Kind::Job => "jobs",
        Kind::Model | Kind::Deployment => "models",
        Kind::Key => "keys",
    };
    Some(page.path(&format!("/{folder}/{id}")))
}

fn spots(page: &Page, graph: &Graph, drawing: &Drawing) -> Vec<Spot> {
    let lang = page.lang();
    drawing
        .places
        .iter()
        .filter_map(|place| {
            let node = graph.nodes.iter().find(|node| node.id == place.node)?;
            let label = name(lang, node);
            let owner = node.institution.1.clone();
            Some(Spot {
                x: place.x,
                y: place.y,
                kind: kind_word(lang, node.kind),
                short: cut(&label),
                full: format!("{}: {label} · {owner}", kind_word(lang, node.kind)),
                owner: cut(&owner),
                href: href(page, node),
                look: if graph.roots.contains(&node.id) {
                    "here"
                } else if node.is_marked {
                    "marked"
                } else if node.page.is_some() {
                    "open"
                } else {
                    "other"
                },
            })
        })
        .collect()
}

/// Names of models tell their own at the end; of those both ends are kept.
fn cut(text: &str) -> String {
    let count = text.chars().count();
    if count <= FITS {
        return text.to_owned();
    }
    let head: String = text.chars().take(FITS - 10).collect();
    let tail: String = text.chars().skip(count - 9).collect();
    format!("{head}…{tail}")
}

fn rows(page: &Page, db: &Db, graph: &Graph) -> Vec<Row> {
    let (lang, now) = (page.lang(), db.now());
    graph
        .nodes
        .iter()
        .map(|node| {
            let from: Vec<String> = graph
                .edges
                .iter()
                .filter(|edge| edge.to == node.id)
                .filter_map(|edge| graph.nodes.iter().find(|one| one.id == edge.from))
                .map(|one| name(lang, one))
                .collect();
            Row {
                where_: lang.t(if graph.roots.contains(&node.id) {
                    "lineage-here"
                } else if graph.upstream.contains(&node.id) {
                    "lineage-before"
                } else {
                    "lineage-after"
                }),
                kind: kind_word(lang, node.kind),
                label: name(lang, node),
                href: href(page, node),
                owner: node.institution.1.clone(),
                status: match (&node.status, node.is_marked) {
                    (_, true) => lang.t("lineage-marked"),
                    (Some(status), _) => status_word(lang, node.kind, status),
                    (None, _) => String::new(),
                },
                when: moment(lang, now, node.created_at),
                from: from.join(", "),
            }
        })
        .collect()
}

fn status_word(lang: Lang, kind: Kind, status: &str) -> String {
    let prefix = match kind {
        Kind::Dataset | Kind::DatasetVersion => "datasets-status",
        Kind::CurationRun => return String::new(),
        Kind::Job => "jobs-status",
        Kind::Model => "model-status",
        Kind::Deployment => "lineage-serving",
        Kind::Key => "key-status",
    };
    lang.t(&format!("{prefix}-{}", status.replace('_', "-")))
}

#[get("/api/v1/lineage/{kind}/{id}")]
async fn show_json(
    actor: ApiActor,
    db: web::Data<Db>,
    path: web::Path<(String, String)>,
    query: web::Query<Query>,
) -> ApiResult {
    let node = parse(&path.0, &path.1)?;
    let limit = query.limit.unwrap_or(MOST).clamp(1, MOST_EXPORTED);
    let graph = read::read(&db, &actor.0, node, limit).await?;
    Ok(HttpResponse::Ok().json(as_json(&graph)))
}

/// PROV-O, by ending: `prov.jsonld` or `prov.ttl`; refused where not all of it would be in it, since RDF that leaves
/// something out does not say so.
#[get("/api/v1/lineage/{kind}/{id}/prov.{form:jsonld|ttl}")]
async fn show_prov(
    actor: ApiActor,
    db: web::Data<Db>,
    path: web::Path<(String, String, String)>,
) -> ApiResult {
    let (kind, id) = parse(&path.0, &path.1)?;
    let graph = read::read(&db, &actor.0, (kind, id), MOST_EXPORTED).await?;
    if graph.is_cut {
        return Err(AppError::invalid("lineage-too-large").into());
    }
    let (media_type, body) = if path.2 == "ttl" {
        ("text/turtle; charset=utf-8", prov::as_turtle(&graph))
    } else {
        let text = serde_json::to_string_pretty(&prov::as_json_ld(&graph))
            .map_err(|e| AppError::Internal(e.into()))?;
        ("application/ld+json", text)
    };
    Ok(HttpResponse::Ok()
        .content_type(media_type)
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"lineage-{id}.{}\"", path.2),
        ))
        .body(body))
}
