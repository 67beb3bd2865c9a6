//! The page of one key, and what can be done there.

use actix_web::{get, post, web};
use askama::Template;
use serde::Deserialize;

use super::{
    facts::{Fact, Station, facts, stations},
    list::standing,
    secret::Shown,
};
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    ids::ApiKeyId,
    keys::{
        DecideError,
        decide::{self, ManagerRoom},
        has_accepted_terms,
        key::{Key, Status},
        revoke,
        rotate::Overlap,
        store,
    },
    policy::{self, Action, Scope},
    quota::{self, BeyondShares, Measure, Window},
    web::{
        Chrome, FieldErrors, Page, PageResult, ProtectedForm, Text, back_with, filters, moment,
        number,
    },
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(show)
        .service(reject)
        .service(approve)
        .service(revoke_key);
}

struct Overlapping {
    value: &'static str,
    label: String,
    hint: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "keys/show.html")]
pub(super) struct ShowPage {
    chrome: Chrome,
    id: ApiKeyId,
    name: String,
    purpose: String,
    status: String,
    badge: &'static str,
    facts: Vec<Fact>,
    stations: Vec<Station>,
    reason: Option<String>,
    /// Said where none of its models may be used any more.
    no_model_left: bool,
    shown: Option<Shown>,
    can_approve: bool,
    /// Why somebody who decides on keys cannot approve this one.
    cannot_approve: Option<String>,
    /// Whether approving accepts the terms of the models too.
    accepts_terms: bool,
    can_reject: bool,
    reject_error: String,
    can_reveal: bool,
    /// How long the secret of before may answer on; empty where there is none to replace.
    overlaps: Vec<Overlapping>,
    /// Secrets of before that answer still.
    ending: Vec<String>,
    can_revoke: bool,
    is_active: bool,
    used: i64,
    limit: i64,
    used_text: String,
    left_text: String,
    requests_text: String,
}

pub(super) async fn draw(
    page: &Page,
    db: &Db,
    config: &Config,
    key: Key,
    shown: Option<Shown>,
) -> Result<ShowPage, AppError> {
    let mut conn = db.read().await?;
    let (lang, now) = (page.lang(), db.now());
    let tokens = (Measure::Tokens, Window::Day);
    let today = quota::used_of(&mut conn, key.id, tokens, now).await?;
    let requests = (Measure::Requests, Window::Day);
    let requests = quota::used_of(&mut conn, key.id, requests, now).await?;
    let (status, badge) = standing(lang, &key, now);
    let may = |action| policy::check(page.actor(), action, &key.scope()).is_ok();
    let is_waiting = key.status == Status::Requested;
    let most = config.limits.manager_tokens_per_day;
    let room = ManagerRoom {
        tokens_per_day: most,
        shares: quota::shares_besides(&mut conn, key.institution, key.id.0, now).await?,
    };
    let verdict = decide::may_approve(page.actor(), &key, room);
    let has_terms = has_accepted_terms(&mut conn, key.institution).await?;
    let accepts_terms = !has_terms
        && policy::check(
            page.actor(),
            Action::AcceptModelTerms,
            &Scope::of(key.institution),
        )
        .is_ok();
    let cannot_approve = match &verdict {
        Err(DecideError::BeyondManager(_)) if is_waiting => {
            Some(lang.t_with("key-beyond-manager", &[("most", number(lang, most))]))
        }
        Err(DecideError::BeyondInstitution(BeyondShares { cap, given })) if is_waiting => {
            let shown = [("cap", number(lang, *cap)), ("given", number(lang, *given))];
            Some(lang.t_with("key-beyond-institution", &shown))
        }
        Ok(_) if is_waiting && !has_terms && !accepts_terms => Some(lang.t("key-terms-first")),
        _ => None,
    };
    let is_in_use = key.status == Status::Active && key.expires_at > now;
    let overlaps = Overlap::ALL
        .into_iter()
        .filter(|_| is_in_use && may(Action::RevealKey))
        .map(|overlap| Overlapping {
            value: overlap.name(),
            label: lang.t(&format!("key-overlap-{}", overlap.name())),
            hint: String::new(),
            is_chosen: overlap == Overlap::Day,
        })
        .collect();
    let ending = store::ending_secrets(&mut conn, key.id, now).await?;
    let limit = key.limits.tokens_per_day;
    let used = today.used + today.set_aside;
    Ok(ShowPage {
        chrome: page.chrome(),
        id: key.id,
        status,
        badge,
        facts: facts(page, &key, now),
        stations: stations(page, &key),
        shown,
        no_model_left: key.has_no_model_left(),
        can_approve: is_waiting && verdict.is_ok() && (has_terms || accepts_terms),
        cannot_approve,
        accepts_terms,
        can_reject: is_waiting && may(Action::ApproveKey),
        reject_error: String::new(),
        can_reveal: key.status == Status::Approved
            && key.expires_at > now
            && may(Action::RevealKey),
        overlaps,
        ending: ending
            .into_iter()
            .map(|(public_id, at)| {
                let start = format!("gptnl_{public_id}_…");
                lang.t_with(
                    "key-ending",
                    &[("start", start), ("when", moment(lang, now, at))],
                )
            })
            .collect(),
        can_revoke: key.status.revoke().is_some() && may(Action::RevokeKey),
        is_active: key.status == Status::Active,
        used,
        limit,
        used_text: lang.t_with(
            "key-used-today",
            &[("used", number(lang, used)), ("limit", number(lang, limit))],
        ),
        left_text: lang.t_with(
            "key-left-today",
            &[("left", number(lang, (limit - used).max(0)))],
        ),
        requests_text: lang.t_with(
            "key-requests-today",
            &[("count", requests.used.to_string())],
        ),
        name: key.name,
        purpose: key.purpose,
        reason: key.reason,
    })
}

