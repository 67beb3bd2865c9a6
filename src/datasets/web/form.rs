//! The form with the facts of a dataset: to register it, and to change them.

use actix_web::{get, post, web};
use askama::Template;

use super::{
    super::{Confidentiality, Dataset, Facts, PublicFacts, RawFacts, find_visible, stated},
    FormProblem, problems,
    public::{PublicOption, categories, content_types},
};
use crate::{
    db::Db,
    error::AppError,
    ids::DatasetId,
    policy::{self, Action, Scope},
    web::{Chrome, FieldErrors, Page, PageResult, ProtectedForm, back_with, filters},
};

/// Languages that are offered; the API takes any code of two or three letters.
const LANGUAGES: [&str; 11] = [
    "nl", "fy", "nds", "li", "zea", "pap", "af", "en", "de", "fr", "mul",
];
const LICENSES: [&str; 8] = [
    "CC0-1.0",
    "CC-BY-4.0",
    "CC-BY-SA-4.0",
    "CC-BY-NC-4.0",
    "CC-BY-ND-4.0",
    "ODC-By-1.0",
    "ODbL-1.0",
    "EUPL-1.2",
];

struct Choice {
    value: &'static str,
    label: String,
    hint: String,
    is_chosen: bool,
}

struct Language {
    value: String,
    label: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "datasets/form.html")]
struct FormPage {
    chrome: Chrome,
    /// The dataset that is changed; none: a new one is registered.
    changes: Option<String>,
    action: String,
    back: String,
    raw: RawFacts,
    languages: Vec<Language>,
    licenses: Vec<String>,
    personal_data: Vec<Choice>,
    confidentiality: Vec<Choice>,
    categories: Vec<PublicOption>,
    content_types: Vec<PublicOption>,
    errors: Vec<FormProblem>,
}

impl FormPage {
    fn error(&self, field: &str) -> &str {
        self.errors
            .iter()
            .find(|problem| problem.field == field)
            .map_or("", |problem| problem.text.as_str())
    }
}

fn draw(page: &Page, changes: Option<&Dataset>, raw: RawFacts, errors: &FieldErrors) -> FormPage {
    let lang = page.lang();
    let choice = |group: &str, value: &'static str, is_chosen| Choice {
        value,
        label: lang.t(&format!("datasets-{group}-{value}")),
        hint: lang.t(&format!("datasets-{group}-{value}-hint")),
        is_chosen,
    };
    let mut languages: Vec<Language> = LANGUAGES
        .iter()
        .map(|code| Language {
            value: (*code).to_owned(),
            label: lang.t(&format!("datasets-language-{code}")),
            is_chosen: raw.language == *code,
        })
        .collect();
    if !raw.language.is_empty() && !languages.iter().any(|language| language.is_chosen) {
        languages.push(Language {
            value: raw.language.clone(),
            label: raw.language.clone(),
            is_chosen: true,
        });
    }
    let mut licenses = vec![
        lang.t("datasets-licence-public-domain"),
        lang.t("datasets-licence-agreement"),
    ];
    licenses.extend(LICENSES.map(str::to_owned));
    let back = changes.map_or_else(
        || page.path("/datasets"),
        |dataset| page.path(&format!("/datasets/{}", dataset.id)),
    );
    FormPage {
        chrome: page.chrome(),
        changes: changes.map(|dataset| dataset.facts.title.clone()),
        action: changes.map_or_else(
            || page.path("/datasets/new"),
            |dataset| page.path(&format!("/datasets/{}/edit", dataset.id)),
        ),
        back,
        languages,
        licenses,
        personal_data: ["no", "yes"]
            .into_iter()
            .map(|word| choice("personal-data", word, raw.personal_data == word))
            .collect(),
        confidentiality: Confidentiality::ALL
            .into_iter()
            .map(|one| {
                choice(
                    "confidentiality",
                    one.name(),
                    raw.confidentiality == one.name(),
                )
            })
            .collect(),
        categories: categories(lang, &raw.source_category),
        content_types: content_types(lang, &raw.content_types),
        errors: problems(lang, errors),
        raw,
    }
}

#[get("/{lang:nl|en}/datasets/new")]
pub(super) async fn new(page: Page) -> PageResult {
    let actor = page.actor();
    let _permit = policy::check(
        actor,
        Action::RegisterDataset,
        &Scope::of(actor.institution),
    )?;
    let raw = RawFacts {
        language: "nl".into(),
        confidentiality: "internal".into(),
        ..RawFacts::default()
    };
    page.show(&draw(&page, None, raw, &FieldErrors::default()))
}

#[post("/{lang:nl|en}/datasets/new")]
pub(super) async fn register(
    page: Page,
    db: web::Data<Db>,
    ProtectedForm(raw): ProtectedForm<RawFacts>,
) -> PageResult {
    let (facts, public) = match parse(&raw) {
        Ok(parsed) => parsed,
        Err(errors) => return page.show_invalid(&draw(&page, None, raw, &errors)),
    };
    let dataset = super::super::register(&db, page.actor(), &facts, &public).await?;
    Ok(back_with(
        &page.path(&format!("/datasets/{dataset}")),
        "good",
        "flash-datasets-registered",
    ))
}

/// Both parts of the form, or everything that is wrong with either.
pub(super) fn parse(raw: &RawFacts) -> Result<(Facts, PublicFacts), FieldErrors> {
    match (Facts::parse(raw), PublicFacts::parse(&raw.public())) {
        (Ok(facts), Ok(public)) => Ok((facts, public)),
        (facts, public) => Err(facts
            .err()
            .unwrap_or_default()
            .and(public.err().unwrap_or_default())),
    }
}

async fn editable(db: &Db, page: &Page, id: DatasetId) -> Result<Dataset, AppError> {
    let dataset = find_visible(db, page.actor(), id)
        .await?
        .ok_or(AppError::NotFound)?;
    let _permit = policy::check(page.actor(), Action::EditDataset, &dataset.scope())?;
    if !dataset.version.status.is_editable() {
        return Err(AppError::conflict("datasets-frozen"));
    }
    Ok(dataset)
}

#[get("/{lang:nl|en}/datasets/{id}/edit")]
pub(super) async fn edit(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
) -> PageResult {
    let dataset = editable(&db, &page, path.1).await?;
    let mut conn = db.read().await?;
    let public = stated(&mut conn, dataset.id, db.now())
        .await?
        .map(|stated| stated.facts)
        .unwrap_or_default();
    drop(conn);
    let raw = dataset.facts.to_raw().with_public(public.to_raw());
    page.show(&draw(&page, Some(&dataset), raw, &FieldErrors::default()))
}

#[post("/{lang:nl|en}/datasets/{id}/edit")]
pub(super) async fn describe(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
    ProtectedForm(raw): ProtectedForm<RawFacts>,
) -> PageResult {
    let dataset = editable(&db, &page, path.1).await?;
    let (facts, public) = match parse(&raw) {
        Ok(parsed) => parsed,
        Err(errors) => return page.show_invalid(&draw(&page, Some(&dataset), raw, &errors)),
    };
    super::super::describe(&db, page.actor(), dataset.id, &facts, &public).await?;
    Ok(back_with(
        &page.path(&format!("/datasets/{}", dataset.id)),
        "good",
        "flash-datasets-described",
    ))
}
