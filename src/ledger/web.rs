//! Statements: the pages, the API, the file; and the formula, for everybody.

use actix_web::{HttpResponse, get, http::header, web};
use askama::Template;
use serde::Deserialize;

use super::{
    formula::Formula,
    look::{Shown, look, months},
    month::Month,
    statement::{Statement, VersionLine},
    store::{self, Names},
    table::table,
};
use crate::{
    db::Db,
    error::{AppError, Say},
    institutions,
    policy::{self, Action, Actor, Scope, Visibility, visible},
    web::{ApiActor, ApiResult, Chrome, Lang, Page, PageResult, Visit, filters, number},
};

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(index)
        .service(show)
        .service(explain)
        .service(list_json)
        .service(show_json)
        .service(download);
}

struct MonthLink {
    name: String,
    href: String,
    badge: &'static str,
    state: String,
}

struct Institution {
    name: String,
    months: Vec<MonthLink>,
}

#[derive(Template)]
#[template(path = "ledger/index.html")]
struct IndexPage {
    chrome: Chrome,
    institutions: Vec<Institution>,
    formula: String,
}

fn visibility(actor: &Actor) -> Result<Visibility, AppError> {
    match visible(actor, Action::ViewStatements) {
        Visibility::Nothing => Err(AppError::Forbidden(Say::new("denied-role"))),
        seen => Ok(seen),
    }
}

fn month_name(lang: Lang, month: Month) -> String {
    let number = month.first_day().format("%-m").to_string();
    let year = month.first_day().format("%Y").to_string();
    lang.t_with(&format!("statement-month-{number}"), &[("year", year)])
}

/// Every institution that one may see, with its months.
#[get("/{lang:nl|en}/statements")]
async fn index(page: Page, db: web::Data<Db>) -> PageResult {
    let seen = visibility(page.actor())?;
    let mut conn = db.read().await.map_err(AppError::from)?;
    let contributors = store::contributors(&mut conn, seen.filter()).await?;
    drop(conn);
    let lang = page.lang();
    let months = months(&db).await?;
    let institutions = contributors
        .into_iter()
        .map(|one| Institution {
            months: months
                .iter()
                .map(|(month, is_closed)| MonthLink {
                    name: month_name(lang, *month),
                    href: page.path(&format!("/statements/{}/{month}", one.slug)),
                    badge: if *is_closed { "granted" } else { "neutral" },
                    state: state(lang, *is_closed),
                })
                .collect(),
            name: one.name,
        })
        .collect();
    page.show(&IndexPage {
        chrome: page.chrome(),
        institutions,
        formula: page.path("/formula"),
    })
}

fn state(lang: Lang, is_closed: bool) -> String {
    lang.t(if is_closed {
        "statement-closed"
    } else {
        "statement-open"
    })
}

#[derive(Deserialize)]
struct Which {
    institution: String,
    month: String,
}

/// The institution and the month of the address, where the actor may see them.
async fn find(db: &Db, actor: &Actor, which: &Which) -> Result<(String, Shown), AppError> {
    let institution = institutions::find_by_slug(db, &which.institution)
        .await?
        .ok_or(AppError::NotFound)?;
    let _permit = policy::check(actor, Action::ViewStatements, &Scope::of(institution.id))?;
    let month: Month = which.month.parse().map_err(|_| AppError::NotFound)?;
    let shown = look(db, institution.id, month)
        .await?
        .ok_or(AppError::NotFound)?;
    Ok((institution.name, shown))
}

struct Row {
    label: String,
    href: Option<String>,
    by: String,
    read: String,
    served: String,
    withheld: String,
}

struct VersionPart {
    title: String,
    href: String,
    rows: Vec<Row>,
    total: Row,
}

#[derive(Template)]
#[template(path = "ledger/show.html")]
struct ShowPage {
    chrome: Chrome,
    institution: String,
    month: String,
    badge: &'static str,
    state: String,
    about: String,
    figures: Vec<(String, String)>,
    parts: Vec<VersionPart>,
    proof: Vec<(String, String)>,
    json: String,
    csv: String,
    formula: String,
}

#[get("/{lang:nl|en}/statements/{institution}/{month}")]
async fn show(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, String, String)>,
) -> PageResult {
    let (_, institution, month) = path.into_inner();
    let which = Which { institution, month };
    let (name, shown) = find(&db, page.actor(), &which).await?;
    let mut conn = db.read().await.map_err(AppError::from)?;
    let names = store::names(&mut conn, &shown.statement).await?;
    drop(conn);
    let lang = page.lang();
    let statement = &shown.statement;
    let api = format!("/api/v1/statements/{}/{}", which.institution, which.month);
    let mut proof = vec![
        (lang.t("statement-formula"), statement.formula.to_string()),
        (
            lang.t("statement-journal"),
            statement.journal_sha256.clone(),
        ),
    ];
    proof.extend(
        shown
            .body_sha256
            .clone()
            .map(|hash| (lang.t("statement-hash"), hash)),
    );
    page.show(&ShowPage {
        chrome: page.chrome(),
        institution: name,
        month: month_name(lang, statement.month),
        badge: if shown.is_closed {
            "granted"
        } else {
            "neutral"
        },
        state: state(lang, shown.is_closed),
        about: lang.t(if shown.is_closed {
            "statement-closed-about"
        } else {
            "statement-open-about"
        }),
        figures: figures(lang, statement),
        parts: statement
            .versions
            .iter()
            .map(|line| part(&page, line, &names))
            .collect(),
        proof,
        csv: format!("{api}/csv"),
        json: api,
        formula: page.path("/formula"),
    })
}

