//! The page on which a manager gives permission.

use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use chrono::NaiveDate;
use serde::Deserialize;

use super::{
    Duties, Evidence, Layer, Purpose, Recipients, Terms,
    give::{self, NewPermission},
    store,
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::DatasetId,
    policy::{self, Action, Scope},
    web::{
        ApiResult, Chrome, FieldErrors, Page, PageResult, ProtectedForm, ProtectedJson, Text,
        back_with, filters,
    },
};

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(show).service(submit).service(submit_json);
}

/// What the form holds, as typed.
#[derive(Debug, Clone, Default, Deserialize)]
struct Form {
    #[serde(default)]
    layers: Vec<String>,
    #[serde(default)]
    purposes: Vec<String>,
    #[serde(default)]
    recipients: String,
    #[serde(default)]
    commercial: String,
    #[serde(default)]
    valid_from: String,
    #[serde(default)]
    valid_until: String,
    #[serde(default)]
    evidence: String,
    #[serde(default)]
    delete_within_days: String,
}

/// One option of a group.
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
#[template(path = "permissions/give.html")]
struct GivePage {
    chrome: Chrome,
    dataset: DatasetId,
    title: String,
    layers: Vec<Choice>,
    purposes: Vec<Choice>,
    recipients: Vec<Choice>,
    commercial: Vec<Choice>,
    form: Form,
    errors: Vec<Problem>,
}

impl GivePage {
    fn error(&self, field: &str) -> &str {
        self.errors
            .iter()
            .find(|problem| problem.field == field)
            .map_or("", |problem| problem.text.as_str())
    }
}

async fn title_for_manager(db: &Db, page: &Page, dataset: DatasetId) -> Result<String, AppError> {
    let mut conn = db.read().await?;
    let row = store::dataset(&mut conn, dataset)
        .await?
        .ok_or(AppError::NotFound)?;
    let scope = Scope::of(row.institution);
    let _permit = policy::check(page.actor(), Action::GivePermission, &scope)?;
    Ok(row.title)
}

fn draw(
    page: &Page,
    dataset: DatasetId,
    title: String,
    form: Form,
    errors: &FieldErrors,
) -> GivePage {
    let lang = page.lang();
    let choice = |prefix: &str, name: &'static str, is_chosen: bool| Choice {
        value: name,
        label: lang.t(&format!("{prefix}-{}", name.replace('_', "-"))),
        hint: String::new(),
        is_chosen,
    };
    GivePage {
        chrome: page.chrome(),
        dataset,
        title,
        layers: Layer::ALL
            .iter()
            .map(|layer| {
                let mut choice = choice(
                    "layer",
                    layer.name(),
                    form.layers.iter().any(|l| l == layer.name()),
                );
                choice.hint = lang.t(&format!("layer-{}-hint", layer.name().replace('_', "-")));
                choice
            })
            .collect(),
        purposes: Purpose::ALL
            .iter()
            .map(|p| {
                choice(
                    "purpose",
                    p.name(),
                    form.purposes.iter().any(|f| f == p.name()),
                )
            })
            .collect(),
        recipients: Recipients::ALL
            .iter()
            .map(|r| choice("recipients", r.name(), form.recipients == r.name()))
            .collect(),
        commercial: ["no", "yes"]
            .into_iter()
            .map(|word| choice("commercial", word, form.commercial == word))
            .collect(),
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

#[get("/{lang:nl|en}/datasets/{dataset}/permission")]
async fn show(page: Page, db: web::Data<Db>, path: web::Path<(String, DatasetId)>) -> PageResult {
    let dataset = path.1;
    let title = title_for_manager(&db, &page, dataset).await?;
    let today = db.now().date_naive();
    let form = Form {
        layers: vec!["copyright".into()],
        purposes: vec!["fine_tuning".into(), "evaluation".into()],
        recipients: "consortium".into(),
        commercial: "no".into(),
        valid_from: today.to_string(),
        valid_until: today
            .checked_add_months(chrono::Months::new(24))
            .unwrap_or(today)
            .to_string(),
        evidence: String::new(),
        delete_within_days: "30".into(),
    };
    page.show(&draw(&page, dataset, title, form, &FieldErrors::default()))
}

#[post("/{lang:nl|en}/datasets/{dataset}/permission")]
async fn submit(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
    ProtectedForm(form): ProtectedForm<Form>,
) -> PageResult {
    let dataset = path.1;
    let title = title_for_manager(&db, &page, dataset).await?;
    let permissions = match parse(&form) {
        Ok(permissions) => permissions,
        Err(errors) => {
            return page.show_invalid(&draw(&page, dataset, title, form, &errors));
        }
    };
    give::give(&db, page.actor(), dataset, &permissions).await?;
    Ok(back_with(
        &page.path(&format!("/datasets/{dataset}")),
        "good",
        "flash-permission-given",
    ))
}

/// Gives permission by program: the same fields as the form.
#[post("/api/v1/datasets/{dataset}/permissions")]
async fn submit_json(
    db: web::Data<Db>,
    path: web::Path<DatasetId>,
    request: ProtectedJson<Form>,
) -> ApiResult {
    let permissions = parse(&request.body).map_err(|errors| {
        let field = errors.iter().next().map_or("", |(field, _)| field);
        AppError::Invalid(Say::new("permission-field-wrong").with("field", field))
    })?;
    let ids = give::give(&db, &request.actor, *path, &permissions).await?;
    Ok(HttpResponse::Created().json(serde_json::json!({ "permissions": ids })))
}

fn parse(form: &Form) -> Result<Vec<NewPermission>, FieldErrors> {
    let mut errors = FieldErrors::default();
    let layers: Vec<Layer> = form.layers.iter().filter_map(|l| l.parse().ok()).collect();
    if layers.is_empty() || layers.len() != form.layers.len() {
        errors.add("layers", Say::new("field-choice"));
    }
    let purposes: Vec<Purpose> = form
        .purposes
        .iter()
        .filter_map(|p| p.parse().ok())
        .collect();
    if purposes.is_empty() || purposes.len() != form.purposes.len() {
        errors.add("purposes", Say::new("field-choice"));
    }
    let recipients = errors.choice("recipients", form.recipients.parse::<Recipients>().ok());
    let is_commercial = errors.choice(
        "commercial",
        match form.commercial.as_str() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        },
    );
    let mut day = |field: &'static str, text: &str| {
        let found = text.parse::<NaiveDate>().ok();
        errors.choice(field, found)
    };
    let from = day("valid_from", &form.valid_from);
    let until = day("valid_until", &form.valid_until);
    if let (Some(from), Some(until)) = (from, until)
        && until < from
    {
        errors.add("valid_until", Say::new("permission-ends-before-it-begins"));
    }
    let evidence = errors.text(
        "evidence",
        &form.evidence,
        Text {
            least: 1,
            most: 500,
        },
    );
    let days = errors.number("delete_within_days", &form.delete_within_days, 1, 3650);
    let (Some(recipients), Some(allows_commercial_use), Some(valid_from), Some(valid_until)) =
        (recipients, is_commercial, from, until)
    else {
        return Err(errors);
    };
    let terms = Terms {
        purposes,
        recipients,
        allows_commercial_use,
        valid_from,
        valid_until,
        evidence: Evidence {
            document_sha256: None,
            note: evidence,
        },
        duties: Duties {
            delete_within_days: u32::try_from(days).unwrap_or(30),
            ..Duties::default()
        },
        ..Terms::nothing()
    };
    errors.into_result(
        layers
            .into_iter()
            .map(|layer| NewPermission {
                layer,
                terms: terms.clone(),
            })
            .collect(),
    )
}
