//! The page with all jobs that the reader may see.

use actix_web::{get, web};
use askama::Template;
use serde::Deserialize;

use super::{super::store, parts::base_name, words::badge};
use crate::{
    db::Db,
    error::{AppError, Say},
    policy::{self, Action, Role, Scope, Visibility, visible},
    web::{Chrome, Page, PageResult, filters, moment},
};

const PAGE_SIZE: i64 = 50;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(index);
}

#[derive(Deserialize)]
struct Query {
    before: Option<uuid::Uuid>,
}

struct Row {
    href: String,
    title: String,
    institution: String,
    base: String,
    badge: &'static str,
    status: String,
    who: String,
    when: String,
    exact: String,
}

#[derive(Template)]
#[template(path = "jobs/index.html")]
struct IndexPage {
    chrome: Chrome,
    jobs: Vec<Row>,
    may_request: bool,
    older: Option<String>,
}

#[get("/{lang:nl|en}/jobs")]
async fn index(page: Page, db: web::Data<Db>, query: web::Query<Query>) -> PageResult {
    let (lang, now, actor) = (page.lang(), db.now(), page.actor());
    let visibility = visible(actor, Action::ViewJob);
    if visibility == Visibility::Nothing {
        return Err(AppError::Forbidden(Say::new("denied-role")).into());
    }
    let mut conn = db.read().await?;
    let listing = store::Listing {
        of: visibility.filter(),
        before: query.before,
        limit: PAGE_SIZE,
    };
    let jobs = store::list(&mut conn, &listing).await?;
    let older = (jobs.len() as i64 == PAGE_SIZE)
        .then(|| jobs.last())
        .flatten()
        .map(|last| page.path(&format!("/jobs?before={}", last.id)));
    let jobs = jobs
        .into_iter()
        .map(|job| Row {
            href: page.path(&format!("/jobs/{}", job.id)),
            badge: badge(job.status, actor.is(Role::Operator)),
            status: lang.t(&format!("jobs-status-{}", job.status.name())),
            title: job.title,
            institution: job.institution_name,
            base: base_name(lang, &job.base_name),
            who: job.requested_by_name,
            when: moment(lang, now, job.requested_at),
            exact: job.requested_at.to_rfc3339(),
        })
        .collect();
    let own = Scope::of(actor.institution);
    page.show(&IndexPage {
        chrome: page.chrome(),
        jobs,
        may_request: policy::check(actor, Action::RequestJob, &own).is_ok(),
        older,
    })
}
