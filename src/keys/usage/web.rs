//! The page, the API and the file of what was used.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, get, http::header, web};
use askama::Template;
use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Deserialize;

use super::{
    super::store as keys,
    chart::{Chart, chart},
    pace::{NodeKind, Pace},
    store::{self, Row},
    written::{cost_of, csv_of},
};
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    ids::ApiKeyId,
    policy::{Action, Actor, Visibility, visible},
    quota::{self, Measure, Window, day_of},
    web::{ApiActor, ApiResult, Chrome, Lang, Page, PageResult, day, filters, number},
};

pub(in crate::keys) fn routes(config: &mut web::ServiceConfig) {
    config.service(index).service(download).service(list_json);
}

const DAYS_SHOWN: u64 = 30;
const MOST_DAYS: u64 = 366;

/// Which days, and which key.
#[derive(Debug, Deserialize)]
struct Query {
    since: Option<NaiveDate>,
    until: Option<NaiveDate>,
    key: Option<ApiKeyId>,
}

impl Query {
    /// The days asked for, at most a year; the last thirty where nothing was asked.
    fn days(&self, today: NaiveDate) -> Result<(NaiveDate, NaiveDate), AppError> {
        let until = self.until.unwrap_or(today);
        let back = |days| until.checked_sub_days(Days::new(days)).unwrap_or(until);
        let since = self.since.unwrap_or_else(|| back(DAYS_SHOWN - 1));
        if since > until || since < back(MOST_DAYS) {
            return Err(AppError::invalid("usage-days-wrong"));
        }
        Ok((since, until))
    }
}

fn visibility(actor: &Actor) -> Result<Visibility, AppError> {
    match visible(actor, Action::ViewUsage) {
        Visibility::Nothing => Err(AppError::Forbidden(crate::error::Say::new("denied-role"))),
        seen => Ok(seen),
    }
}

/// A limit that several keys share, or of a month.
struct Budget {
    name: String,
    href: Option<String>,
    used: i64,
    limit: i64,
    text: String,
    /// When it ends, if people go on as they did.
    forecast: String,
}

struct KeyToday {
    href: String,
    name: String,
    institution: String,
    used: i64,
    limit: i64,
    text: String,
    left: String,
}

struct Line {
    name: String,
    requests: String,
    prompt: String,
    completion: String,
    total: String,
    cost: String,
}

#[derive(Template)]
#[template(path = "usage/index.html")]
struct IndexPage {
    chrome: Chrome,
    since: String,
    until: String,
    download: String,
    keys: Vec<KeyToday>,
    budgets: Vec<Budget>,
    chart: Chart,
    by_key: Vec<Line>,
    by_model: Vec<Line>,
    shows_institutions: bool,
    unit: String,
}

#[get("/{lang:nl|en}/usage")]
async fn index(
    page: Page,
    (db, config): (web::Data<Db>, web::Data<Config>),
    query: web::Query<Query>,
) -> PageResult {
    let seen = visibility(page.actor())?;
    let (lang, today) = (page.lang(), day_of(db.now()));
    let (since, until) = query.days(today)?;
    let mut conn = db.read().await?;
    let rows = store::rows(&mut conn, seen, (since, until), query.key).await?;
    let tokens = (Measure::Tokens, Window::Day);
    let counters = quota::used_of_all(&mut conn, seen, tokens, db.now()).await?;
    let mut shown = Vec::new();
    for key in keys::list(&mut conn, seen).await? {
        let counter = counters.get(&key.id).copied();
        if key.status != crate::keys::Status::Active && counter.is_none() {
            continue;
        }
        let counter = counter.unwrap_or_default();
        let (used, limit) = (counter.used + counter.set_aside, key.limits.tokens_per_day);
        let left = number(lang, (limit - used).max(0));
        shown.push(KeyToday {
            href: page.path(&format!("/keys/{}", key.id)),
            used,
            limit,
            text: lang.t_with(
                "key-used-today",
                &[("used", number(lang, used)), ("limit", number(lang, limit))],
            ),
            left: lang.t_with("key-left-today", &[("left", left)]),
            name: key.name,
            institution: key.institution_name,
        });
    }
    let paces = store::paces(&mut conn, seen, db.now(), 0.0).await?;
    let budgets = budgets(&page, db.now(), &paces);
    page.show(&IndexPage {
        chrome: page.chrome(),
        download: page.path(&format!("/usage.csv?since={since}&until={until}")),
        since: since.to_string(),
        until: until.to_string(),
        keys: shown,
        budgets,
        chart: chart(lang, &rows, since, until),
        by_key: lines(lang, &rows, |row| (row.key, row.key_name.clone())),
        by_model: lines(lang, &rows, |row| (uuid::Uuid::nil(), row.model.clone())),
        shows_institutions: seen == Visibility::All,
        unit: config.gateway.price_unit.clone(),
    })
}

