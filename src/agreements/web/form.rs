//! The form with the facts of an agreement: to register it, and to change them.

use actix_web::{get, post, web};
use askama::Template;
use serde::Deserialize;

use super::{
    super::{
        agreement::{Agreement, Facts, Kind, RawFacts},
        event::AgreementError,
        register, store, template,
    },
    Choice, Problem, error_of, problems, visible, words,
};
use crate::{
    db::Db,
    error::AppError,
    ids::{AgreementId, DatasetId},
    permissions::Layer,
    policy::{self, Action, Scope},
    web::{Chrome, FieldErrors, Page, PageResult, ProtectedForm, back_with, filters},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(new)
        .service(create)
        .service(edit)
        .service(describe);
}

struct Offered {
    href: String,
    title: String,
    about: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "agreements/form.html")]
struct FormPage {
    chrome: Chrome,
    /// The agreement that is changed; none: a new one is registered.
    changes: Option<String>,
    action: String,
    back: String,
    raw: RawFacts,
    templates: Vec<Offered>,
    /// Where the law or licence itself stands, so that nothing is signed.
    source_url: Option<String>,
    kinds: Vec<Choice>,
    layers: Vec<Choice>,
    datasets: Vec<Choice>,
    errors: Vec<Problem>,
}

impl FormPage {
    fn error(&self, field: &str) -> &str {
        error_of(&self.errors, field)
    }
}

async fn draw(
    db: &Db,
    page: &Page,
    changes: Option<&Agreement>,
    raw: RawFacts,
    errors: &FieldErrors,
) -> Result<FormPage, AppError> {
    let (lang, institution) = (page.lang(), page.actor().institution);
    let mut conn = db.read().await?;
    let datasets = store::datasets_of(&mut conn, institution).await?;
    drop(conn);
    let chosen = template::find(&raw.template);
    let query = raw
        .datasets
        .first()
        .map_or_else(String::new, |dataset| format!("&dataset={dataset}"));
    let templates = template::all().iter().map(|one| Offered {
        href: page.path(&format!("/agreements/new?template={}{query}", one.name)),
        title: one.title.of(lang).to_owned(),
        about: one.about.of(lang).to_owned(),
        is_chosen: one.name == raw.template,
    });
    Ok(FormPage {
        chrome: page.chrome(),
        changes: changes.map(|agreement| agreement.facts.title.clone()),
        action: changes.map_or_else(
            || page.path("/agreements/new"),
            |agreement| page.path(&format!("/agreements/{}/edit", agreement.id)),
        ),
        back: changes.map_or_else(
            || page.path("/agreements"),
            |agreement| page.path(&format!("/agreements/{}", agreement.id)),
        ),
        templates: if changes.is_some() {
            Vec::new()
        } else {
            templates.collect()
        },
        source_url: chosen.and_then(|template| template.source_url.clone()),
        kinds: Kind::ALL
            .iter()
            .map(|kind| Choice {
                value: kind.name().to_owned(),
                label: lang.t(&format!("agreement-kind-{}", kind.name().replace('_', "-"))),
                hint: String::new(),
                is_chosen: raw.kind == kind.name(),
            })
            .collect(),
        layers: Layer::ALL
            .iter()
            .map(|layer| Choice {
                value: layer.name().to_owned(),
                label: words::layer(lang, *layer),
                hint: lang.t(&format!("layer-{}-hint", layer.name().replace('_', "-"))),
                is_chosen: raw.layers.iter().any(|one| one == layer.name()),
            })
            .collect(),
        datasets: datasets
            .into_iter()
            .map(|(id, title)| Choice {
                is_chosen: raw.datasets.contains(&id.to_string()),
                value: id.to_string(),
                label: title,
                hint: String::new(),
            })
            .collect(),
        errors: problems(lang, errors),
        raw,
    })
}

#[derive(Deserialize)]
struct Query {
    template: Option<String>,
    dataset: Option<DatasetId>,
}

