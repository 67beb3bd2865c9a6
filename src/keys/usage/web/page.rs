//! The page of what was used.

use actix_web::{get, web};
use askama::Template;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    super::{
        chart::{Chart, chart},
        pace::{NodeKind, Pace},
        store::{self, Sum},
        which::Grouping,
        written::cost_of,
    },
    Query,
};
use crate::{
    config::Config,
    db::{Db, StoreError},
    keys::{Status, store as keys},
    policy::Visibility,
    quota::{self, Measure, Window, day_of},
    web::{Chrome, Page, PageResult, day, filters, number},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(index);
}

/// Lines of one table; the file has all.
const MOST_LINES: i64 = 100;

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
    /// The page of its use alone.
    href: Option<String>,
    requests: String,
    prompt: String,
    completion: String,
    total: String,
    cost: String,
}

/// What was used by each of one kind, those with the most first.
struct Table {
    title: String,
    first: String,
    lines: Vec<Line>,
    /// Said where there are others.
    more: String,
}

#[derive(Template)]
#[template(path = "usage/index.html")]
struct IndexPage {
    chrome: Chrome,
    since: String,
    until: String,
    /// The part that is shown, where it is a part: names and ids of the fields.
    part: Vec<(&'static str, String)>,
    download: String,
    keys: Vec<KeyToday>,
    budgets: Vec<Budget>,
    chart: Chart,
    tables: Vec<Table>,
    shows_institutions: bool,
    unit: String,
}

#[get("/{lang:nl|en}/usage")]
async fn index(
    page: Page,
    (db, config): (web::Data<Db>, web::Data<Config>),
    query: web::Query<Query>,
) -> PageResult {
    let now = db.now();
    let which = query.which(page.actor(), day_of(now))?;
    let (since, until) = which.days;
    let mut conn = db.read().await?;
    let days = store::days(&mut conn, &which).await?;
    let shown = keys_today(&page, &mut conn, which.visibility, now).await?;
    let paces = store::paces(&mut conn, which.visibility, now, 0.0).await?;
    let part = part(&query);
    let days_text = format!("since={since}&until={until}");
    let shows_institutions = which.visibility == Visibility::All;
    let mut tables = Vec::new();
    for by in Grouping::ALL {
        // Of one institution there is nothing to compare.
        if by == Grouping::Institution && !shows_institutions {
            continue;
        }
        let sums = store::sums(&mut conn, &which, by, MOST_LINES).await?;
        let is_told = by != Grouping::Project || sums.iter().any(|sum| sum.id.is_some());
        if is_told && !sums.is_empty() {
            tables.push(table(&page, by, sums, &days_text));
        }
    }
    let filters: String = part
        .iter()
        .map(|(field, id)| format!("&{field}={id}"))
        .collect();
    page.show(&IndexPage {
        chrome: page.chrome(),
        download: page.path(&format!("/usage.csv?{days_text}{filters}")),
        since: since.to_string(),
        until: until.to_string(),
        part,
        keys: shown,
        budgets: budgets(&page, now, &paces),
        chart: chart(page.lang(), &days, which.days),
        tables,
        shows_institutions,
        unit: config.gateway.price_unit.clone(),
    })
}

/// The fields by which a part of the use is shown. That they are ids was seen when they were read.
fn part(query: &Query) -> Vec<(&'static str, String)> {
    let fields = [
        ("institution", &query.institution),
        ("project", &query.project),
        ("key", &query.key),
    ];
    fields
        .into_iter()
        .filter_map(|(field, id)| {
            let id = id.as_deref().filter(|id| !id.is_empty())?;
            Some((field, id.to_owned()))
        })
        .collect()
}

/// How far keys are today: those in use, and those that were used today.
async fn keys_today(
    page: &Page,
    conn: &mut PgConnection,
    seen: Visibility,
    now: DateTime<Utc>,
) -> Result<Vec<KeyToday>, StoreError> {
    let lang = page.lang();
    let tokens = (Measure::Tokens, Window::Day);
    let counters = quota::used_of_all(conn, seen, tokens, now).await?;
    let mut shown = Vec::new();
    for key in keys::list(conn, seen).await? {
        let counter = counters.get(&key.id).copied();
        if key.status != Status::Active && counter.is_none() {
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
    Ok(shown)
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

fn table(page: &Page, by: Grouping, sums: Vec<Sum>, days: &str) -> Table {
    let lang = page.lang();
    let (title, first) = match by {
        Grouping::Institution => ("usage-by-institution", "key-institution"),
        Grouping::Project => ("usage-by-project", "limits-project"),
        Grouping::Key => ("usage-by-key", "usage-key"),
        Grouping::Model => ("usage-by-model", "usage-model"),
    };
    let count = sums.first().map_or(0, |sum| sum.count);
    let more = count.saturating_sub(MOST_LINES);
    let line = |sum: Sum| Line {
        href: sum
            .id
            // There is no page of one model's use.
            .filter(|_| by != Grouping::Model)
            .map(|id| page.path(&format!("/usage?{days}&{}={id}", by.name()))),
        name: sum.name.unwrap_or_else(|| lang.t("usage-no-project")),
        requests: number(lang, sum.requests),
        prompt: number(lang, sum.prompt_tokens),
        completion: number(lang, sum.completion_tokens),
        total: number(
            lang,
            sum.prompt_tokens.saturating_add(sum.completion_tokens),
        ),
        cost: cost_of(lang, sum.cost_micros),
    };
    Table {
        title: lang.t(title),
        first: lang.t(first),
        lines: sums.into_iter().map(line).collect(),
        more: if more > 0 {
            lang.t_with("usage-more", &[("count", number(lang, more))])
        } else {
            String::new()
        },
    }
}
