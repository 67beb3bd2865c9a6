//! The page on which a manager gives permission.

use actix_web::{HttpResponse, get, post, web};
use askama::Template;

use super::{
    super::{
        Layer, OnWithdrawal, Purpose, Recipients,
        give::{self, GiveError, NewPermission},
        store, words,
    },
    begin::{Policy, Read},
    form::Form,
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::DatasetId,
    policy::{self, Action, Scope},
    web::{
        ApiResult, Chrome, FieldErrors, Lang, Page, PageResult, ProtectedForm, ProtectedJson,
        back_with, filters, short_hash,
    },
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(show).service(submit).service(submit_json);
}

/// One option of a group.
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
#[template(path = "permissions/give.html")]
pub(super) struct GivePage {
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
    /// Documents that prove something here; empty where there are none.
    documents: Vec<Choice>,
    /// What was read of a policy that somebody had; none where the form was not begun with one.
    pub(super) read: Option<Read>,
    /// The policy as it was sent, with what was wrong with it.
    pub(super) policy: Policy,
    /// What the permission the permission would say; empty before it was asked for.
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

/// The dataset that a permission is given for, and what can prove it.
pub(super) struct Ground {
    dataset: DatasetId,
    title: String,
    documents: Vec<store::Proof>,
}

pub(super) async fn ground(db: &Db, page: &Page, dataset: DatasetId) -> Result<Ground, AppError> {
    let mut conn = db.read().await?;
    let row = store::dataset(&mut conn, dataset)
        .await?
        .ok_or(AppError::NotFound)?;
    let scope = Scope::of(row.institution);
    let _permit = policy::check(page.actor(), Action::GivePermission, &scope)?;
    Ok(Ground {
        dataset,
        title: row.title,
        documents: store::documents(&mut conn, dataset).await?,
    })
}

/// Documents to choose from, and none of them.
fn documents(lang: Lang, ground: &Ground, form: &Form) -> Vec<Choice> {
    if ground.documents.is_empty() {
        return Vec::new();
    }
    let none = Choice {
        value: String::new(),
        label: lang.t("permission-document-none"),
        hint: String::new(),
        is_chosen: form.document_sha256.is_empty(),
    };
    let known = ground.documents.iter().map(|proof| Choice {
        value: proof.sha256.clone(),
        label: format!("{}: {}", proof.agreement, proof.file_name),
        hint: format!("SHA-256 {}", short_hash(&proof.sha256)),
        is_chosen: form.document_sha256 == proof.sha256,
    });
    std::iter::once(none).chain(known).collect()
}

pub(super) fn draw(
    page: &Page,
    ground: Ground,
    form: Form,
    parsed: &Result<Vec<NewPermission>, FieldErrors>,
) -> GivePage {
    let lang = page.lang();
    let choice = |prefix: &str, name: &'static str, is_chosen: bool| Choice {
        value: name.to_owned(),
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
            value: "yes".to_owned(),
            label: lang.t(key),
            hint: String::new(),
            is_chosen: chosen == "yes",
        }]
    };
    GivePage {
        chrome: page.chrome(),
        dataset: ground.dataset,
        documents: documents(lang, &ground, &form),
        title: ground.title,
        read: None,
        policy: Policy::default(),
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
        report_use: single("permission-report-use-yes", &form.report_use),
        compensate: single("permission-compensate-yes", &form.compensate),
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
    let ground = ground(&db, &page, path.1).await?;
    let form = Form::fresh(db.now().date_naive());
    page.show(&draw(&page, ground, form, &Ok(Vec::new())))
}

#[post("/{lang:nl|en}/datasets/{dataset}/permission")]
async fn submit(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
    ProtectedForm(form): ProtectedForm<Form>,
) -> PageResult {
    let dataset = path.1;
    let ground = ground(&db, &page, dataset).await?;
    let parsed = form.parse();
    let permissions = match &parsed {
        Err(_) => return page.show_invalid(&draw(&page, ground, form, &parsed)),
        Ok(_) if form.action == "preview" => {
            return page.show(&draw(&page, ground, form, &parsed));
        }
        Ok(permissions) => permissions,
    };
    match give::give(&db, page.actor(), dataset, permissions).await {
        Err(GiveError::UnknownDocument) => {
            let mut errors = FieldErrors::default();
            errors.add("document_sha256", Say::new("permission-document-wrong"));
            return page.show_invalid(&draw(&page, ground, form, &Err(errors)));
        }
        done => done?,
    };
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
    let ids = give::give(&db, &request.actor, *path, &permissions)
        .await
        .map_err(|error| match error {
            GiveError::UnknownDocument => AppError::Invalid(
                Say::new("permission-field-wrong").with("field", "document_sha256"),
            ),
            other => other.into(),
        })?;
    Ok(HttpResponse::Created().json(serde_json::json!({ "permissions": ids })))
}
