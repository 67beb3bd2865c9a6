//! The audit page.

use actix_web::{get, web};
use askama::Template;
use serde::Deserialize;

use super::list::{self, Filter};
use crate::{
    db::Db,
    error::{AppError, Say},
    policy::{Action, Visibility, visible},
    web::{Chrome, Page, PageResult, filters, moment, short_hash},
};

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(index);
}

const PAGE_SIZE: i64 = 50;

#[derive(Deserialize)]
struct Query {
    before: Option<i64>,
    subject: Option<uuid::Uuid>,
}

struct Row {
    seq: i64,
    when: String,
    who: String,
    institution: String,
    what: String,
    kind: String,
    subject: String,
    hash: String,
}

#[derive(Template)]
#[template(path = "audit/index.html")]
struct IndexPage {
    chrome: Chrome,
    lines: Vec<Row>,
    older: Option<String>,
}

#[get("/{lang:nl|en}/audit")]
async fn index(page: Page, db: web::Data<Db>, query: web::Query<Query>) -> PageResult {
    let visibility = visible(page.actor(), Action::ViewAudit);
    if visibility == Visibility::Nothing {
        return Err(AppError::Forbidden(Say::new("denied-role")).into());
    }
    let lines = list::entries(
        &db,
        Filter {
            visibility,
            before: query.before,
            subject: query.subject,
            limit: PAGE_SIZE,
        },
    )
    .await?;
    let (lang, now) = (page.lang(), db.now());
    let older = (lines.len() as i64 == PAGE_SIZE)
        .then(|| lines.last().map(|line| line.seq))
        .flatten()
        .map(|seq| page.path(&format!("/audit?before={seq}")));
    let lines = lines
        .into_iter()
        .map(|line| Row {
            seq: line.seq,
            when: moment(lang, now, line.at),
            who: line.actor.unwrap_or_else(|| lang.t("actor-system")),
            institution: line.institution.unwrap_or_default(),
            what: lang.t(&format!("event-{}", line.kind.replace(['.', '_'], "-"))),
            kind: line.kind,
            subject: line.subject.to_string(),
            hash: short_hash(&line.hash),
        })
        .collect();
    page.show(&IndexPage {
        chrome: page.chrome(),
        lines,
        older,
    })
}
