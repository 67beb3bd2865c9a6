//! The form that asks for a key.

use actix_web::{get, post, web};
use askama::Template;
use serde::Deserialize;

use super::form::Form;
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    keys::request,
    models::{self, Model},
    policy::{self, Action, Scope},
    web::{Chrome, FieldErrors, Page, PageResult, ProtectedForm, back_with, filters, number},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(blank).service(submit);
}

struct Choice {
    value: String,
    label: String,
    hint: String,
    is_chosen: bool,
}

struct Problem {
    field: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "keys/new.html")]
struct NewPage {
    chrome: Chrome,
    form: Form,
    models: Vec<Choice>,
    commercial: Vec<Choice>,
    abilities: Vec<Choice>,
    tokens_hint: String,
    errors: Vec<Problem>,
}

impl NewPage {
    fn error(&self, field: &str) -> &str {
        self.errors
            .iter()
            .find(|problem| problem.field == field)
            .map_or("", |problem| problem.text.as_str())
    }
}

fn draw(
    page: &Page,
    config: &Config,
    usable: Vec<Model>,
    form: Form,
    errors: &FieldErrors,
) -> NewPage {
    let lang = page.lang();
    let most = number(lang, config.limits.manager_tokens_per_day);
    NewPage {
        chrome: page.chrome(),
        models: usable
            .into_iter()
            .map(|model| Choice {
                value: model.id.to_string(),
                is_chosen: form.models.iter().any(|id| *id == model.id.to_string()),
                hint: lang.t(match model.kind {
                    models::Kind::Base => "key-model-base",
                    models::Kind::Adapter { .. } | models::Kind::Whole { .. } => "key-model-own",
                }),
                label: model.name,
            })
            .collect(),
        commercial: ["no", "yes"]
            .into_iter()
            .map(|word| Choice {
                value: word.into(),
                label: lang.t(&format!("key-commercial-{word}")),
                hint: String::new(),
                is_chosen: form.commercial == word,
            })
            .collect(),
        abilities: ["infer", "tune"]
            .into_iter()
            .map(|word| Choice {
                value: word.into(),
                label: lang.t(&format!("key-ability-{word}")),
                hint: lang.t(&format!("key-ability-{word}-hint")),
                is_chosen: form.abilities.iter().any(|chosen| chosen == word),
            })
            .collect(),
        tokens_hint: lang.t_with("key-tokens-hint", &[("most", most)]),
        errors: errors
            .iter()
            .map(|(field, say)| Problem {
                field,
                text: lang.say(say),
            })
            .collect(),
        form,
    }
}

fn may_request(page: &Page) -> Result<(), AppError> {
    let own = Scope::of(page.actor().institution);
    let _permit = policy::check(page.actor(), Action::RequestKey, &own)?;
    Ok(())
}

#[derive(Deserialize)]
struct Wish {
    model: Option<String>,
}

#[get("/{lang:nl|en}/keys/new")]
async fn blank(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    wish: web::Query<Wish>,
) -> PageResult {
    may_request(&page)?;
    let usable = models::usable_by(&db, page.actor().institution).await?;
    let mut form = Form::fresh(config.limits.manager_tokens_per_day);
    form.models.extend(wish.into_inner().model);
    page.show(&draw(&page, &config, usable, form, &FieldErrors::default()))
}

#[post("/{lang:nl|en}/keys")]
async fn submit(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    ProtectedForm(form): ProtectedForm<Form>,
) -> PageResult {
    may_request(&page)?;
    let usable = models::usable_by(&db, page.actor().institution).await?;
    let new = match form.parse() {
        Ok(new) => new,
        Err(errors) => return page.show_invalid(&draw(&page, &config, usable, form, &errors)),
    };
    let id = request::request(&db, page.actor(), new).await?;
    Ok(back_with(
        &page.path(&format!("/keys/{id}")),
        "good",
        "flash-key-requested",
    ))
}
