//! The page with all datasets that the reader may see.

use actix_web::{get, web};
use askama::Template;
use serde::Deserialize;

use super::{
    super::{Status, store},
    Badge, badge,
};
use crate::{
    db::Db,
    policy::{self, Action, Role, Scope, Visibility, visible},
    web::{Chrome, Page, PageResult, filters, moment},
};

const PAGE_SIZE: i64 = 50;

#[derive(Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    q: String,
    before: Option<uuid::Uuid>,
}

struct Row {
    href: String,
    title: String,
    institution: String,
    language: String,
    license: String,
    badge: Badge,
    when: String,
    exact: String,
}

#[derive(Template)]
#[template(path = "datasets/index.html")]
struct IndexPage {
    chrome: Chrome,
    q: String,
    datasets: Vec<Row>,
    may_register: bool,
    older: Option<String>,
}

/// The text as an ILIKE pattern that finds it anywhere.
pub(super) fn pattern(q: &str) -> String {
    let mut pattern = String::from("%");
    for c in q.trim().chars().take(200) {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        // Postgres takes no NUL.
        if c != '\0' {
            pattern.push(c);
        }
    }
    if pattern.len() > 1 {
        pattern.push('%');
    }
    pattern
}

/// For the store: everything, or one institution's beside what is published.
pub(super) fn seen_by(actor: &policy::Actor) -> Option<uuid::Uuid> {
    match visible(actor, Action::ViewDataset) {
        Visibility::All => None,
        Visibility::Institution(id) => Some(id.0),
        Visibility::Nothing => Visibility::Nothing.filter(),
    }
}

#[get("/{lang:nl|en}/datasets")]
pub(super) async fn index(page: Page, db: web::Data<Db>, query: web::Query<Query>) -> PageResult {
    let (lang, actor, now) = (page.lang(), page.actor(), db.now());
    let mut conn = db.read().await?;
    let datasets = store::list(
        &mut conn,
        &store::Listing {
            of: seen_by(actor),
            pattern: &pattern(&query.q),
            before: query.before,
            limit: PAGE_SIZE,
        },
    )
    .await?;
    let older = (datasets.len() as i64 == PAGE_SIZE)
        .then(|| datasets.last())
        .flatten()
        .map(|last| {
            let q: String = url::form_urlencoded::byte_serialize(query.q.as_bytes()).collect();
            page.path(&format!("/datasets?before={}&q={q}", last.id))
        });
    let datasets = datasets
        .into_iter()
        .map(|dataset| {
            let status = dataset.version.status;
            let may_edit =
                policy::check(actor, Action::EditDataset, &Scope::of(dataset.institution)).is_ok();
            let is_for_you = match status {
                Status::ChangesRequested => may_edit,
                Status::Submitted => actor.is(Role::Steward) || actor.is(Role::LegalReviewer),
                Status::Draft | Status::Rejected | Status::Approved | Status::Withdrawn => false,
            };
            Row {
                href: page.path(&format!("/datasets/{}", dataset.id)),
                title: dataset.facts.title,
                institution: dataset.institution_name,
                language: dataset.facts.language,
                license: dataset.facts.license,
                badge: badge(lang, status, is_for_you),
                when: moment(lang, now, dataset.created_at),
                exact: dataset.created_at.to_rfc3339(),
            }
        })
        .collect();
    page.show(&IndexPage {
        chrome: page.chrome(),
        q: query.q.chars().take(200).collect(),
        datasets,
        may_register: policy::check(
            actor,
            Action::RegisterDataset,
            &Scope::of(actor.institution),
        )
        .is_ok(),
        older,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_searched_for_as_themselves() {
        assert_eq!(pattern(" 100%_a\\ "), "%100\\%\\_a\\\\%");
        assert_eq!(pattern("  "), "%");
        assert_eq!(pattern("a\0b"), "%ab%");
    }
}
