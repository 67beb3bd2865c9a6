//! The page of one key, and what can be done there.

use actix_web::{get, post, web};
use askama::Template;
use serde::Deserialize;

use super::list::standing;
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    ids::ApiKeyId,
    keys::{
        decide,
        key::{Key, Status},
        quota, reveal, revoke, store, usage,
    },
    policy::{self, Action},
    web::{
        Chrome, FieldErrors, Page, PageResult, ProtectedForm, Text, back_with, filters, moment,
        number,
    },
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(show)
        .service(reveal_once)
        .service(reject)
        .service(act);
}

struct Fact {
    name: String,
    value: String,
    href: Option<String>,
}

struct Station {
    what: String,
    label: String,
    href: Option<String>,
    state: &'static str,
}

/// A whole key and how to use it, for the one page that shows it.
struct Shown {
    key: String,
    curl: String,
    python: String,
    javascript: String,
}

#[derive(Template)]
#[template(path = "keys/show.html")]
struct ShowPage {
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
    can_reject: bool,
    reject_error: String,
    can_reveal: bool,
    can_revoke: bool,
    is_active: bool,
    used: i64,
    limit: i64,
    used_text: String,
    left_text: String,
    requests_text: String,
}

async fn draw(
    page: &Page,
    db: &Db,
    config: &Config,
    key: Key,
    shown: Option<Shown>,
) -> Result<ShowPage, AppError> {
    let mut conn = db.read().await?;
    let (lang, now) = (page.lang(), db.now());
    let today = usage::of_key(&mut conn, key.id, quota::day_of(now)).await?;
    let (status, badge) = standing(lang, &key, now);
    let may = |action| policy::check(page.actor(), action, &key.scope()).is_ok();
    let is_waiting = key.status == Status::Requested;
    let most = config.limits.manager_tokens_per_day;
    let verdict = decide::may_approve(page.actor(), &key, most);
    let cannot_approve = match &verdict {
        Err(decide::DecideError::BeyondManager(_)) if is_waiting => {
            Some(lang.t_with("key-beyond-manager", &[("most", number(lang, most))]))
        }
        _ => None,
    };
    let limit = key.limits.tokens_per_day;
    let used = today.used + today.reserved;
    Ok(ShowPage {
        chrome: page.chrome(),
        id: key.id,
        status,
        badge,
        facts: facts(page, &key, now),
        stations: stations(page, &key),
        shown,
        no_model_left: key.has_no_model_left(),
        can_approve: is_waiting && verdict.is_ok(),
        cannot_approve,
        can_reject: is_waiting && may(Action::ApproveKey),
        reject_error: String::new(),
        can_reveal: key.status == Status::Approved
            && key.expires_at > now
            && may(Action::RevealKey),
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
            &[("count", today.requests.to_string())],
        ),
        name: key.name,
        purpose: key.purpose,
        reason: key.reason,
    })
}

fn facts(page: &Page, key: &Key, now: chrono::DateTime<chrono::Utc>) -> Vec<Fact> {
    let lang = page.lang();
    let fact = |name: &str, value: String| Fact {
        name: lang.t(name),
        value,
        href: None,
    };
    let mut facts = vec![
        fact("key-start", format!("gptnl_{}_…", key.public_id)),
        fact("key-institution", key.institution_name.clone()),
        fact(
            "key-commercial",
            lang.t(if key.is_commercial {
                "key-commercial-yes"
            } else {
                "key-commercial-no"
            }),
        ),
        fact(
            "key-fine-tuning",
            lang.t(if key.may_fine_tune {
                "key-fine-tuning-may"
            } else {
                "key-fine-tuning-may-not"
            }),
        ),
        fact("key-tokens", number(lang, key.limits.tokens_per_day)),
        fact(
            "key-requests",
            number(lang, i64::from(key.limits.requests_per_minute)),
        ),
        fact("key-until", moment(lang, now, key.expires_at)),
        fact(
            "key-requested",
            lang.t_with(
                "key-by-at",
                &[
                    ("who", key.requester_name.clone()),
                    ("when", moment(lang, now, key.requested_at)),
                ],
            ),
        ),
    ];
    if let (Some(who), Some(at)) = (&key.decider_name, key.decided_at) {
        let when = moment(lang, now, at);
        let text = lang.t_with("key-by-at", &[("who", who.clone()), ("when", when)]);
        facts.push(fact("key-decided", text));
    }
    if let Some(at) = key.revoked_at {
        facts.push(fact("key-revoked", moment(lang, now, at)));
    }
    let last = key
        .last_used_at
        .map_or_else(|| lang.t("key-never-used"), |at| moment(lang, now, at));
    facts.push(fact("key-last-used", last));
    facts
}

