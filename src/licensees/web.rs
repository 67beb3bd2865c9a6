//! The page of the register.

use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use chrono::NaiveDate;
use chrono_tz::Europe::Amsterdam;
use serde::Deserialize;

use super::{
    licensee::{Licence, Licensee, New},
    register::{add, end},
    store,
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::{LicenseeId, ModelId},
    models,
    permissions::Territory,
    policy::{self, Action, Actor, Scope},
    web::{
        ApiActor, ApiResult, Chrome, FieldErrors, Page, PageResult, ProtectedForm, ProtectedJson,
        Text, back_with, filters,
    },
};

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(index)
        .service(register)
        .service(ended)
        .service(index_json)
        .service(register_json)
        .service(ended_json);
}

#[derive(Deserialize, Default, Clone)]
struct Form {
    #[serde(default)]
    model: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    contact: String,
    #[serde(default)]
    licence: String,
    #[serde(default)]
    country: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
}

/// What was typed, as a licensee; the model by its name in requests.
async fn parse(db: &Db, form: &Form) -> Result<New, FieldErrors> {
    let mut errors = FieldErrors::default();
    let text = |most| Text { least: 1, most };
    let model_name = errors.text("model", &form.model, text(150));
    let name = errors.text("name", &form.name, text(200));
    let contact = errors.text("contact", &form.contact, text(254));
    let is_address = contact
        .split_once('@')
        .is_some_and(|(who, at)| !who.is_empty() && !at.is_empty() && !at.contains('@'))
        && !contact.contains(char::is_whitespace);
    if !is_address && errors.of("contact").is_none() {
        errors.add("contact", Say::new("licensee-contact-wrong"));
    }
    let licence = Licence::parse(&form.licence);
    if licence.is_none() {
        errors.add("licence", Say::new("licensee-licence-missing"));
    }
    let country = form.country.trim().to_ascii_uppercase();
    let is_country = matches!(country.parse(), Ok(Territory::Country(_)));
    if !country.is_empty() && !is_country {
        errors.add("country", Say::new("licensee-country-wrong"));
    }
    let today = db.now().with_timezone(&Amsterdam).date_naive();
    let mut date = |field: &'static str, text: &str, empty: Option<NaiveDate>| {
        if text.trim().is_empty() {
            return empty;
        }
        let date = text.trim().parse::<NaiveDate>().ok();
        if date.is_none() {
            errors.add(field, Say::new("licensee-date-wrong"));
        }
        date
    };
    let since = date("since", &form.since, Some(today));
    let until = date("until", &form.until, None);
    if let (Some(since), Some(until)) = (since, until)
        && until < since
    {
        errors.add("until", Say::new("licensee-until-before"));
    }
    let mut model = None;
    if errors.of("model").is_none() {
        let found = match db.read().await {
            Ok(mut conn) => models::find_by_name(&mut conn, &model_name).await.ok(),
            Err(_) => None,
        };
        model = found.flatten().map(|model| model.id);
        if model.is_none() {
            errors.add("model", Say::new("licensee-unknown-model"));
        }
    }
    match (model, licence, since) {
        (Some(model), Some(licence), Some(since)) if errors.is_empty() => Ok(New {
            model,
            name,
            contact,
            licence,
            country: (!country.is_empty()).then_some(country),
            since,
            until,
        }),
        _ => Err(errors),
    }
}

struct Row {
    id: LicenseeId,
    name: String,
    contact: String,
    model: String,
    model_href: String,
    licence: String,
    country: String,
    since: String,
    until: String,
    goes_on: bool,
}

struct Problem {
    field: &'static str,
    text: String,
}

struct Choice {
    value: &'static str,
    label: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "licensees/index.html")]
struct IndexPage {
    chrome: Chrome,
    listed: Vec<Row>,
    may_manage: bool,
    form: Form,
    licences: Vec<Choice>,
    errors: Vec<Problem>,
}

impl IndexPage {
    fn error(&self, field: &str) -> &str {
        self.errors
            .iter()
            .find(|problem| problem.field == field)
            .map_or("", |problem| problem.text.as_str())
    }
}

fn may(actor: &Actor, action: Action) -> bool {
    policy::check(actor, action, &Scope::of(actor.institution)).is_ok()
}

fn must_view(actor: &Actor) -> Result<(), AppError> {
    let _permit = policy::check(actor, Action::ViewLicensees, &Scope::of(actor.institution))?;
    Ok(())
}

