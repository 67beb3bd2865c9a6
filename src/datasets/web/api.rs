//! Datasets for programs.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        Dataset, Facts, File, FileState, Format, RawFacts, Status, begin_next_version, files,
        find_visible, history, store,
    },
    form,
    list::{pattern, seen_by},
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::{DatasetId, DatasetVersionId, FileId},
    policy::{self, Action, Scope},
    web::{ApiActor, ApiResult, FieldErrors, Lang, ProtectedJson},
};

#[derive(Serialize)]
struct FileJson {
    id: FileId,
    path: String,
    state: FileState,
    size: i64,
    format: Option<Format>,
    sha256: Option<String>,
    documents: Option<i64>,
    characters: Option<i64>,
    problem: Option<String>,
}

impl From<File> for FileJson {
    fn from(file: File) -> Self {
        Self {
            id: file.id,
            path: file.path,
            state: file.state,
            size: file.size_bytes,
            format: file.format,
            sha256: file.sha256,
            documents: file.documents,
            characters: file.characters,
            problem: file.problem.map(|problem| Lang::En.say(&problem.say())),
        }
    }
}

#[derive(Serialize)]
struct VersionJson {
    id: DatasetVersionId,
    number: i32,
    status: Status,
    manifest_sha256: Option<String>,
    submitted_at: Option<DateTime<Utc>>,
    decided_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<FileJson>>,
}

#[derive(Serialize)]
struct DatasetJson {
    id: DatasetId,
    institution: String,
    #[serde(flatten)]
    facts: Facts,
    is_published: bool,
    created_at: DateTime<Utc>,
    version: VersionJson,
}

fn json(dataset: Dataset, files: Option<Vec<File>>) -> DatasetJson {
    let version = dataset.version;
    DatasetJson {
        id: dataset.id,
        institution: dataset.institution_name,
        facts: dataset.facts,
        is_published: dataset.is_published,
        created_at: dataset.created_at,
        version: VersionJson {
            id: version.id,
            number: version.number,
            status: version.status,
            manifest_sha256: version.manifest_sha256,
            submitted_at: version.submitted_at,
            decided_at: version.decided_at,
            files: files.map(|files| files.into_iter().map(FileJson::from).collect()),
        },
    }
}

/// The first thing that is wrong with what was sent.
pub(super) fn wrong_field(errors: &FieldErrors) -> AppError {
    let what = errors.iter().next();
    let (field, problem) = what.map_or(("", String::new()), |(field, say)| {
        (*field, Lang::En.say(say))
    });
    AppError::Invalid(
        Say::new("datasets-field-wrong")
            .with("field", field)
            .with("problem", problem),
    )
}

/// Registers a dataset: the fields of the form.
#[post("/api/v1/datasets")]
pub(super) async fn register(db: web::Data<Db>, request: ProtectedJson<RawFacts>) -> ApiResult {
    let (facts, public) = form::parse(&request.body).map_err(|errors| wrong_field(&errors))?;
    let id = super::super::register(&db, &request.actor, &facts, &public).await?;
    let dataset = super::super::find(&db, id)
        .await?
        .ok_or(AppError::NotFound)?;
    Ok(HttpResponse::Created()
        .insert_header(("location", format!("/api/v1/datasets/{id}")))
        .json(json(dataset, Some(Vec::new()))))
}

#[derive(Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    q: String,
    before: Option<uuid::Uuid>,
}

/// The datasets that the caller may see, newest first, 50 at a time.
#[get("/api/v1/datasets")]
pub(super) async fn list(
    db: web::Data<Db>,
    ApiActor(actor): ApiActor,
    query: web::Query<Query>,
) -> ApiResult {
    let mut conn = db.read().await?;
    let found = store::list(
        &mut conn,
        &store::Listing {
            of: seen_by(&actor),
            pattern: &pattern(&query.q),
            before: query.before,
            limit: 50,
        },
    )
    .await?;
    let datasets: Vec<_> = found.into_iter().map(|one| json(one, None)).collect();
    Ok(HttpResponse::Ok().json(serde_json::json!({ "datasets": datasets })))
}

/// One dataset with the files of its newest version; for others than its own people and the platform, with those that are
/// ready.
#[get("/api/v1/datasets/{id}")]
pub(super) async fn find(
    db: web::Data<Db>,
    ApiActor(actor): ApiActor,
    id: web::Path<DatasetId>,
) -> ApiResult {
    let dataset = find_visible(&db, &actor, *id)
        .await?
        .ok_or(AppError::NotFound)?;
    let own = Scope::of(dataset.institution);
    let sees_all = policy::check(&actor, Action::ViewDataset, &own).is_ok();
    let mut files = files(&db, dataset.version.id).await?;
    // What is told of a file that was rejected may quote it; none of the approved data is in it.
    files.retain(|file| sees_all || file.state == FileState::Ready);
    Ok(HttpResponse::Ok().json(json(dataset, Some(files))))
}

/// Submits the newest version.
#[post("/api/v1/datasets/{id}/submit")]
pub(super) async fn submit(
    db: web::Data<Db>,
    ApiActor(actor): ApiActor,
    id: web::Path<DatasetId>,
) -> ApiResult {
    let manifest = super::super::submit(&db, &actor, *id).await?;
    Ok(HttpResponse::Ok().json(serde_json::json!({
        "status": Status::Submitted,
        "manifest_sha256": manifest,
    })))
}

/// Begins the next version.
#[post("/api/v1/datasets/{id}/versions")]
pub(super) async fn begin_version(
    db: web::Data<Db>,
    ApiActor(actor): ApiActor,
    id: web::Path<DatasetId>,
) -> ApiResult {
    let version = begin_next_version(&db, &actor, *id).await?;
    Ok(HttpResponse::Created().json(serde_json::json!({ "id": version })))
}

/// The versions that the caller may see, newest first.
#[get("/api/v1/datasets/{id}/versions")]
pub(super) async fn list_versions(
    db: web::Data<Db>,
    ApiActor(actor): ApiActor,
    id: web::Path<DatasetId>,
) -> ApiResult {
    let dataset = find_visible(&db, &actor, *id)
        .await?
        .ok_or(AppError::NotFound)?;
    let own = Scope::of(dataset.institution);
    let sees_all = policy::check(&actor, Action::ViewDataset, &own).is_ok();
    let versions: Vec<_> = history(&db, dataset.id)
        .await?
        .into_iter()
        .filter(|one| sees_all || one.status == Status::Approved)
        .map(|one| {
            serde_json::json!({
                "id": one.id, "number": one.number, "status": one.status, "since": one.since,
                "documents": one.documents, "documents_left_out": one.dropped,
                "manifest_sha256": one.manifest_sha256,
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(serde_json::json!({ "versions": versions })))
}
