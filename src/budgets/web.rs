//! The page where budgets are set, and where institutions see theirs.

use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use chrono::{Days, NaiveDate};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    budget::Budget,
    day,
    set::{BudgetError, Draft, set},
    store,
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::InstitutionId,
    policy::{self, Action, Actor, Scope, visible},
    web::{
        ApiActor, ApiResult, Chrome, FieldErrors, Lang, Page, PageResult, ProtectedForm,
        ProtectedJson, back_with, filters, number,
    },
};

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(index)
        .service(put_form)
        .service(index_json)
        .service(put_json);
}

/// The most of anything: more hours than all machines have in a century.
const MOST: i64 = 1_000_000_000;

#[derive(Deserialize, Default, Clone)]
struct Form {
    /// The short name.
    #[serde(default)]
    institution: String,
    #[serde(default)]
    begins_on: String,
    /// The last day.
    #[serde(default)]
    ends_on: String,
    /// Whole; empty: no limit.
    #[serde(default)]
    sbu: String,
    #[serde(default)]
    gpu_hours: String,
    #[serde(default)]
    core_hours: String,
}

type Institutions = Vec<(InstitutionId, String, String)>;

fn parse(form: &Form, institutions: &Institutions) -> Result<Draft, FieldErrors> {
    let mut errors = FieldErrors::default();
    let institution = institutions
        .iter()
        .find(|(_, slug, _)| *slug == form.institution.trim())
        .map(|(id, ..)| *id);
    let institution = errors.choice("institution", institution);
    let mut date = |field, text: &str| {
        let date = text.trim().parse::<NaiveDate>().ok();
        if date.is_none() {
            errors.add(field, Say::new("budgets-date-wrong"));
        }
        date
    };
    let begins_on = date("begins_on", &form.begins_on);
    let last = date("ends_on", &form.ends_on);
    let ends_on = last.and_then(|last| last.checked_add_days(Days::new(1)));
    if let (Some(begins_on), Some(ends_on)) = (begins_on, ends_on)
        && ends_on <= begins_on
    {
        errors.add("ends_on", Say::new("budgets-ends-before"));
    }
    let mut limit = |field, text: &str, of: i64| {
        let text = text.trim();
        (!text.is_empty()).then(|| errors.number(field, text, 0, MOST) * of)
    };
    let milli_sbu = limit("sbu", &form.sbu, 1000);
    let gpu_seconds = limit("gpu_hours", &form.gpu_hours, 3600);
    let core_seconds = limit("core_hours", &form.core_hours, 3600);
    match (institution, begins_on, ends_on) {
        (Some(institution), Some(begins_on), Some(ends_on)) => errors.into_result(Draft {
            institution,
            begins_on,
            ends_on,
            milli_sbu,
            gpu_seconds,
            core_seconds,
        }),
        _ => Err(errors),
    }
}

struct Amount {
    limit: String,
    used: String,
    reserved: String,
}

struct Row {
    institution: String,
    period: String,
    sbu: Amount,
    gpu_hours: Amount,
    core_hours: Amount,
}

struct Choice {
    value: String,
    label: String,
    is_chosen: bool,
}

struct Problem {
    field: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "budgets/index.html")]