#[get("/{lang:nl|en}/agreements/new")]
async fn new(page: Page, db: web::Data<Db>, query: web::Query<Query>) -> PageResult {
    let actor = page.actor();
    let _permit = policy::check(actor, Action::EditAgreement, &Scope::of(actor.institution))?;
    let mut raw = RawFacts {
        datasets: query.dataset.iter().map(ToString::to_string).collect(),
        effective_on: db.now().date_naive().to_string(),
        ..RawFacts::default()
    };
    if let Some(template) = query.template.as_deref().and_then(template::find) {
        raw.template = template.name.to_owned();
        raw.kind = template.kind.name().to_owned();
        raw.title = template.title.of(page.lang()).to_owned();
        raw.layers = template
            .layers
            .iter()
            .map(|layer| layer.name().to_owned())
            .collect();
    }
    let drawn = draw(&db, &page, None, raw, &FieldErrors::default()).await?;
    page.show(&drawn)
}

/// Checks the facts; a template that points to a text of law or licence needs nobody's signature.
pub(super) fn parse(
    raw: &RawFacts,
) -> Result<(Facts, Option<&'static template::Template>), FieldErrors> {
    let chosen = template::find(&raw.template);
    let is_signed = chosen.is_none_or(|template| template.source_url.is_none());
    let facts = Facts::parse(raw, is_signed)?;
    Ok((facts, chosen))
}

#[post("/{lang:nl|en}/agreements/new")]
async fn create(
    page: Page,
    db: web::Data<Db>,
    ProtectedForm(raw): ProtectedForm<RawFacts>,
) -> PageResult {
    let (facts, chosen) = match parse(&raw) {
        Ok(parsed) => parsed,
        Err(errors) => {
            let drawn = draw(&db, &page, None, raw, &errors).await?;
            return page.show_invalid(&drawn);
        }
    };
    match register::register(&db, page.actor(), &facts, chosen).await {
        Ok(id) => Ok(back_with(
            &page.path(&format!("/agreements/{id}")),
            "good",
            "flash-agreement-registered",
        )),
        Err(AgreementError::Field(field, say)) => {
            let mut errors = FieldErrors::default();
            errors.add(field, say);
            let drawn = draw(&db, &page, None, raw, &errors).await?;
            page.show_invalid(&drawn)
        }
        Err(error) => Err(AppError::from(error).into()),
    }
}

async fn editable(db: &Db, page: &Page, id: AgreementId) -> Result<Agreement, AppError> {
    let agreement = visible(db, page.actor(), id).await?;
    let _permit = register::check(page.actor(), Action::EditAgreement, &agreement)?;
    if agreement.status.is_editable() {
        Ok(agreement)
    } else {
        Err(AppError::conflict("agreement-frozen"))
    }
}

#[get("/{lang:nl|en}/agreements/{id}/edit")]
async fn edit(page: Page, db: web::Data<Db>, path: web::Path<(String, AgreementId)>) -> PageResult {
    let agreement = editable(&db, &page, path.1).await?;
    let raw = agreement.facts.to_raw(agreement.template.as_deref());
    let drawn = draw(&db, &page, Some(&agreement), raw, &FieldErrors::default()).await?;
    page.show(&drawn)
}

#[post("/{lang:nl|en}/agreements/{id}/edit")]
async fn describe(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, AgreementId)>,
    ProtectedForm(raw): ProtectedForm<RawFacts>,
) -> PageResult {
    let agreement = editable(&db, &page, path.1).await?;
    // The template it began with does not change with the form.
    let raw = RawFacts {
        template: agreement.template.clone().unwrap_or_default(),
        ..raw
    };
    let outcome = match parse(&raw) {
        Err(errors) => Err(errors),
        Ok((facts, _)) => match register::describe(&db, page.actor(), agreement.id, &facts).await {
            Ok(()) => Ok(()),
            Err(AgreementError::Field(field, say)) => {
                let mut errors = FieldErrors::default();
                errors.add(field, say);
                Err(errors)
            }
            Err(error) => return Err(AppError::from(error).into()),
        },
    };
    match outcome {
        Ok(()) => Ok(back_with(
            &page.path(&format!("/agreements/{}", agreement.id)),
            "good",
            "flash-agreement-described",
        )),
        Err(errors) => {
            let drawn = draw(&db, &page, Some(&agreement), raw, &errors).await?;
            page.show_invalid(&drawn)
        }
    }
}
