//! The page with all agreements that the reader may see.

use actix_web::{get, web};
use askama::Template;
use serde::Deserialize;

use super::{super::store, Badge, badge};
use crate::{
    db::Db,
    error::{AppError, Say},
    policy::{self, Action, Scope, Visibility, visible},
    web::{Chrome, Page, PageResult, filters, moment, number},
};

const PAGE_SIZE: i64 = 50;

#[derive(Deserialize)]
pub(super) struct Query {
    before: Option<uuid::Uuid>,
}

struct Row {
    href: String,
    title: String,
    kind: String,
    badge: Badge,
    institution: String,
    datasets: String,
    when: String,
    exact: String,
}

#[derive(Template)]
#[template(path = "agreements/index.html")]
struct IndexPage {
    chrome: Chrome,
    agreements: Vec<Row>,
    may_register: bool,
    older: Option<String>,
}

#[get("/{lang:nl|en}/agreements")]
pub(super) async fn index(page: Page, db: web::Data<Db>, query: web::Query<Query>) -> PageResult {
    let (lang, actor, now) = (page.lang(), page.actor(), db.now());
    let visibility = visible(actor, Action::ViewAgreement);
    if visibility == Visibility::Nothing {
        return Err(AppError::Forbidden(Say::new("denied-role")).into());
    }
    let mut conn = db.read().await?;
    let found = store::list(&mut conn, visibility, query.before, PAGE_SIZE).await?;
    let older = (found.len() as i64 == PAGE_SIZE)
        .then(|| found.last())
        .flatten()
        .map(|last| page.path(&format!("/agreements?before={}", last.id)));
    let own = Scope::of(actor.institution);
    page.show(&IndexPage {
        chrome: page.chrome(),
        agreements: found
            .into_iter()
            .map(|one| Row {
                href: page.path(&format!("/agreements/{}", one.id)),
                title: one.title,
                kind: lang.t(&format!("agreement-kind-{}", one.kind.replace('_', "-"))),
                badge: badge(lang, one.status),
                institution: one.institution,
                datasets: number(lang, one.datasets),
                when: moment(lang, now, one.created_at),
                exact: one.created_at.to_rfc3339(),
            })
            .collect(),
        may_register: policy::check(actor, Action::EditAgreement, &own).is_ok(),
        older,
    })
}