struct IndexPage {
    chrome: Chrome,
    listed: Vec<Row>,
    /// Said where the institution that looks has no budget now.
    has_none_now: bool,
    may_set: bool,
    institutions: Vec<Choice>,
    form: Form,
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

async fn listed(db: &Db, actor: &Actor) -> Result<Vec<Budget>, AppError> {
    let _permit = policy::check(actor, Action::ViewBudget, &Scope::of(actor.institution))?;
    let mut conn = db.read().await?;
    let of = visible(actor, Action::ViewBudget).filter();
    Ok(store::list(&mut conn, of).await?)
}

fn row(lang: Lang, budget: &Budget) -> Row {
    let amount = |limit: Option<i64>, used: i64, reserved: i64, of: i64| Amount {
        limit: limit.map_or_else(|| lang.t("budgets-no-limit"), |it| number(lang, it / of)),
        used: number(lang, (used + of - 1) / of),
        reserved: number(lang, (reserved + of - 1) / of),
    };
    let (used, held) = (&budget.used, &budget.reserved);
    let last = budget.ends_on.pred_opt().unwrap_or(budget.ends_on);
    Row {
        institution: budget.institution_name.clone(),
        period: format!("{} – {last}", budget.begins_on),
        sbu: amount(budget.milli_sbu, used.milli_sbu, held.milli_sbu, 1000),
        gpu_hours: amount(budget.gpu_seconds, used.gpu_seconds, held.gpu_seconds, 3600),
        core_hours: amount(
            budget.core_seconds,
            used.core_seconds,
            held.core_seconds,
            3600,
        ),
    }
}

async fn draw(
    page: &Page,
    db: &Db,
    form: Form,
    errors: &FieldErrors,
) -> Result<IndexPage, AppError> {
    let (lang, actor) = (page.lang(), page.actor());
    let budgets = listed(db, actor).await?;
    let today = day(db.now());
    let has_none_now = !actor.is_platform()
        && !budgets
            .iter()
            .any(|budget| budget.begins_on <= today && today < budget.ends_on);
    let may_set = may(actor, Action::SetBudget);
    let institutions = if may_set {
        let mut conn = db.read().await?;
        store::institutions(&mut conn).await?
    } else {
        Vec::new()
    };
    Ok(IndexPage {
        chrome: page.chrome(),
        listed: budgets.iter().map(|budget| row(lang, budget)).collect(),
        has_none_now,
        may_set,
        institutions: institutions
            .into_iter()
            .map(|(_, slug, name)| Choice {
                is_chosen: slug == form.institution,
                value: slug,
                label: name,
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

#[get("/{lang:nl|en}/admin/budgets")]
async fn index(page: Page, db: web::Data<Db>) -> PageResult {
    let drawn = draw(&page, &db, Form::default(), &FieldErrors::default()).await?;
    page.show(&drawn)
}

fn must_set(actor: &Actor) -> Result<(), AppError> {
    let _permit = policy::check(actor, Action::SetBudget, &Scope::of(actor.institution))?;
    Ok(())
}

#[post("/{lang:nl|en}/admin/budgets")]
async fn put_form(
    page: Page,
    db: web::Data<Db>,
    ProtectedForm(form): ProtectedForm<Form>,
) -> PageResult {
    must_set(page.actor())?;
    let institutions = {
        let mut conn = db.read().await?;
        store::institutions(&mut conn).await?
    };
    let errors = match parse(&form, &institutions) {
        Ok(draft) => match set(&db, page.actor(), &draft).await {
            Ok(_) => {
                let back = page.path("/admin/budgets");
                return Ok(back_with(&back, "good", "flash-budget-set"));
            }
            Err(BudgetError::Overlaps) => {
                let mut errors = FieldErrors::default();
                errors.add("begins_on", Say::new("budgets-overlap"));
                errors
            }
            Err(error) => return Err(AppError::from(error).into()),
        },
        Err(errors) => errors,
    };
    let drawn = draw(&page, &db, form, &errors).await?;
    page.show_invalid(&drawn)
}

fn as_json(budget: &Budget) -> Value {
    let amount = |limit: Option<i64>, used: i64, reserved: i64| {
        json!({
            "limit": limit,
            "used": used,
            "reserved": reserved,
            "left": limit.map(|limit| (limit - used - reserved).max(0)),
        })
    };
    let (used, held) = (&budget.used, &budget.reserved);
    json!({
        "id": budget.id,
        "institution": budget.institution_name,
        "begins_on": budget.begins_on,
        "ends_on": budget.ends_on.pred_opt(),
        "milli_sbu": amount(budget.milli_sbu, used.milli_sbu, held.milli_sbu),
        "gpu_seconds": amount(budget.gpu_seconds, used.gpu_seconds, held.gpu_seconds),
        "core_seconds": amount(budget.core_seconds, used.core_seconds, held.core_seconds),
    })
}

/// The budgets that the caller may see, the newest first. An institution without one has no limit.
#[get("/api/v1/budgets")]
async fn index_json(actor: ApiActor, db: web::Data<Db>) -> ApiResult {
    let budgets = listed(&db, &actor.0).await?;
    let data: Vec<Value> = budgets.iter().map(as_json).collect();
    Ok(HttpResponse::Ok().json(json!({ "data": data })))
}

/// A budget as programs write it, in the units that are counted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The short name.
    institution: String,
    begins_on: NaiveDate,
    /// The last day.
    ends_on: NaiveDate,
    milli_sbu: Option<i64>,
    gpu_seconds: Option<i64>,
    core_seconds: Option<i64>,
}

/// Sets a budget.
#[post("/api/v1/budgets")]
async fn put_json(db: web::Data<Db>, sent: ProtectedJson<Wanted>) -> ApiResult {
    must_set(&sent.actor)?;
    let wanted = &sent.body;
    let institutions = {
        let mut conn = db.read().await?;
        store::institutions(&mut conn).await?
    };
    let institution = institutions
        .iter()
        .find(|(_, slug, _)| *slug == wanted.institution)
        .map(|(id, ..)| *id)
        .ok_or_else(|| AppError::invalid("budgets-unknown-institution"))?;
    let ends_on = wanted
        .ends_on
        .checked_add_days(Days::new(1))
        .filter(|ends_on| *ends_on > wanted.begins_on)
        .ok_or_else(|| AppError::invalid("budgets-ends-before"))?;
    let limits = [wanted.milli_sbu, wanted.gpu_seconds, wanted.core_seconds];
    if limits
        .into_iter()
        .flatten()
        .any(|limit| !(0..=MOST.saturating_mul(3600)).contains(&limit))
    {
        return Err(AppError::invalid("budgets-limit-wrong").into());
    }
    let draft = Draft {
        institution,
        begins_on: wanted.begins_on,
        ends_on,
        milli_sbu: wanted.milli_sbu,
        gpu_seconds: wanted.gpu_seconds,
        core_seconds: wanted.core_seconds,
    };
    let id = set(&db, &sent.actor, &draft)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::Ok().json(json!({ "id": id })))
}