async fn draw(
    page: &Page,
    db: &Db,
    form: Form,
    errors: &FieldErrors,
) -> Result<IndexPage, AppError> {
    must_view(page.actor())?;
    let mut conn = db.read().await?;
    let listed = store::list(&mut conn, None).await?;
    drop(conn);
    let lang = page.lang();
    let row = |one: Licensee| Row {
        id: one.id,
        name: one.name,
        contact: one.contact,
        model_href: page.path(&format!("/models/{}", one.model)),
        model: one.model_name,
        licence: lang.t(&format!("licensee-licence-{}", one.licence.name())),
        country: one.country.unwrap_or_default(),
        since: one.since.to_string(),
        until: one.until.map(|date| date.to_string()).unwrap_or_default(),
        goes_on: !one.is_ended,
    };
    Ok(IndexPage {
        chrome: page.chrome(),
        listed: listed.into_iter().map(row).collect(),
        may_manage: may(page.actor(), Action::ManageLicensees),
        licences: Licence::ALL
            .into_iter()
            .map(|licence| Choice {
                value: licence.name(),
                label: lang.t(&format!("licensee-licence-{}", licence.name())),
                is_chosen: form.licence == licence.name(),
            })
            .collect(),
        form,
        errors: errors
            .iter()
            .map(|(field, say)| Problem {
                field,
                text: lang.say(say),
            })
            .collect(),
    })
}

#[derive(Deserialize)]
struct Query {
    #[serde(default)]
    model: String,
}

#[get("/{lang:nl|en}/admin/licensees")]
async fn index(page: Page, db: web::Data<Db>, query: web::Query<Query>) -> PageResult {
    let form = Form {
        model: query.into_inner().model,
        ..Form::default()
    };
    let drawn = draw(&page, &db, form, &FieldErrors::default()).await?;
    page.show(&drawn)
}

#[post("/{lang:nl|en}/admin/licensees")]
async fn register(
    page: Page,
    db: web::Data<Db>,
    ProtectedForm(form): ProtectedForm<Form>,
) -> PageResult {
    must_view(page.actor())?;
    match parse(&db, &form).await {
        Ok(new) => {
            add(&db, page.actor(), &new).await.map_err(AppError::from)?;
            Ok(back_with(
                &page.path("/admin/licensees"),
                "good",
                "flash-licensee-added",
            ))
        }
        Err(errors) => {
            let drawn = draw(&page, &db, form, &errors).await?;
            page.show_invalid(&drawn)
        }
    }
}

#[derive(Deserialize)]
struct Nothing {}

#[post("/{lang:nl|en}/admin/licensees/{licensee}/end")]
async fn ended(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, LicenseeId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    end(&db, page.actor(), path.1)
        .await
        .map_err(AppError::from)?;
    Ok(back_with(
        &page.path("/admin/licensees"),
        "good",
        "flash-licensee-ended",
    ))
}

#[derive(Deserialize)]
struct ApiQuery {
    model: Option<ModelId>,
}

#[get("/api/v1/licensees")]
async fn index_json(actor: ApiActor, db: web::Data<Db>, query: web::Query<ApiQuery>) -> ApiResult {
    must_view(&actor.0)?;
    let mut conn = db.read().await.map_err(AppError::from)?;
    let listed = store::list(&mut conn, query.model)
        .await
        .map_err(AppError::from)?;
    let listed: Vec<_> = listed
        .iter()
        .map(|one| {
            serde_json::json!({
                "id": one.id, "model": one.model, "model_name": one.model_name, "name": one.name,
                "contact": one.contact, "licence": one.licence, "since": one.since, "until": one.until,
                "is_ended": one.is_ended,
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(serde_json::json!({ "licensees": listed })))
}

#[post("/api/v1/licensees")]
async fn register_json(db: web::Data<Db>, request: ProtectedJson<Form>) -> ApiResult {
    must_view(&request.actor)?;
    let new = parse(&db, &request.body).await.map_err(|errors| {
        let first = errors.iter().next().map(|(_, say)| say.clone());
        AppError::Invalid(first.unwrap_or_else(|| Say::new("form-unreadable")))
    })?;
    let id = add(&db, &request.actor, &new)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::Created().json(serde_json::json!({ "id": id })))
}

#[post("/api/v1/licensees/{licensee}/end")]
async fn ended_json(
    db: web::Data<Db>,
    path: web::Path<LicenseeId>,
    request: ProtectedJson<Nothing>,
) -> ApiResult {
    end(&db, &request.actor, *path)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::NoContent().finish())
}