pub(super) async fn visible_key(db: &Db, page: &Page, id: ApiKeyId) -> Result<Key, AppError> {
    let mut conn = db.read().await?;
    let key = store::find(&mut conn, id)
        .await?
        .ok_or(AppError::NotFound)?;
    let _permit = policy::check(page.actor(), Action::ViewKey, &key.scope())?;
    Ok(key)
}

#[get("/{lang:nl|en}/keys/{key}")]
async fn show(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<(String, ApiKeyId)>,
) -> PageResult {
    let key = visible_key(&db, &page, path.1).await?;
    page.show(&draw(&page, &db, &config, key, None).await?)
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

#[derive(Deserialize)]
struct Rejection {
    #[serde(default)]
    reason: String,
}

#[post("/{lang:nl|en}/keys/{key}/reject")]
async fn reject(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<(String, ApiKeyId)>,
    ProtectedForm(form): ProtectedForm<Rejection>,
) -> PageResult {
    let key = visible_key(&db, &page, path.1).await?;
    let mut errors = FieldErrors::default();
    let bounds = Text {
        least: 1,
        most: 1000,
    };
    let reason = errors.text("reason", &form.reason, bounds);
    if let Some(say) = errors.of("reason") {
        let mut shown = draw(&page, &db, &config, key, None).await?;
        shown.reject_error = page.lang().say(say);
        return page.show_invalid(&shown);
    }
    decide::reject(&db, page.actor(), key.id, &reason).await?;
    Ok(back_with(
        &page.path(&format!("/keys/{}", key.id)),
        "good",
        "flash-key-rejected",
    ))
}

#[derive(Deserialize)]
struct Approval {
    /// `yes` where the terms of the models are accepted with it.
    #[serde(default)]
    accept_terms: String,
}

#[post("/{lang:nl|en}/keys/{key}/approve")]
async fn approve(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<(String, ApiKeyId)>,
    ProtectedForm(form): ProtectedForm<Approval>,
) -> PageResult {
    let key = visible_key(&db, &page, path.1).await?;
    let most = config.limits.manager_tokens_per_day;
    let accepts = form.accept_terms == "yes";
    decide::approve(&db, page.actor(), key.id, most, accepts).await?;
    Ok(back_with(
        &page.path(&format!("/keys/{}", key.id)),
        "good",
        "flash-key-approved",
    ))
}

#[post("/{lang:nl|en}/keys/{key}/revoke")]
async fn revoke_key(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, ApiKeyId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    let key = visible_key(&db, &page, path.1).await?;
    revoke::revoke(&db, page.actor(), key.id).await?;
    Ok(back_with(
        &page.path(&format!("/keys/{}", key.id)),
        "good",
        "flash-key-revoked",
    ))
}
