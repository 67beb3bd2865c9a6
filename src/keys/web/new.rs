//! The form that asks for a key.

use actix_web::{get, post, web};
use askama::Template;
use serde::Deserialize;

use super::{field_of, form::Form};
use crate::{
    config::Config,
    db::{Db, StoreError},
    error::AppError,
    ids::InstitutionId,
    keys::request,
    models::{self, Model},
    policy::{self, Action, Scope},
    quota::{self, Project},
    web::{Chrome, FieldErrors, Lang, Page, PageResult, ProtectedForm, back_with, filters, number},
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
    /// Empty where the institution has none.
    projects: Vec<Choice>,
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

/// What a key can be asked for.
struct Offer {
    models: Vec<Model>,
    projects: Vec<Project>,
}

async fn offer(db: &Db, institution: InstitutionId) -> Result<Offer, StoreError> {
    let models = models::usable_by(db, institution).await?;
    let mut conn = db.read().await?;
    let projects = quota::projects_of(&mut conn, institution).await?;
    Ok(Offer { models, projects })
}

fn projects(lang: Lang, projects: Vec<Project>, chosen: &str) -> Vec<Choice> {
    if projects.is_empty() {
        return Vec::new();
    }
    let choice = |value: String, label: String| Choice {
        is_chosen: value == chosen,
        value,
        label,
        hint: String::new(),
    };
    let none = choice(String::new(), lang.t("limits-no-project"));
    let all = projects.into_iter();
    let all = all.map(|project| choice(project.id.to_string(), project.name));
    std::iter::once(none).chain(all).collect()
}

fn draw(page: &Page, config: &Config, offer: Offer, form: Form, errors: &FieldErrors) -> NewPage {
    let lang = page.lang();
    let most = number(lang, config.limits.manager_tokens_per_day);
    NewPage {
        chrome: page.chrome(),
        projects: projects(lang, offer.projects, form.project.trim()),
        models: offer
            .models
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
    let offer = offer(&db, page.actor().institution).await?;
    let mut form = Form::fresh(config.limits.manager_tokens_per_day);
    form.models.extend(wish.into_inner().model);
    page.show(&draw(&page, &config, offer, form, &FieldErrors::default()))
}

#[post("/{lang:nl|en}/keys")]
async fn submit(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    ProtectedForm(form): ProtectedForm<Form>,
) -> PageResult {
    may_request(&page)?;
    let offer = offer(&db, page.actor().institution).await?;
    let new = match form.parse() {
        Ok(new) => new,
        Err(errors) => return page.show_invalid(&draw(&page, &config, offer, form, &errors)),
    };
    let id = match request::request(&db, page.actor(), new).await {
        Ok(id) => id,
        Err(refused) => {
            let Some(field) = field_of(&refused) else {
                return Err(refused.into());
            };
            let mut errors = FieldErrors::default();
            errors.add(field, AppError::from(refused).say());
            return page.show_invalid(&draw(&page, &config, offer, form, &errors));
        }
    };
    Ok(back_with(
        &page.path(&format!("/keys/{id}")),
        "good",
        "flash-key-requested",
    ))
}
