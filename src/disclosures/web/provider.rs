//! The page with the facts of the provider: an admin states them, everybody signed in may read them.

use actix_web::{get, post, web};
use askama::Template;

use super::{FormProblem, error_of, problems};
use crate::{
    db::Db,
    disclosures::{ProviderFacts, RawProviderFacts, describe_provider, store},
    error::AppError,
    policy::{self, Action, Scope},
    web::{Chrome, FieldErrors, Page, PageResult, ProtectedForm, back_with, filters},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(ask).service(describe);
}

struct Choice {
    value: &'static str,
    label: String,
    hint: String,
    is_chosen: bool,
}

struct Fact {
    name: String,
    value: String,
    href: Option<String>,
}

#[derive(Template)]
#[template(path = "disclosures/provider.html")]
struct ProviderPage {
    chrome: Chrome,
    can_edit: bool,
    /// What is on record, for those who cannot change it.
    facts: Vec<Fact>,
    raw: RawProviderFacts,
    signatory: Vec<Choice>,
    errors: Vec<FormProblem>,
}

impl ProviderPage {
    fn error(&self, field: &str) -> &str {
        error_of(&self.errors, field)
    }
}

fn may_edit(page: &Page) -> bool {
    let actor = page.actor();
    let scope = Scope::of(actor.institution);
    policy::check(actor, Action::DescribeProvider, &scope).is_ok()
}

fn draw(page: &Page, raw: RawProviderFacts, errors: &FieldErrors) -> ProviderPage {
    let lang = page.lang();
    ProviderPage {
        chrome: page.chrome(),
        can_edit: may_edit(page),
        facts: facts(page, &raw),
        signatory: ["yes", "no"]
            .into_iter()
            .map(|value| Choice {
                value,
                label: lang.t(&format!("disclosure-provider-signatory-{value}")),
                hint: String::new(),
                is_chosen: raw.code_signatory == value,
            })
            .collect(),
        raw,
        errors: problems(lang, errors),
    }
}

fn facts(page: &Page, raw: &RawProviderFacts) -> Vec<Fact> {
    let lang = page.lang();
    let in_lang = |nl: &String, en: &String| match lang {
        crate::web::Lang::Nl => nl.clone(),
        crate::web::Lang::En => en.clone(),
    };
    [
        ("provider-name", raw.name.clone()),
        (
            "provider-contact",
            format!("{}, {}", raw.address, raw.contact),
        ),
        ("acceptable-use", raw.acceptable_use_url.clone()),
        (
            "copyright-policy",
            in_lang(&raw.copyright_policy_nl, &raw.copyright_policy_en),
        ),
        ("copyright-contact", raw.copyright_contact.clone()),
        ("complaint-mechanism", raw.complaint_url.clone()),
        (
            "reservations",
            in_lang(&raw.reservations_nl, &raw.reservations_en),
        ),
        (
            "illegal-content",
            in_lang(&raw.illegal_content_nl, &raw.illegal_content_en),
        ),
    ]
    .into_iter()
    .filter(|_| !raw.name.is_empty())
    .map(|(key, value)| Fact {
        name: lang.t(&format!("disclosure-field-{key}")),
        href: value.starts_with("http").then(|| value.clone()),
        value,
    })
    .collect()
}

#[get("/{lang:nl|en}/admin/provider")]
async fn ask(page: Page, db: web::Data<Db>) -> PageResult {
    let mut conn = db.read().await?;
    let known = store::provider(&mut conn, db.now()).await?;
    let raw = known.map(|known| known.facts.to_raw()).unwrap_or_default();
    page.show(&draw(&page, raw, &FieldErrors::default()))
}

#[post("/{lang:nl|en}/admin/provider")]
async fn describe(
    page: Page,
    db: web::Data<Db>,
    ProtectedForm(raw): ProtectedForm<RawProviderFacts>,
) -> PageResult {
    let actor = page.actor();
    let scope = Scope::of(actor.institution);
    // Said before the form is looked at: who may not do this gets no help with the fields.
    let _permit = policy::check(actor, Action::DescribeProvider, &scope).map_err(AppError::from)?;
    let facts = match ProviderFacts::parse(&raw) {
        Ok(facts) => facts,
        Err(errors) => return page.show_invalid(&draw(&page, raw, &errors)),
    };
    describe_provider(&db, actor, &facts).await?;
    Ok(back_with(
        &page.path("/admin/provider"),
        "good",
        "flash-disclosure-provider-described",
    ))
}
