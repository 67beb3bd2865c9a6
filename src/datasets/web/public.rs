//! What public summaries say of a dataset: stated by its institution, also after the dataset is frozen.

use actix_web::{HttpResponse, get, post, web};
use askama::Template;

use super::{
    super::{
        CONTENT_TYPES, Dataset, PublicFacts, RawPublicFacts, SourceCategory, StatedFacts,
        check_edit, find_visible, stated, supply,
    },
    FormProblem,
    api::wrong_field,
    problems,
};
use crate::{
    db::Db,
    error::AppError,
    ids::DatasetId,
    policy::Actor,
    web::{
        ApiActor, ApiResult, Chrome, FieldErrors, Lang, Page, PageResult, ProtectedForm,
        ProtectedJson, back_with, filters, moment,
    },
};

/// One of the words that may be chosen.
pub(super) struct PublicOption {
    pub(super) value: &'static str,
    pub(super) label: String,
    pub(super) hint: String,
    pub(super) is_chosen: bool,
}

/// The categories, with "not stated" before them.
pub(super) fn categories(lang: Lang, chosen: &str) -> Vec<PublicOption> {
    let none = PublicOption {
        value: "",
        label: lang.t("public-facts-category-none"),
        hint: String::new(),
        is_chosen: chosen.is_empty(),
    };
    std::iter::once(none)
        .chain(SourceCategory::ALL.into_iter().map(|one| PublicOption {
            value: one.name(),
            label: lang.t(&format!("source-category-{}", one.name())),
            hint: String::new(),
            is_chosen: chosen == one.name(),
        }))
        .collect()
}

/// The kinds of text.
pub(super) fn content_types(lang: Lang, chosen: &[String]) -> Vec<PublicOption> {
    CONTENT_TYPES
        .into_iter()
        .map(|name| PublicOption {
            value: name,
            label: lang.t(&format!("content-type-{name}")),
            hint: String::new(),
            is_chosen: chosen.iter().any(|one| one == name),
        })
        .collect()
}

fn yes_or_no(lang: Lang, chosen: &str) -> Vec<PublicOption> {
    ["yes", "no"]
        .into_iter()
        .map(|value| PublicOption {
            value,
            label: lang.t(&format!("datasets-personal-data-{value}")),
            hint: String::new(),
            is_chosen: chosen == value,
        })
        .collect()
}

#[derive(Template)]
#[template(path = "datasets/public_facts.html")]
struct PublicFactsPage {
    chrome: Chrome,
    id: DatasetId,
    title: String,
    /// Since when what is shown is on record; empty where nothing is.
    stated: String,
    raw: RawPublicFacts,
    categories: Vec<PublicOption>,
    content_types: Vec<PublicOption>,
    users_of_models: Vec<PublicOption>,
    users_of_services: Vec<PublicOption>,
    errors: Vec<FormProblem>,
}

impl PublicFactsPage {
    /// Whether the questions for a category are shown at once: it is the chosen one, or one of them is wrong.
    fn is_open(&self, category: &str) -> bool {
        let is_of = |field: &str| match category {
            "public_dataset" => field == "address",
            "crawled" => field.starts_with("crawl"),
            "user_data" => field.starts_with("users_of"),
            _ => field == "models",
        };
        self.raw.source_category == category
            || self.errors.iter().any(|problem| is_of(problem.field))
    }

    fn error(&self, field: &str) -> &str {
        self.errors
            .iter()
            .find(|problem| problem.field == field)
            .map_or("", |problem| problem.text.as_str())
    }
}

async fn own(db: &Db, actor: &Actor, id: DatasetId) -> Result<Dataset, AppError> {
    let dataset = find_visible(db, actor, id)
        .await?
        .ok_or(AppError::NotFound)?;
    let _permit = check_edit(actor, &dataset)?;
    Ok(dataset)
}

async fn on_record(db: &Db, id: DatasetId) -> Result<Option<StatedFacts>, AppError> {
    let mut conn = db.read().await?;
    Ok(stated(&mut conn, id, db.now()).await?)
}

fn draw(
    page: &Page,
    dataset: &Dataset,
    stated: String,
    raw: RawPublicFacts,
    errors: &FieldErrors,
) -> PublicFactsPage {
    let lang = page.lang();
    PublicFactsPage {
        chrome: page.chrome(),
        id: dataset.id,
        title: dataset.facts.title.clone(),
        stated,
        categories: categories(lang, &raw.source_category),
        content_types: content_types(lang, &raw.content_types),
        users_of_models: yes_or_no(lang, &raw.users_of_models),
        users_of_services: yes_or_no(lang, &raw.users_of_services),
        raw,
        errors: problems(lang, errors),
    }
}

#[get("/{lang:nl|en}/datasets/{id}/public-facts")]
pub(super) async fn ask(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
) -> PageResult {
    let dataset = own(&db, page.actor(), path.1).await?;
    let (lang, now) = (page.lang(), db.now());
    let (since, raw) = match on_record(&db, dataset.id).await? {
        Some(stated) => (
            lang.t_with(
                "public-facts-since",
                &[("when", moment(lang, now, stated.recorded_at))],
            ),
            stated.facts.to_raw(),
        ),
        None => (String::new(), RawPublicFacts::default()),
    };
    page.show(&draw(&page, &dataset, since, raw, &FieldErrors::default()))
}

#[post("/{lang:nl|en}/datasets/{id}/public-facts")]
pub(super) async fn state(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
    ProtectedForm(raw): ProtectedForm<RawPublicFacts>,
) -> PageResult {
    let dataset = own(&db, page.actor(), path.1).await?;
    let facts = match PublicFacts::parse(&raw) {
        Ok(facts) => facts,
        Err(errors) => {
            return page.show_invalid(&draw(&page, &dataset, String::new(), raw, &errors));
        }
    };
    supply(&db, page.actor(), dataset.id, &facts).await?;
    Ok(back_with(
        &page.path(&format!("/datasets/{}", dataset.id)),
        "good",
        "flash-public-facts-stated",
    ))
}

fn json(stated: Option<StatedFacts>) -> serde_json::Value {
    serde_json::json!({
        "id": stated.as_ref().map(|stated| stated.id),
        "recorded_at": stated.as_ref().map(|stated| stated.recorded_at),
        "facts": stated.map(|stated| stated.facts),
    })
}

/// What is on record for public summaries; for whoever may state it.
#[get("/api/v1/datasets/{id}/public-facts")]
pub(super) async fn find_json(
    db: web::Data<Db>,
    ApiActor(actor): ApiActor,
    id: web::Path<DatasetId>,
) -> ApiResult {
    let dataset = own(&db, &actor, *id).await?;
    Ok(HttpResponse::Ok().json(json(on_record(&db, dataset.id).await?)))
}

/// States it.
#[post("/api/v1/datasets/{id}/public-facts")]
pub(super) async fn state_json(
    db: web::Data<Db>,
    id: web::Path<DatasetId>,
    request: ProtectedJson<RawPublicFacts>,
) -> ApiResult {
    let dataset = own(&db, &request.actor, *id).await?;
    let facts = PublicFacts::parse(&request.body).map_err(|errors| wrong_field(&errors))?;
    supply(&db, &request.actor, dataset.id, &facts).await?;
    Ok(HttpResponse::Ok().json(json(on_record(&db, dataset.id).await?)))
}