/// All limits but those of a key on a day, which are shown by themselves.
fn budgets(page: &Page, now: DateTime<Utc>, paces: &[Pace]) -> Vec<Budget> {
    let lang = page.lang();
    let is_shown = |pace: &&Pace| pace.kind != NodeKind::Key || pace.window != Window::Day;
    paces
        .iter()
        .filter(is_shown)
        .map(|pace| Budget {
            name: format!(
                "{} ({})",
                pace.name,
                lang.t(&format!("usage-of-{}", pace.kind.name()))
            ),
            href: (pace.kind == NodeKind::Key).then(|| page.path(&format!("/keys/{}", pace.node))),
            used: pace.used,
            limit: pace.cap,
            text: lang.t_with(
                &format!("usage-budget-{}", pace.window.name()),
                &[
                    ("used", number(lang, pace.used)),
                    ("limit", number(lang, pace.cap)),
                ],
            ),
            forecast: match pace.ends_at(now) {
                Some(at) if at <= now => lang.t("usage-budget-ended"),
                Some(at) => lang.t_with("usage-budget-ends", &[("when", day(lang, at))]),
                None => lang.t("usage-budget-lasts"),
            },
        })
        .collect()
}

/// Sums over rows with the same name, the largest first.
fn lines(lang: Lang, rows: &[Row], name: impl Fn(&Row) -> (uuid::Uuid, String)) -> Vec<Line> {
    let mut sums: BTreeMap<(uuid::Uuid, String), [i64; 4]> = BTreeMap::new();
    for row in rows {
        let [requests, prompt, completion, cost] = sums.entry(name(row)).or_default();
        *requests += row.requests;
        *prompt += row.prompt_tokens;
        *completion += row.completion_tokens;
        *cost = cost.saturating_add(row.cost_micros);
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, [_, prompt, completion, _])| -(prompt + completion));
    sums.into_iter()
        .map(|((_, name), [requests, prompt, completion, cost])| Line {
            name,
            requests: number(lang, requests),
            prompt: number(lang, prompt),
            completion: number(lang, completion),
            total: number(lang, prompt + completion),
            cost: cost_of(lang, cost),
        })
        .collect()
}

#[get("/{lang:nl|en}/usage.csv")]
async fn download(page: Page, db: web::Data<Db>, query: web::Query<Query>) -> PageResult {
    let seen = visibility(page.actor())?;
    let days = query.days(day_of(db.now()))?;
    let mut conn = db.read().await?;
    let rows = store::rows(&mut conn, seen, days, query.key).await?;
    let body = csv_of(&rows).map_err(AppError::Internal)?;
    let (since, until) = days;
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"usage-{since}-{until}.csv\""),
        ))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body))
}

#[get("/api/v1/usage")]
async fn list_json(
    actor: ApiActor,
    (db, config): (web::Data<Db>, web::Data<Config>),
    query: web::Query<Query>,
) -> ApiResult {
    let seen = visibility(&actor.0)?;
    let today = day_of(db.now());
    let days = query.days(today)?;
    let mut conn = db.read().await?;
    let rows = store::rows(&mut conn, seen, days, query.key).await?;
    let data: Vec<_> = rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "day": row.day,
                "key": row.key,
                "key_name": row.key_name,
                "institution": row.institution,
                "model": row.model,
                "requests": row.requests,
                "prompt_tokens": row.prompt_tokens,
                "completion_tokens": row.completion_tokens,
                "total_tokens": row.tokens(),
                "cost_micros": row.cost_micros,
            })
        })
        .collect();
    let tokens = (Measure::Tokens, Window::Day);
    let counters = quota::used_of_all(&mut conn, seen, tokens, db.now()).await?;
    let requests = (Measure::Requests, Window::Day);
    let requests = quota::used_of_all(&mut conn, seen, requests, db.now()).await?;
    let today: Vec<_> = counters
        .iter()
        .filter(|(key, _)| query.key.is_none_or(|wanted| wanted == **key))
        .map(|(key, day)| {
            serde_json::json!({
                "key": key,
                "day": today,
                "used_tokens": day.used,
                "reserved_tokens": day.set_aside,
                "requests": requests.get(key).map_or(0, |day| day.used),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(serde_json::json!({
        "data": data, "today": today, "cost_unit": config.gateway.price_unit, "has_more": false,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(day: &str, key_name: &str, tokens: i64) -> Row {
        Row {
            day: day.parse().unwrap(),
            key: uuid::Uuid::nil(),
            key_name: key_name.into(),
            institution: "Universiteit Harderwijk".into(),
            model: "m".into(),
            requests: 1,
            prompt_tokens: tokens,
            completion_tokens: 0,
            cost_micros: tokens * 50,
        }
    }

    #[test]
    fn the_highest_bar_fits() {
        let rows = [row("2026-11-22", "a", 730), row("2026-11-23", "a", 20)];
        let days = ("2026-11-21".parse().unwrap(), "2026-11-23".parse().unwrap());
        let chart = chart(Lang::En, &rows, days.0, days.1);
        let heights: Vec<_> = chart.bars.iter().map(|bar| bar.height.as_str()).collect();
        assert_eq!(heights, ["0.00%", "73.00%", "2.00%"]);
        assert_eq!(chart.y_ticks[2].text, "1,000");
    }

    #[test]
    fn days_are_bounded() {
        let today = "2026-11-23".parse().unwrap();
        let query = |since: &str| Query {
            since: since.parse().ok(),
            until: None,
            key: None,
        };
        assert_eq!(query("").days(today).unwrap().0.to_string(), "2026-10-25");
        assert!(query("2020-01-01").days(today).is_err());
        assert!(query("2026-11-24").days(today).is_err());
    }
}
