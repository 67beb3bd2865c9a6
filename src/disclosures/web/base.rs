//! The page with the facts of a base model: an operator states them with the evidence, everybody signed in may
//! read them.

use actix_web::{get, post, web};
use askama::Template;

use super::{FormProblem, error_of, problems, visible_model};
use crate::{
    db::Db,
    disclosures::{
        BaseFacts, Compute, MODALITIES, RawBaseFacts, describe_base, document::scientific, store,
    },
    error::AppError,
    ids::ModelId,
    models::{Kind, Model},
    policy::{self, Action},
    web::{Chrome, FieldErrors, Page, PageResult, ProtectedForm, back_with, filters, number},
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
#[template(path = "disclosures/base.html")]
struct BasePage {
    chrome: Chrome,
    id: ModelId,
    name: String,
    can_edit: bool,
    facts: Vec<Fact>,
    raw: RawBaseFacts,
    inputs: Vec<Choice>,
    outputs: Vec<Choice>,
    basis: Vec<Choice>,
    errors: Vec<FormProblem>,
}

impl BasePage {
    fn error(&self, field: &str) -> &str {
        error_of(&self.errors, field)
    }
}

async fn base(db: &Db, page: &Page, id: ModelId) -> Result<(Model, Option<BaseFacts>), AppError> {
    let mut conn = db.read().await?;
    let model = visible_model(&mut conn, page.actor(), id).await?;
    if model.kind != Kind::Base {
        return Err(AppError::NotFound);
    }
    let known = store::base_facts(&mut conn, id, db.now()).await?;
    Ok((model, known.map(|known| known.facts)))
}

fn draw(
    page: &Page,
    (model, known): (&Model, Option<&BaseFacts>),
    raw: RawBaseFacts,
    errors: &FieldErrors,
) -> BasePage {
    let lang = page.lang();
    let choices = |chosen: &[String]| {
        MODALITIES
            .into_iter()
            .map(|value| Choice {
                value,
                label: lang.t(&format!("disclosure-modality-{value}")),
                hint: String::new(),
                is_chosen: chosen.iter().any(|one| one == value),
            })
            .collect()
    };
    BasePage {
        chrome: page.chrome(),
        id: model.id,
        name: model.name.clone(),
        can_edit: policy::check(page.actor(), Action::RegisterBaseModel, &model.scope()).is_ok(),
        facts: known.map(|known| facts(page, known)).unwrap_or_default(),
        inputs: choices(&raw.input_modalities),
        outputs: choices(&raw.output_modalities),
        basis: ["known", "estimated", "unknown"]
            .into_iter()
            .map(|value| Choice {
                value,
                label: lang.t(&format!("disclosure-basis-{value}")),
                hint: lang.t(&format!("disclosure-basis-{value}-hint")),
                is_chosen: raw.compute_basis == value,
            })
            .collect(),
        raw,
        errors: problems(lang, errors),
    }
}

fn facts(page: &Page, known: &BaseFacts) -> Vec<Fact> {
    let lang = page.lang();
    let compute = match known.compute {
        Compute::Known { flop } | Compute::Estimated { flop } => {
            format!("{} FLOP", scientific(lang, flop))
        }
        Compute::Unknown => lang.t("disclosure-basis-unknown"),
    };
    let fact = |key: &str, value: String| Fact {
        name: lang.t(key),
        value,
        href: None,
    };
    vec![
        fact("disclosure-base-provider", known.provider.clone()),
        Fact {
            href: Some(known.evidence_url.clone()),
            ..fact("disclosure-base-evidence", known.evidence_url.clone())
        },
        fact("disclosure-field-licence", known.license.clone()),
        fact("disclosure-base-released", known.released_on.to_string()),
        fact(
            "disclosure-field-parameters",
            number(lang, i64::try_from(known.parameters).unwrap_or(i64::MAX)),
        ),
        fact(
            "disclosure-field-architecture",
            known.architecture.of_lang(lang).to_owned(),
        ),
        fact(
            "disclosure-field-max-input",
            number(lang, i64::from(known.context_length)),
        ),
        fact("disclosure-field-base-compute", compute),
    ]
}

#[get("/{lang:nl|en}/models/{model}/base-facts")]
async fn ask(page: Page, db: web::Data<Db>, path: web::Path<(String, ModelId)>) -> PageResult {
    let (model, known) = base(&db, &page, path.1).await?;
    let raw = known.as_ref().map(BaseFacts::to_raw).unwrap_or_default();
    page.show(&draw(
        &page,
        (&model, known.as_ref()),
        raw,
        &FieldErrors::default(),
    ))
}

#[post("/{lang:nl|en}/models/{model}/base-facts")]
async fn describe(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, ModelId)>,
    ProtectedForm(raw): ProtectedForm<RawBaseFacts>,
) -> PageResult {
    let (model, known) = base(&db, &page, path.1).await?;
    let _permit = policy::check(page.actor(), Action::RegisterBaseModel, &model.scope())
        .map_err(AppError::from)?;
    let facts = match BaseFacts::parse(&raw) {
        Ok(facts) => facts,
        Err(errors) => {
            return page.show_invalid(&draw(&page, (&model, known.as_ref()), raw, &errors));
        }
    };
    describe_base(&db, page.actor(), model.id, &facts).await?;
    Ok(back_with(
        &page.path(&format!("/models/{}/base-facts", model.id)),
        "good",
        "flash-disclosure-base-described",
    ))
}
