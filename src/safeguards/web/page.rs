//! The page with an institution's steps.

use actix_web::{get, post, web};
use askama::Template;
use serde::Deserialize;

use super::super::{
    keep::{self, KeepError, Wanted},
    safeguard::{OnFailure, Safeguards},
    secret::token,
    store,
};
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    policy::{self, Action, Scope},
    rights_checks::Fetcher,
    web::{Chrome, Page, PageResult, ProtectedForm, back_with, filters},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(show).service(save).service(rotate);
}

struct Choice {
    value: &'static str,
    label: String,
    hint: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "safeguards/index.html")]
struct IndexPage {
    chrome: Chrome,
    filters: Vec<Choice>,
    judges: Vec<Choice>,
    failures: Vec<Choice>,
    url: String,
    has_hook: bool,
    /// Of a service that is new, or whose secret was renewed just now.
    secret: Option<String>,
    url_error: String,
    judges_error: String,
}

fn may_set(page: &Page) -> Result<(), AppError> {
    let own = Scope::of(page.actor().institution);
    let _permit = policy::check(page.actor(), Action::SetSafeguards, &own)?;
    Ok(())
}

fn draw(page: &Page, steps: &Safeguards) -> IndexPage {
    let lang = page.lang();
    let choice = |value: &'static str, is_chosen| Choice {
        value,
        label: lang.t(&format!("safeguards-{value}")),
        hint: lang.t(&format!("safeguards-{value}-hint")),
        is_chosen,
    };
    let hook = steps.hook.as_ref();
    let failure = hook.map_or(OnFailure::Refuse, |hook| hook.on_failure);
    IndexPage {
        chrome: page.chrome(),
        filters: vec![
            choice("filter-prompts", steps.filters_prompts),
            choice("filter-answers", steps.filters_answers),
        ],
        judges: vec![
            choice("judge-prompts", hook.is_none_or(|hook| hook.judges_prompts)),
            choice("judge-answers", hook.is_none_or(|hook| hook.judges_answers)),
        ],
        failures: vec![
            choice("refuse", failure == OnFailure::Refuse),
            choice("pass", failure == OnFailure::Pass),
        ],
        url: hook.map(|hook| hook.url.clone()).unwrap_or_default(),
        has_hook: hook.is_some(),
        secret: None,
        url_error: String::new(),
        judges_error: String::new(),
    }
}

#[get("/{lang:nl|en}/institution/safeguards")]
async fn show(page: Page, db: web::Data<Db>) -> PageResult {
    may_set(&page)?;
    let mut conn = db.read().await?;
    let (steps, _) = store::of(&mut conn, page.actor().institution).await?;
    page.show(&draw(&page, &steps))
}

#[derive(Deserialize)]
struct Form {
    #[serde(default)]
    filters: Vec<String>,
    #[serde(default)]
    url: String,
    #[serde(default)]
    judges: Vec<String>,
    #[serde(default)]
    failure: String,
}

impl Form {
    fn wanted(&self) -> Wanted {
        let has = |list: &[String], word: &str| list.iter().any(|one| one == word);
        Wanted {
            filters_prompts: has(&self.filters, "filter-prompts"),
            filters_answers: has(&self.filters, "filter-answers"),
            hook_url: self.url.clone(),
            judges_prompts: has(&self.judges, "judge-prompts"),
            judges_answers: has(&self.judges, "judge-answers"),
            on_failure: OnFailure::parse(&self.failure).unwrap_or(OnFailure::Refuse),
        }
    }
}

/// The answer may hold the secret: no redirect then, no store.
#[post("/{lang:nl|en}/institution/safeguards")]
async fn save(
    page: Page,
    (db, config, fetcher): (web::Data<Db>, web::Data<Config>, web::Data<Fetcher>),
    ProtectedForm(form): ProtectedForm<Form>,
) -> PageResult {
    may_set(&page)?;
    let wanted = form.wanted();
    match keep::set(&db, &fetcher, page.actor(), &wanted).await {
        Ok(kept) if kept.has_new_secret => {
            let mut shown = draw(&page, &kept.steps);
            let institution = page.actor().institution;
            shown.secret = Some(token(&config.secret, institution, kept.generation));
            page.show(&shown)
        }
        Ok(_) => Ok(back_with(
            &page.path("/institution/safeguards"),
            "good",
            "flash-safeguards-saved",
        )),
        Err(error @ (KeepError::Address | KeepError::JudgesNothing)) => {
            let steps = Safeguards {
                filters_prompts: wanted.filters_prompts,
                filters_answers: wanted.filters_answers,
                hook: None,
            };
            let mut shown = draw(&page, &steps);
            shown.url = form.url;
            let is_address = matches!(error, KeepError::Address);
            let said = page.lang().say(&AppError::from(error).say());
            if is_address {
                shown.url_error = said;
            } else {
                shown.judges_error = said;
            }
            page.show_invalid(&shown)
        }
        Err(error) => Err(AppError::from(error).into()),
    }
}

#[derive(Deserialize)]
struct Nothing {}

#[post("/{lang:nl|en}/institution/safeguards/rotate")]
async fn rotate(
    page: Page,
    (db, config): (web::Data<Db>, web::Data<Config>),
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    let generation = keep::rotate(&db, page.actor())
        .await
        .map_err(AppError::from)?;
    let institution = page.actor().institution;
    let mut conn = db.read().await?;
    let (steps, _) = store::of(&mut conn, institution).await?;
    let mut shown = draw(&page, &steps);
    shown.secret = Some(token(&config.secret, institution, generation));
    page.show(&shown)
}
