//! Documents for programs. What is published and public needs no session.

use actix_web::{HttpResponse, get, http::header, post, web};
use serde::Deserialize;
use serde_json::json;

use super::{drafts, model::reason, public::since_before, readable, visible_model};
use crate::{
    db::Db,
    disclosures::{
        documents::make_all,
        kind::Kind,
        prepare, publish, return_to_operator,
        store::{self, Hash, Version},
        version::Reproduced,
    },
    error::{AppError, Say},
    ids::{DisclosureId, ModelId},
    models,
    web::{ApiActor, ApiResult, FieldErrors, ProtectedJson},
};

/// Versions on a page of the list.
const MOST_LISTED: i64 = 100;
const SCHEMA: &str = include_str!("../schema.json");

pub(super) fn routes(config: &mut web::ServiceConfig) {
    // `schema` before `{id}`: the first that fits is taken.
    config
        .service(schema)
        .service(list)
        .service(publish_json)
        .service(return_json)
        .service(reproduce)
        .service(show_difference)
        .service(show_document)
        .service(show)
        .service(prepare_json)
        .service(show_drafts)
        .service(show_draft);
}

/// The JSON Schema of the documents.
#[get("/api/v1/disclosures/schema")]
async fn schema() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/schema+json")
        .body(SCHEMA)
}

/// A version with its own of these hashes.
fn as_json(version: &Version, hashes: &[Hash], sees_all: bool) -> serde_json::Value {
    json!({
        "id": version.id,
        "model": version.model,
        "model_name": version.model_name,
        "version": version.number,
        "prepared_at": version.prepared_at,
        "published_at": version.published_at(),
        "returned": version.decision.as_ref().filter(|decision| !decision.is_published)
            .map(|decision| json!({ "at": decision.at, "reason": decision.reason })),
        "documents": hashes.iter().filter(|one| one.version == version.id && (sees_all || one.kind.is_public()))
            .map(|one| json!({
            "kind": one.kind,
            "sha256": one.sha256,
            "href": format!("/api/v1/disclosures/{}/{}", version.id, one.kind.name()),
        })).collect::<Vec<_>>(),
    })
}

#[derive(Deserialize)]
struct Paging {
    /// The last version of the page before.
    after: Option<DisclosureId>,
    limit: Option<i64>,
}

/// The newest published version of each model, the last published first; at most 100 a page (`limit`), the next page
/// begins after the last id of this one (`after`).
#[get("/api/v1/disclosures")]
async fn list(db: web::Data<Db>, query: web::Query<Paging>) -> ApiResult {
    let limit = query.limit.unwrap_or(MOST_LISTED).clamp(1, MOST_LISTED);
    let mut conn = db.read().await?;
    let mut versions = store::published(&mut conn, query.after, limit + 1).await?;
    let has_more = versions.len() as i64 > limit;
    versions.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let ids: Vec<_> = versions.iter().map(|version| version.id).collect();
    let hashes = store::hashes(&mut conn, &ids).await?;
    let data: Vec<_> = versions
        .iter()
        .map(|version| as_json(version, &hashes, false))
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "data": data, "has_more": has_more })))
}

/// One version: what was prepared, decided on and has become due.
#[get("/api/v1/disclosures/{id}")]
async fn show(
    actor: Option<ApiActor>,
    db: web::Data<Db>,
    path: web::Path<DisclosureId>,
) -> ApiResult {
    let mut conn = db.read().await?;
    let actor = actor.as_ref().map(|actor| &actor.0);
    let version = readable(&mut conn, actor, *path, None).await?;
    let sees_all = readable(&mut conn, actor, *path, Some(Kind::AnnexXi))
        .await
        .is_ok();
    let hashes = store::hashes(&mut conn, &[*path]).await?;
    let mut body = as_json(&version, &hashes, sees_all);
    let dues = store::dues(&mut conn, *path).await?;
    body["due"] = dues
        .iter()
        .map(|(reason, at)| json!({ "reason": reason, "noticed_at": at }))
        .collect();
    Ok(HttpResponse::Ok().json(body))
}

fn kind(word: &str) -> Result<Kind, AppError> {
    word.parse().map_err(|_| AppError::NotFound)
}

/// A document to the byte as it was frozen; the entity tag is its SHA-256.
#[get("/api/v1/disclosures/{id}/{kind}")]
async fn show_document(
    actor: Option<ApiActor>,
    db: web::Data<Db>,
    path: web::Path<(DisclosureId, String)>,
) -> ApiResult {
    let (id, kind) = (path.0, kind(&path.1)?);
    let mut conn = db.read().await?;
    readable(
        &mut conn,
        actor.as_ref().map(|actor| &actor.0),
        id,
        Some(kind),
    )
    .await?;
    let frozen = store::stored(&mut conn, id, kind)
        .await?
        .ok_or(AppError::NotFound)?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::ETAG, format!("\"{}\"", frozen.sha256)))
        .body(frozen.canonical))
}

