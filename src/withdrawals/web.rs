//! Where one's data is used, and the page that withdraws.

use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use serde::Deserialize;

use super::{
    cascade,
    reach::{Reach, reach},
    store,
};
use crate::{
    datasets,
    db::Db,
    error::{AppError, Say},
    ids::DatasetId,
    policy::{self, Action, Visibility, visible},
    web::{
        ApiActor, ApiResult, Chrome, FieldErrors, Page, PageResult, ProtectedForm, ProtectedJson,
        Text, back_with, filters, moment, number,
    },
};

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(contributions)
        .service(ask)
        .service(confirm)
        .service(show_json)
        .service(confirm_json);
}

struct JobRow {
    title: String,
    institution: String,
    status: String,
    when: String,
}

struct ModelRow {
    name: String,
    institution: String,
    serving: String,
}

struct Contribution {
    title: String,
    href: String,
    withdraw_href: Option<String>,
    state: String,
    badge: &'static str,
    jobs: Vec<JobRow>,
    models: Vec<ModelRow>,
    keys: String,
    tokens: String,
    is_used: bool,
}

#[derive(Template)]
#[template(path = "withdrawals/contributions.html")]
struct ContributionsPage {
    chrome: Chrome,
    contributions: Vec<Contribution>,
}

fn job_rows(page: &Page, db: &Db, reach: &Reach) -> Vec<JobRow> {
    let lang = page.lang();
    reach
        .jobs
        .iter()
        .map(|job| JobRow {
            title: job.title.clone(),
            institution: job.institution_name.clone(),
            status: lang.t(&format!("jobs-status-{}", job.status.name())),
            when: moment(lang, db.now(), job.requested_at),
        })
        .collect()
}

fn model_rows(page: &Page, reach: &Reach) -> Vec<ModelRow> {
    let lang = page.lang();
    reach
        .models
        .iter()
        .map(|model| ModelRow {
            name: model.name.clone(),
            institution: model.institution.clone(),
            serving: lang.t(if model.is_served {
                "model-serving-ready"
            } else {
                "model-serving-none"
            }),
        })
        .collect()
}

/// For each dataset: where it is used, by whom, how much of it was read.
#[get("/{lang:nl|en}/contributions")]
async fn contributions(page: Page, db: web::Data<Db>) -> PageResult {
    let visibility = visible(page.actor(), Action::GivePermission);
    if visibility == Visibility::Nothing {
        return Err(AppError::Forbidden(Say::new("denied-role")).into());
    }
    let mut conn = db.read().await?;
    let own = store::contributions(&mut conn, visibility).await?;
    drop(conn);
    let lang = page.lang();
    let mut contributions = Vec::new();
    for dataset in own {
        let reach = reach(&db, dataset.id).await?;
        let (state, badge) = match dataset.withdrawn_at {
            Some(at) => (
                lang.t_with(
                    "contribution-withdrawn",
                    &[("when", moment(lang, db.now(), at))],
                ),
                "refused",
            ),
            None if dataset.has_permission => (lang.t("contribution-permitted"), "granted"),
            None => (
                lang.t_with(
                    "contribution-undecided",
                    &[("when", moment(lang, db.now(), dataset.created_at))],
                ),
                "neutral",
            ),
        };
        contributions.push(Contribution {
            href: page.path(&format!("/datasets/{}", dataset.id)),
            withdraw_href: dataset
                .has_permission
                .then(|| page.path(&format!("/datasets/{}/withdraw", dataset.id))),
            title: dataset.title,
            state,
            badge,
            jobs: job_rows(&page, &db, &reach),
            models: model_rows(&page, &reach),
            keys: number(lang, i64::try_from(reach.keys).unwrap_or(i64::MAX)),
            tokens: number(lang, reach.tokens_read),
            is_used: !reach.jobs.is_empty(),
        });
    }
    page.show(&ContributionsPage {
        chrome: page.chrome(),
        contributions,
    })
}

struct Problem {
    field: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "withdrawals/ask.html")]
struct AskPage {
    chrome: Chrome,
    dataset: DatasetId,
    title: String,
    jobs: Vec<JobRow>,
    models: Vec<ModelRow>,
    summary: String,
    reason: String,
    errors: Vec<Problem>,
}