fn figures(lang: Lang, statement: &Statement) -> Vec<(String, String)> {
    let of = |part: i64, all: i64| {
        lang.t_with(
            "statement-of-all",
            &[("part", number(lang, part)), ("all", number(lang, all))],
        )
    };
    vec![
        (
            lang.t("statement-read"),
            of(statement.tokens_read, statement.all_tokens_read),
        ),
        (
            lang.t("statement-served"),
            of(statement.tokens_served, statement.all_tokens_served),
        ),
        (
            lang.t("statement-withheld"),
            number(lang, statement.tokens_withheld),
        ),
    ]
}

fn part(page: &Page, line: &VersionLine, names: &Names) -> VersionPart {
    let lang = page.lang();
    let (title, version) = names
        .versions
        .get(&line.version.0)
        .cloned()
        .unwrap_or_default();
    let count = |tokens: i64| {
        if tokens == 0 {
            String::new()
        } else {
            number(lang, tokens)
        }
    };
    let read = line.read.iter().map(|one| {
        let (job, by) = names.jobs.get(&one.job.0).cloned().unwrap_or_default();
        Row {
            label: lang.t_with("statement-job", &[("title", job)]),
            href: None,
            by,
            read: count(one.tokens),
            served: String::new(),
            withheld: String::new(),
        }
    });
    let served = line.served.iter().map(|one| Row {
        label: names.models.get(&one.model.0).cloned().unwrap_or_default(),
        href: Some(page.path(&format!("/models/{}", one.model))),
        by: String::new(),
        read: String::new(),
        served: count(one.tokens),
        withheld: count(one.withheld),
    });
    VersionPart {
        title: lang.t_with(
            "statement-version",
            &[("title", title), ("number", version.to_string())],
        ),
        href: page.path(&format!("/datasets/{}", line.dataset)),
        rows: read.chain(served).collect(),
        total: Row {
            label: lang.t("statement-total"),
            href: None,
            by: String::new(),
            read: number(lang, line.tokens_read),
            served: number(lang, line.tokens_served),
            withheld: number(lang, line.tokens_withheld),
        },
    }
}

#[derive(Template)]
#[template(path = "ledger/formula.html")]
struct FormulaPage {
    chrome: Chrome,
    version: i32,
    paragraphs: Vec<String>,
}

/// The published formula: no login needed.
#[get("/{lang:nl|en}/formula")]
async fn explain(visit: Visit) -> PageResult {
    let lang = visit.lang;
    visit.show(&FormulaPage {
        chrome: visit.chrome(),
        version: Formula::NEWEST.number(),
        paragraphs: (1..=6).map(|n| lang.t(&format!("formula-{n}"))).collect(),
    })
}

/// Which statements there are.
#[get("/api/v1/statements")]
async fn list_json(actor: ApiActor, db: web::Data<Db>) -> ApiResult {
    let seen = visibility(&actor.0)?;
    let months = months(&db).await?;
    let mut conn = db.read().await.map_err(AppError::from)?;
    let contributors = store::contributors(&mut conn, seen.filter()).await?;
    let data: Vec<_> = contributors
        .iter()
        .flat_map(|one| {
            months.iter().map(move |(month, is_closed)| {
                serde_json::json!({
                    "institution": one.id, "slug": one.slug, "month": month, "is_closed": is_closed,
                    "url": format!("/api/v1/statements/{}/{month}", one.slug),
                })
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(serde_json::json!({ "data": data, "has_more": false })))
}

/// One statement; with its signed envelope once the month is closed.
#[get("/api/v1/statements/{institution}/{month}")]
async fn show_json(actor: ApiActor, db: web::Data<Db>, which: web::Path<Which>) -> ApiResult {
    let (_, shown) = find(&db, &actor.0, &which).await?;
    let envelope: Option<serde_json::Value> = shown
        .envelope
        .as_deref()
        .map(serde_json::from_str)
        .transpose()
        .map_err(|e| AppError::Internal(e.into()))?;
    Ok(HttpResponse::Ok().json(serde_json::json!({
        "is_closed": shown.is_closed,
        "statement": shown.statement,
        "body_sha256": shown.body_sha256,
        "envelope": envelope,
    })))
}

/// One statement as a table: a line for each job and model.
#[get("/api/v1/statements/{institution}/{month}/csv")]
async fn download(actor: ApiActor, db: web::Data<Db>, which: web::Path<Which>) -> ApiResult {
    let (_, shown) = find(&db, &actor.0, &which).await?;
    let text = table(&shown.statement).map_err(|e| AppError::Internal(e.into()))?;
    let name = format!("{}-{}.csv", which.institution, shown.statement.month);
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ))
        .body(text))
}
