//! The cases that the reader needs to know of.

use actix_web::{get, web};
use askama::Template;
use chrono::{DateTime, Utc};

use super::{
    super::{
        case::Status,
        letter::date,
        store::{self, Brief},
        waiting::is_listed,
    },
    words::{badge, due},
};
use crate::{
    db::{Db, StoreError},
    policy::{Action, Actor, Visibility, visible},
    web::{Chrome, Lang, Page, PageResult, filters},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(index);
}

struct Row {
    href: String,
    number: String,
    kind: String,
    badge: &'static str,
    status: String,
    received: String,
    due: String,
    owner: String,
    documents: String,
}

#[derive(Template)]
#[template(path = "complaints/index.html")]
struct IndexPage {
    chrome: Chrome,
    sections: Vec<Section>,
}

struct Section {
    title: String,
    rows: Vec<Row>,
}

/// The cases that `actor` needs to know of, open ones first.
pub(super) async fn listed(db: &Db, actor: &Actor) -> Result<Vec<Brief>, StoreError> {
    let mut conn = db.read().await?;
    match visible(actor, Action::ListComplaints) {
        Visibility::All => {
            let Some(platform) = store::platform(&mut conn).await? else {
                return Ok(Vec::new());
            };
            let all = store::briefs(&mut conn, None, false).await?;
            Ok(all
                .into_iter()
                .filter(|brief| is_listed(actor, brief, platform))
                .collect())
        }
        Visibility::Institution(own) => store::briefs(&mut conn, Some(own), false).await,
        Visibility::Nothing => Ok(Vec::new()),
    }
}

fn row(page: &Page, lang: Lang, now: DateTime<Utc>, brief: &Brief) -> Row {
    let is_decided = brief.status == Status::Decided;
    let is_overdue = !is_decided && now > brief.due_at;
    let (badge, status) = badge(lang, brief.status, None, is_overdue);
    Row {
        href: page.path(&format!("/complaints/{}", brief.id)),
        number: brief.number.clone(),
        kind: lang.t(&format!("complaint-kind-{}", brief.kind.name())),
        badge,
        status,
        received: date(lang, brief.received_at),
        due: due(lang, now, brief.due_at, is_decided),
        owner: brief.owner_name.clone().unwrap_or_else(|| "–".to_owned()),
        documents: brief.documents.to_string(),
    }
}

#[get("/{lang:nl|en}/complaints")]
async fn index(page: Page, db: web::Data<Db>) -> PageResult {
    if visible(page.actor(), Action::ListComplaints) == Visibility::Nothing {
        return Err(crate::error::AppError::NotFound.into());
    }
    let (lang, now) = (page.lang(), db.now());
    let (decided, open): (Vec<_>, Vec<_>) = listed(&db, page.actor())
        .await?
        .into_iter()
        .partition(|brief| brief.status == Status::Decided);
    let sections = [("complaints-open", open), ("complaints-decided", decided)]
        .into_iter()
        .filter(|(_, briefs)| !briefs.is_empty())
        .map(|(title, briefs)| Section {
            title: lang.t(title),
            rows: briefs
                .iter()
                .map(|brief| row(&page, lang, now, brief))
                .collect(),
        })
        .collect();
    page.show(&IndexPage {
        chrome: page.chrome(),
        sections,
    })
}