fn stations(page: &Page, key: &Key) -> Vec<Station> {
    let lang = page.lang();
    let mut stations: Vec<Station> = key
        .models
        .iter()
        .map(|model| Station {
            what: lang.t("chain-model"),
            label: model.name.clone(),
            href: Some(page.path(&format!("/models/{}", model.id))),
            state: "done",
        })
        .collect();
    let state = match key.status {
        Status::Rejected | Status::Revoked => "broken",
        Status::Requested | Status::Approved | Status::Active => "here",
    };
    stations.push(Station {
        what: lang.t("chain-key"),
        label: key.name.clone(),
        href: None,
        state,
    });
    stations
}

async fn visible_key(db: &Db, page: &Page, id: ApiKeyId) -> Result<Key, AppError> {
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
struct Nothing {}

/// The only answer that ever holds the whole key: no redirect, no store, no second time.
#[post("/{lang:nl|en}/keys/{key}/reveal")]
async fn reveal_once(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<(String, ApiKeyId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    let (key, secret) = reveal::reveal(&db, page.actor(), path.1, &config.secret).await?;
    let key = visible_key(&db, &page, key.id).await?;
    let model = key.models.first().map_or("", |model| model.name.as_str());
    let shown = examples(&config.origin(), model, secret.reveal());
    page.show(&draw(&page, &db, &config, key, Some(shown)).await?)
}

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

#[post("/{lang:nl|en}/keys/{key}/{act:approve|revoke}")]
async fn act(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<(String, ApiKeyId, String)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    let (_, id, act) = path.into_inner();
    let key = visible_key(&db, &page, id).await?;
    let flash = if act == "approve" {
        let most = config.limits.manager_tokens_per_day;
        decide::approve(&db, page.actor(), key.id, most).await?;
        "flash-key-approved"
    } else {
        revoke::revoke(&db, page.actor(), key.id).await?;
        "flash-key-revoked"
    };
    Ok(back_with(
        &page.path(&format!("/keys/{}", key.id)),
        "good",
        flash,
    ))
}

fn examples(origin: &str, model: &str, key: &str) -> Shown {
    Shown {
        curl: format!(
            "curl {origin}/v1/chat/completions \\\n  -H \"Authorization: Bearer $GPTNL_KEY\" \\\n  \
             -H \"Content-Type: application/json\" \\\n  \
             -d '{{\"model\": \"{model}\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hallo!\"}}]}}'"
        ),
        python: format!(
            "import os\nfrom openai import OpenAI\n\nclient = OpenAI(\n    base_url=\"{origin}/v1\",\n    \
             api_key=os.environ[\"GPTNL_KEY\"],\n)\nanswer = client.chat.completions.create(\n    \
             model=\"{model}\",\n    messages=[{{\"role\": \"user\", \"content\": \"Hallo!\"}}],\n)\n\
             print(answer.choices[0].message.content)"
        ),
        javascript: format!(
            "import OpenAI from \"openai\";\n\nconst client = new OpenAI({{\n  baseURL: \"{origin}/v1\",\n  \
             apiKey: process.env.GPTNL_KEY,\n}});\nconst answer = await client.chat.completions.create({{\n  \
             model: \"{model}\",\n  messages: [{{ role: \"user\", content: \"Hallo!\" }}],\n}});\n\
             console.log(answer.choices[0].message.content);"
        ),
        key: key.to_owned(),
    }
}
