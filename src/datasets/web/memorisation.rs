//! How much of a dataset a model may keep by heart: the page on which its institution sets that, and what was set.

use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use serde_json::json;

use super::{
    super::{
        Dataset, MemorisationLimit, NewMemorisationLimit, RawMemorisationLimit, SetLimit,
        check_edit, find_visible, limit_memorisation, memorisation_history, percent,
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

struct HistoryRow {
    says: String,
    reason: String,
    who: String,
    when: String,
    exact: String,
}

#[derive(Template)]
#[template(path = "datasets/memorisation.html")]
struct MemorisationPage {
    chrome: Chrome,
    id: DatasetId,
    title: String,
    /// What holds now.
    now: Vec<String>,
    raw: RawMemorisationLimit,
    history: Vec<HistoryRow>,
    errors: Vec<FormProblem>,
}

impl MemorisationPage {
    fn error(&self, field: &str) -> &str {
        self.errors
            .iter()
            .find(|problem| problem.field == field)
            .map_or("", |problem| problem.text.as_str())
    }
}

/// A limit in sentences.
fn sentences(lang: Lang, limit: &MemorisationLimit) -> Vec<String> {
    let mut sentences = Vec::new();
    if let Some(share) = limit.most_extracted {
        let share = percent(share).replace('.', if lang == Lang::Nl { "," } else { "." });
        sentences.push(lang.t_with("memorisation-says-extracted", &[("percent", share)]));
    }
    if let Some(tokens) = limit.longest_match {
        let tokens = tokens.to_string();
        sentences.push(lang.t_with("memorisation-says-longest", &[("tokens", tokens)]));
    }
    if sentences.is_empty() {
        sentences.push(lang.t("memorisation-says-none"));
    }
    sentences
}

async fn own(db: &Db, actor: &Actor, id: DatasetId) -> Result<Dataset, AppError> {
    let dataset = find_visible(db, actor, id)
        .await?
        .ok_or(AppError::NotFound)?;
    let _permit = check_edit(actor, &dataset)?;
    Ok(dataset)
}

async fn on_record(db: &Db, id: DatasetId) -> Result<Vec<SetLimit>, AppError> {
    let mut conn = db.read().await?;
    Ok(memorisation_history(&mut conn, id).await?)
}

fn holding(history: &[SetLimit]) -> MemorisationLimit {
    history
        .first()
        .map_or_else(Default::default, |one| one.limit)
}

async fn draw(
    db: &Db,
    page: &Page,
    dataset: &Dataset,
    (raw, errors): (Option<RawMemorisationLimit>, &FieldErrors),
) -> Result<MemorisationPage, AppError> {
    let (lang, now) = (page.lang(), db.now());
    let history = on_record(db, dataset.id).await?;
    let limit = holding(&history);
    Ok(MemorisationPage {
        chrome: page.chrome(),
        id: dataset.id,
        title: dataset.facts.title.clone(),
        now: sentences(lang, &limit),
        raw: raw.unwrap_or_else(|| RawMemorisationLimit::of(&limit)),
        history: history
            .into_iter()
            .map(|one| HistoryRow {
                says: sentences(lang, &one.limit).join(" "),
                reason: one.reason,
                who: one.by_name,
                when: moment(lang, now, one.at),
                exact: one.at.to_rfc3339(),
            })
            .collect(),
        errors: problems(lang, errors),
    })
}

#[get("/{lang:nl|en}/datasets/{id}/memorisation")]
pub(super) async fn ask(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
) -> PageResult {
    let dataset = own(&db, page.actor(), path.1).await?;
    page.show(&draw(&db, &page, &dataset, (None, &FieldErrors::default())).await?)
}

#[post("/{lang:nl|en}/datasets/{id}/memorisation")]
pub(super) async fn set(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
    ProtectedForm(raw): ProtectedForm<RawMemorisationLimit>,
) -> PageResult {
    let dataset = own(&db, page.actor(), path.1).await?;
    let new = match NewMemorisationLimit::parse(&raw) {
        Ok(new) => new,
        Err(errors) => {
            let shown = draw(&db, &page, &dataset, (Some(raw), &errors)).await?;
            return page.show_invalid(&shown);
        }
    };
    limit_memorisation(&db, page.actor(), dataset.id, &new).await?;
    Ok(back_with(
        &page.path(&format!("/datasets/{}/memorisation", dataset.id)),
        "good",
        "flash-memorisation-limited",
    ))
}

fn as_json(history: &[SetLimit]) -> serde_json::Value {
    json!({
        "limit": holding(history),
        "history": history.iter().map(|one| json!({
            "id": one.id, "limit": one.limit, "reason": one.reason, "set_by": one.by_name, "set_at": one.at,
        })).collect::<Vec<_>>(),
    })
}

/// What was set; for whoever may set it.
#[get("/api/v1/datasets/{id}/memorisation-limit")]
pub(super) async fn find_json(
    db: web::Data<Db>,
    ApiActor(actor): ApiActor,
    id: web::Path<DatasetId>,
) -> ApiResult {
    let dataset = own(&db, &actor, *id).await?;
    Ok(HttpResponse::Ok().json(as_json(&on_record(&db, dataset.id).await?)))
}

/// Sets it.
#[post("/api/v1/datasets/{id}/memorisation-limit")]
pub(super) async fn set_json(
    db: web::Data<Db>,
    id: web::Path<DatasetId>,
    request: ProtectedJson<RawMemorisationLimit>,
) -> ApiResult {
    let dataset = own(&db, &request.actor, *id).await?;
    let new = NewMemorisationLimit::parse(&request.body).map_err(|errors| wrong_field(&errors))?;
    limit_memorisation(&db, &request.actor, dataset.id, &new).await?;
    Ok(HttpResponse::Ok().json(as_json(&on_record(&db, dataset.id).await?)))
}
