//! The list of keys.

use actix_web::{get, web};
use askama::Template;

use crate::{
    db::Db,
    keys::{
        key::{Key, Status},
        store,
    },
    policy::{self, Action, Scope, visible},
    quota::{self, Measure, Window},
    web::{Chrome, Lang, Page, PageResult, filters, moment, number},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(index);
}

struct Row {
    href: String,
    name: String,
    institution: String,
    start: String,
    models: String,
    status: String,
    badge: &'static str,
    until: String,
    until_exact: String,
    used: String,
}

#[derive(Template)]
#[template(path = "keys/index.html")]
struct IndexPage {
    chrome: Chrome,
    keys: Vec<Row>,
    shows_institutions: bool,
    can_request: bool,
    can_manage_webhooks: bool,
}

#[get("/{lang:nl|en}/keys")]
async fn index(page: Page, db: web::Data<Db>) -> PageResult {
    let visibility = visible(page.actor(), Action::ViewKey);
    let mut conn = db.read().await?;
    let keys = store::list(&mut conn, visibility).await?;
    let (lang, now) = (page.lang(), db.now());
    let tokens = (Measure::Tokens, Window::Day);
    let today = quota::used_of_all(&mut conn, visibility, tokens, now).await?;
    let own = Scope::of(page.actor().institution);
    let rows = keys.into_iter().map(|key| {
        let (status, badge) = standing(lang, &key, now);
        let used = today.get(&key.id).map_or(0, |day| day.used);
        Row {
            href: page.path(&format!("/keys/{}", key.id)),
            start: format!("gptnl_{}_…", key.public_id),
            models: key
                .models
                .iter()
                .map(|model| model.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            status,
            badge,
            until: moment(lang, now, key.expires_at),
            until_exact: key.expires_at.to_rfc3339(),
            used: format!(
                "{} / {}",
                number(lang, used),
                number(lang, key.limits.tokens_per_day)
            ),
            name: key.name,
            institution: key.institution_name,
        }
    });
    page.show(&IndexPage {
        chrome: page.chrome(),
        keys: rows.collect(),
        shows_institutions: visibility == policy::Visibility::All,
        can_request: policy::check(page.actor(), Action::RequestKey, &own).is_ok(),
        can_manage_webhooks: policy::check(page.actor(), Action::ManageWebhooks, &own).is_ok(),
    })
}

/// The status in words, and as a badge.
pub(super) fn standing(
    lang: Lang,
    key: &Key,
    now: chrono::DateTime<chrono::Utc>,
) -> (String, &'static str) {
    if key.is_expired(now) {
        return (lang.t("key-status-expired"), "refused");
    }
    if key.status == Status::Active && key.has_no_model_left() {
        return (lang.t("key-status-no-model-left"), "refused");
    }
    let badge = match key.status {
        Status::Requested => "neutral",
        Status::Approved => "waiting-for-you",
        Status::Active => "granted",
        Status::Rejected | Status::Revoked => "refused",
    };
    (lang.t(&format!("key-status-{}", key.status.name())), badge)
}
