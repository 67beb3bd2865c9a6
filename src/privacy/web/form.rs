//! The form in which an assessment is filled in.

use actix_web::{get, post, web};
use askama::Template;

use super::{
    super::{
        Assessment, Basis, CriminalBasis, Outcome, PrivacyError, RawAssessment, Special,
        SpecialBasis, fill as filling,
    },
    parts::key,
    show::load,
};
use crate::{
    db::Db,
    error::AppError,
    ids::DatasetId,
    policy::{self, Action},
    web::{Chrome, FieldErrors, Page, PageResult, ProtectedForm, back_with, filters},
};

struct Choice {
    value: &'static str,
    label: String,
    hint: String,
    is_chosen: bool,
}

struct Problem {
    field: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "privacy/form.html")]
struct FormPage {
    chrome: Chrome,
    dataset: DatasetId,
    title: String,
    raw: RawAssessment,
    bases: Vec<Choice>,
    special: Vec<Choice>,
    special_bases: Vec<Choice>,
    criminal_bases: Vec<Choice>,
    results: Vec<Choice>,
    errors: Vec<Problem>,
}

impl FormPage {
    fn error(&self, field: &str) -> &str {
        self.errors
            .iter()
            .find(|problem| problem.field == field)
            .map_or("", |problem| problem.text.as_str())
    }
}

fn draw(
    page: &Page,
    dataset: DatasetId,
    title: String,
    raw: RawAssessment,
    errors: &FieldErrors,
) -> FormPage {
    let lang = page.lang();
    let choice = |prefix: &str, value: &'static str, is_chosen| Choice {
        value,
        label: lang.t(&format!("{prefix}-{}", key(value))),
        hint: String::new(),
        is_chosen,
    };
    let none = |key: &str, chosen: &str| Choice {
        value: "",
        label: lang.t(key),
        hint: String::new(),
        is_chosen: chosen.is_empty(),
    };
    let mut criminal_bases = vec![none("assessment-criminal-none", &raw.criminal_basis)];
    criminal_bases.extend(CriminalBasis::ALL.iter().map(|one| {
        let is_chosen = raw.criminal_basis == one.name();
        choice("assessment-criminal", one.name(), is_chosen)
    }));
    let mut special_bases = vec![none("assessment-art9-none", &raw.special_basis)];
    special_bases.extend(SpecialBasis::ALL.iter().map(|one| {
        choice(
            "assessment-art9",
            one.name(),
            raw.special_basis == one.name(),
        )
    }));
    FormPage {
        chrome: page.chrome(),
        dataset,
        title,
        bases: Basis::ALL
            .iter()
            .map(|one| {
                let is_chosen = raw.bases.iter().any(|b| b == one.name());
                choice("assessment-basis", one.name(), is_chosen)
            })
            .collect(),
        special: Special::ALL
            .iter()
            .map(|one| {
                let is_chosen = raw.special.iter().any(|s| s == one.name());
                choice("assessment-special", one.name(), is_chosen)
            })
            .collect(),
        special_bases,
        criminal_bases,
        results: Outcome::ALL
            .iter()
            .map(|one| choice("assessment-result", one.name(), raw.result == one.name()))
            .collect(),
        errors: errors
            .iter()
            .map(|(field, say)| Problem {
                field,
                text: lang.say(say),
            })
            .collect(),
        raw,
    }
}

/// The title and what the form begins with: the newest text, where there is one.
async fn begun(
    db: &Db,
    page: &Page,
    dataset: DatasetId,
) -> Result<(String, RawAssessment), AppError> {
    let (subject, filed) = load(db, page.actor(), dataset).await?;
    let _permit = policy::check(page.actor(), Action::FillPrivacy, &subject.scope())?;
    if !subject.has_personal_data {
        return Err(PrivacyError::NoPersonalData.into());
    }
    let raw = filed
        .last()
        .map(|one| one.assessment.to_raw())
        .unwrap_or_default();
    Ok((subject.title, raw))
}

#[get("/{lang:nl|en}/datasets/{dataset}/privacy/new")]
pub(super) async fn new(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
) -> PageResult {
    let (title, raw) = begun(&db, &page, path.1).await?;
    page.show(&draw(&page, path.1, title, raw, &FieldErrors::default()))
}

#[post("/{lang:nl|en}/datasets/{dataset}/privacy/new")]
pub(super) async fn fill(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
    ProtectedForm(raw): ProtectedForm<RawAssessment>,
) -> PageResult {
    let dataset = path.1;
    let (title, _) = begun(&db, &page, dataset).await?;
    let assessment = match Assessment::parse(&raw) {
        Ok(assessment) => assessment,
        Err(errors) => return page.show_invalid(&draw(&page, dataset, title, raw, &errors)),
    };
    filling::fill(&db, page.actor(), dataset, &assessment).await?;
    Ok(back_with(
        &page.path(&format!("/datasets/{dataset}/privacy")),
        "good",
        "flash-assessment-filled",
    ))
}
