//! The page on which a manager gives permission.

use actix_web::{HttpResponse, get, post, web};
use askama::Template;

use super::{
    super::{
        Layer, OnWithdrawal, Purpose, Recipients,
        give::{self, NewPermission},
        store, words,
    },
    form::Form,
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::DatasetId,
    policy::{self, Action, Scope},
    web::{
        ApiResult, Chrome, FieldErrors, Page, PageResult, ProtectedForm, ProtectedJson, back_with,
        filters,
    },
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(show).service(submit).service(submit_json);
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
    versions: Vec<Choice>,
    purposes: Vec<Choice>,
    prohibited: Vec<Choice>,
    recipients: Vec<Choice>,
    commercial: Vec<Choice>,
    report_use: Vec<Choice>,
    compensate: Vec<Choice>,
    on_withdrawal: Vec<Choice>,
    /// What the permission would say; empty before it was asked for.
    preview: Vec<words::Sentence>,
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
    parsed: &Result<Vec<NewPermission>, FieldErrors>,
) -> GivePage {
    let lang = page.lang();
    let choice = |prefix: &str, name: &'static str, is_chosen: bool| Choice {
        value: name,
        label: lang.t(&format!("{prefix}-{}", name.replace('_', "-"))),
        hint: String::new(),
        is_chosen,
    };
    let hinted = |prefix: &str, name: &'static str, is_chosen: bool| Choice {
        hint: lang.t(&format!("{prefix}-{}-hint", name.replace('_', "-"))),
        ..choice(prefix, name, is_chosen)
    };
    let has = |list: &[String], name: &str| list.iter().any(|one| one == name);
    let purposes = |chosen: &[String]| -> Vec<Choice> {
        Purpose::ALL
            .iter()
            .map(|one| choice("purpose", one.name(), has(chosen, one.name())))
            .collect()
    };
    let single = |key: &str, chosen: &str| {
        vec![Choice {
            value: "yes",
            label: lang.t(key),
            hint: String::new(),
            is_chosen: chosen == "yes",
        }]
    };
    GivePage {
        chrome: page.chrome(),
        dataset,
        title,
        layers: Layer::ALL
            .iter()
            .map(|one| hinted("layer", one.name(), has(&form.layers, one.name())))
            .collect(),
        versions: ["all", "newest"]
            .into_iter()
            .map(|name| choice("permission-versions", name, form.versions == name))
            .collect(),
        purposes: purposes(&form.purposes),
        prohibited: purposes(&form.prohibited),
        recipients: Recipients::ALL
            .iter()
            .map(|one| choice("recipients", one.name(), form.recipients == one.name()))
            .collect(),
        commercial: ["no", "yes"]
            .into_iter()
            .map(|word| choice("commercial", word, form.commercial == word))
            .collect(),
        report_use: single("permission-report-use", &form.report_use),
        compensate: single("permission-compensate", &form.compensate),
        on_withdrawal: OnWithdrawal::ALL
            .iter()
            .map(|one| {
                hinted(
                    "on-withdrawal",
                    one.name(),
                    form.on_withdrawal == one.name(),
                )
            })
            .collect(),
        preview: parsed
            .as_ref()
            .ok()
            .and_then(|given| given.first())
            .filter(|_| form.action == "preview")
            .map(|given| words::sentences(lang, &given.terms))
            .unwrap_or_default(),
        errors: parsed
            .as_ref()
            .err()
            .into_iter()
            .flat_map(FieldErrors::iter)
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
    let form = Form::fresh(db.now().date_naive());
    page.show(&draw(&page, dataset, title, form, &Ok(Vec::new())))
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
    let parsed = form.parse();
    let permissions = match &parsed {
        Err(_) => return page.show_invalid(&draw(&page, dataset, title, form, &parsed)),
        Ok(_) if form.action == "preview" => {
            return page.show(&draw(&page, dataset, title, form, &parsed));
        }
        Ok(permissions) => permissions,
    };
    give::give(&db, page.actor(), dataset, permissions).await?;
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
    let permissions = request.body.parse().map_err(|errors| {
        let field = errors.iter().next().map_or("", |(field, _)| field);
        AppError::Invalid(Say::new("permission-field-wrong").with("field", field))
    })?;
    let ids = give::give(&db, &request.actor, *path, &permissions).await?;
    Ok(HttpResponse::Created().json(serde_json::json!({ "permissions": ids })))
}