/// What a document states that the one published before did not.
#[get("/api/v1/disclosures/{id}/{kind}/difference")]
async fn show_difference(
    actor: Option<ApiActor>,
    db: web::Data<Db>,
    path: web::Path<(DisclosureId, String)>,
) -> ApiResult {
    let (id, kind) = (path.0, kind(&path.1)?);
    let mut conn = db.read().await?;
    let actor = actor.as_ref().map(|actor| &actor.0);
    let version = readable(&mut conn, actor, id, Some(kind)).await?;
    let changes = since_before(&mut conn, &version, kind).await?;
    Ok(HttpResponse::Ok().json(json!({
        "has_before": changes.is_some(),
        "differences": changes.unwrap_or_default(),
    })))
}

/// Makes each document again from the records of its date, and compares.
#[get("/api/v1/disclosures/{id}/reproduced")]
async fn reproduce(actor: ApiActor, db: web::Data<Db>, path: web::Path<DisclosureId>) -> ApiResult {
    let mut conn = db.read().await?;
    let version = readable(&mut conn, Some(&actor.0), *path, Some(Kind::AnnexXi)).await?;
    let ledger = store::ledger(&mut conn, version.model, version.prepared_at)
        .await?
        .ok_or(AppError::NotFound)?;
    let frozen = store::stored_all(&mut conn, *path).await?;
    let mut found = serde_json::Map::new();
    for again in make_all(&ledger, version.number) {
        if let Some(old) = frozen.iter().find(|old| old.kind == again.kind) {
            let reproduced =
                Reproduced::of(old, &again).map_err(|e| AppError::Internal(e.into()))?;
            found.insert(again.kind.name().to_owned(), json!(reproduced));
        }
    }
    Ok(HttpResponse::Ok().json(found))
}

/// Freezes the next version of a model's documents.
#[post("/api/v1/models/{model}/disclosures")]
async fn prepare_json(actor: ApiActor, db: web::Data<Db>, path: web::Path<ModelId>) -> ApiResult {
    drafts(&db, &actor.0, *path).await?;
    let id = prepare(&db, &actor.0, *path).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/disclosures/{id}")))
        .json(json!({ "id": id })))
}

/// What each document of a model still misses, and its versions, newest first; of a base that was made elsewhere,
/// that there are none.
#[get("/api/v1/models/{model}/disclosures")]
async fn show_drafts(actor: ApiActor, db: web::Data<Db>, path: web::Path<ModelId>) -> ApiResult {
    let mut conn = db.read().await?;
    let model = visible_model(&mut conn, &actor.0, *path).await?;
    if model.kind == models::Kind::Base {
        return Ok(HttpResponse::Ok().json(json!({
            "documents": [], "versions": [], "reason": "made_elsewhere",
            "base_facts": format!("/api/v1/models/{}/base-facts", *path),
        })));
    }
    drop(conn);
    let (_, documents) = drafts(&db, &actor.0, *path).await?;
    let mut conn = db.read().await?;
    let known = store::of_model(&mut conn, *path).await?;
    let ids: Vec<_> = known.iter().map(|version| version.id).collect();
    let hashes = store::hashes(&mut conn, &ids).await?;
    let versions: Vec<_> = known
        .iter()
        .map(|version| as_json(version, &hashes, true))
        .collect();
    Ok(HttpResponse::Ok().json(json!({
        "documents": documents.iter().map(|document| json!({
            "kind": document.kind,
            "missing": document.missing(),
            "href": format!("/api/v1/models/{}/disclosures/{}", *path, document.kind.name()),
        })).collect::<Vec<_>>(),
        "versions": versions,
    })))
}

/// A document as it would be now.
#[get("/api/v1/models/{model}/disclosures/{kind}")]
async fn show_draft(
    actor: ApiActor,
    db: web::Data<Db>,
    path: web::Path<(ModelId, String)>,
) -> ApiResult {
    let kind = kind(&path.1)?;
    let (_, documents) = drafts(&db, &actor.0, path.0).await?;
    let document = documents
        .iter()
        .find(|document| document.kind == kind)
        .ok_or(AppError::NotFound)?;
    let text = document
        .canonical()
        .map_err(|e| AppError::Internal(e.into()))?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(text))
}

/// Publishes what was prepared.
#[post("/api/v1/disclosures/{id}/publish")]
async fn publish_json(
    actor: ApiActor,
    db: web::Data<Db>,
    path: web::Path<DisclosureId>,
) -> ApiResult {
    publish(&db, &actor.0, *path).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize)]
struct Return {
    #[serde(default)]
    reason: String,
}

/// Gives what was prepared back, with the reason.
#[post("/api/v1/disclosures/{id}/return")]
async fn return_json(
    db: web::Data<Db>,
    path: web::Path<DisclosureId>,
    request: ProtectedJson<Return>,
) -> ApiResult {
    let mut errors = FieldErrors::default();
    let why = reason(&mut errors, &request.body.reason);
    if !errors.is_empty() {
        return Err(AppError::Invalid(Say::new("disclosure-return-needs-reason")).into());
    }
    return_to_operator(&db, &request.actor, *path, &why).await?;
    Ok(HttpResponse::NoContent().finish())
}