impl AskPage {
    fn error(&self, field: &str) -> &str {
        self.errors
            .iter()
            .find(|problem| problem.field == field)
            .map_or("", |problem| problem.text.as_str())
    }
}

async fn own_dataset(
    db: &Db,
    actor: &policy::Actor,
    id: DatasetId,
) -> Result<datasets::Dataset, AppError> {
    let dataset = datasets::find(db, id).await?.ok_or(AppError::NotFound)?;
    // Whoever may not even see it hears that it is not there.
    let _seen = policy::check(actor, Action::ViewDataset, &dataset.scope())?;
    let _permit = policy::check(actor, Action::WithdrawPermission, &dataset.scope())?;
    Ok(dataset)
}

async fn draw(
    page: &Page,
    db: &Db,
    dataset: datasets::Dataset,
    reason: String,
    errors: &FieldErrors,
) -> Result<AskPage, AppError> {
    let reach = reach(db, dataset.id).await?;
    let lang = page.lang();
    let count = |n: usize| n.to_string();
    Ok(AskPage {
        chrome: page.chrome(),
        dataset: dataset.id,
        title: dataset.facts.title,
        jobs: job_rows(page, db, &reach),
        models: model_rows(page, &reach),
        summary: lang.t_with(
            "withdrawal-summary",
            &[
                ("jobs", count(reach.unfinished_jobs())),
                ("models", count(reach.models.len())),
                ("keys", count(reach.keys)),
            ],
        ),
        reason,
        errors: errors
            .iter()
            .map(|(field, say)| Problem {
                field,
                text: lang.say(say),
            })
            .collect(),
    })
}

/// Shows everything that a withdrawal would touch, before it is confirmed.
#[get("/{lang:nl|en}/datasets/{dataset}/withdraw")]
async fn ask(page: Page, db: web::Data<Db>, path: web::Path<(String, DatasetId)>) -> PageResult {
    let dataset = own_dataset(&db, page.actor(), path.1).await?;
    let drawn = draw(&page, &db, dataset, String::new(), &FieldErrors::default()).await?;
    page.show(&drawn)
}

#[derive(Deserialize)]
struct Form {
    #[serde(default)]
    reason: String,
}

fn parse(form: &Form) -> Result<String, FieldErrors> {
    let mut errors = FieldErrors::default();
    let bounds = Text {
        least: 1,
        most: 2000,
    };
    let reason = errors.text("reason", &form.reason, bounds);
    errors.into_result(reason)
}

#[post("/{lang:nl|en}/datasets/{dataset}/withdraw")]
async fn confirm(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
    ProtectedForm(form): ProtectedForm<Form>,
) -> PageResult {
    let dataset = own_dataset(&db, page.actor(), path.1).await?;
    let reason = match parse(&form) {
        Ok(reason) => reason,
        Err(errors) => {
            let drawn = draw(&page, &db, dataset, form.reason, &errors).await?;
            return page.show_invalid(&drawn);
        }
    };
    cascade::withdraw(&db, page.actor(), dataset.id, &reason).await?;
    Ok(back_with(
        &page.path("/contributions"),
        "good",
        "flash-permission-withdrawn",
    ))
}

#[get("/api/v1/datasets/{dataset}/reach")]
async fn show_json(actor: ApiActor, db: web::Data<Db>, path: web::Path<DatasetId>) -> ApiResult {
    let dataset = own_dataset(&db, &actor.0, *path).await?;
    let reach = reach(&db, dataset.id).await?;
    Ok(HttpResponse::Ok().json(serde_json::json!({
        "versions": reach.versions,
        "jobs": reach.jobs.iter().map(|job| job.id).collect::<Vec<_>>(),
        "models": reach.models,
        "keys": reach.keys,
        "tokens_read": reach.tokens_read,
    })))
}

#[post("/api/v1/datasets/{dataset}/withdraw")]
async fn confirm_json(
    db: web::Data<Db>,
    path: web::Path<DatasetId>,
    request: ProtectedJson<Form>,
) -> ApiResult {
    let dataset = own_dataset(&db, &request.actor, *path).await?;
    let reason =
        parse(&request.body).map_err(|_| AppError::Invalid(Say::new("withdrawal-needs-reason")))?;
    let id = cascade::withdraw(&db, &request.actor, dataset.id, &reason).await?;
    Ok(HttpResponse::Ok().json(serde_json::json!({ "withdrawal": id })))
}
