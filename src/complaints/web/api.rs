//! Cases for programs: what the pages show and take.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{
        case::Case,
        error::ComplaintError,
        file,
        follow::follow,
        receipt,
        request::{NewRequest, RawRequest},
        search::Reader,
        store,
    },
    follow::Key,
    hits::{After, find_hits, key_text, parse_key},
    list::listed,
    public::admit,
    show::load,
};
use crate::{
    config::Config,
    db::Db,
    error::{AppError, Say},
    ids::ComplaintId,
    objects::ObjectStore,
    policy::{Action, Visibility, visible},
    signing::Signer,
    web::{ApiActor, ApiResult, Lang},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    // Words before `{id}`, and before what is done to one.
    config
        .service(send)
        .service(show_followed)
        .service(index)
        .service(show)
        .service(show_hits);
}

#[derive(Deserialize)]
struct Sent {
    #[serde(flatten)]
    raw: RawRequestJson,
    language: Option<Lang>,
}

/// The fields of the public form; anything else is ignored.
#[derive(Deserialize, Default)]
#[serde(default)]
struct RawRequestJson {
    kind: String,
    capacity: String,
    name: String,
    email: String,
    request: String,
    works: String,
    terms: String,
}

/// Takes a request or complaint in. A body of JSON comes from no other site's form, and nobody is signed in here.
#[post("/api/v1/complaints")]
async fn send(
    (db, objects, signer, config): (
        web::Data<Db>,
        web::Data<ObjectStore>,
        web::Data<Signer>,
        web::Data<Config>,
    ),
    request: HttpRequest,
    body: web::Json<Sent>,
) -> ApiResult {
    let Sent { raw, language } = body.into_inner();
    let raw = RawRequest {
        kind: raw.kind,
        capacity: raw.capacity,
        name: raw.name,
        email: raw.email,
        request: raw.request,
        works: raw.works,
        terms: raw.terms,
    };
    let parsed = NewRequest::parse(&raw, language.unwrap_or(Lang::Nl)).map_err(|errors| {
        let (field, problem) = errors
            .iter()
            .next()
            .map_or(("", String::new()), |(field, say)| {
                (*field, Lang::En.say(say))
            });
        AppError::Invalid(
            Say::new("complaint-field-wrong")
                .with("field", field)
                .with("problem", problem),
        )
    })?;
    admit(&db, &config, &request).await?;
    let filed = file::file((&db, &objects, &signer), &parsed, None, None).await?;
    let document = receipt::document(&filed.case).map_err(ComplaintError::from)?;
    Ok(HttpResponse::Created().json(json!({
        "number": filed.case.number, "code": filed.code.shown(), "due_at": filed.case.due_at,
        "receipt": document,
    })))
}

/// What the person sees of their case.
#[post("/api/v1/complaints/follow")]
async fn show_followed(db: web::Data<Db>, key: web::Json<Key>) -> ApiResult {
    let followed = follow(&db, &key.number, &key.code).await?;
    let letters: Vec<_> = followed
        .letters
        .iter()
        .map(|one| {
            json!({
                "kind": one.kind, "written_at": one.written_at, "text": one.body, "sha256": one.body_sha256,
            })
        })
        .collect();
    let document = receipt::document(&followed.case).map_err(ComplaintError::from)?;
    let mut body = brief(&followed.case);
    body["letters"] = json!(letters);
    body["exclusions"] = exclusions(&followed.exclusions);
    body["receipt"] = document;
    Ok(HttpResponse::Ok().json(body))
}

fn brief(case: &Case) -> Value {
    json!({
        "number": case.number, "kind": case.kind, "status": case.status, "received_at": case.received_at,
        "due_at": case.due_at, "outcome": case.prepared.filter(|_| case.decided.is_some()).map(|(outcome, _)| outcome),
        "decided_at": case.decided.map(|done| done.at), "personal_details_deleted": case.details.is_none(),
    })
}

fn exclusions(all: &[store::Exclusion]) -> Value {
    let all: Vec<_> = all
        .iter()
        .map(|one| {
            json!({
                "dataset": one.dataset, "title": one.title, "documents": one.documents, "made_at": one.made_at,
                "newest_version": { "number": one.version.0, "status": one.version.1 },
                "files_waiting": one.files_waiting, "documents_left_out": one.dropped,
            })
        })
        .collect();
    json!(all)
}

/// The cases that the caller needs to know of.
#[get("/api/v1/complaints")]
async fn index(db: web::Data<Db>, ApiActor(actor): ApiActor) -> ApiResult {
    if visible(&actor, Action::ListComplaints) == Visibility::Nothing {
        return Err(AppError::NotFound.into());
    }
    let cases: Vec<_> = listed(&db, &actor)
        .await?
        .into_iter()
        .map(|one| {
            json!({
                "id": one.id, "number": one.number, "kind": one.kind, "status": one.status,
                "received_at": one.received_at, "due_at": one.due_at, "owner": one.owner_name,
                "documents": one.documents,
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "complaints": cases })))
}

/// One case, as far as the caller needs it.
#[get("/api/v1/complaints/{id}")]
async fn show(
    db: web::Data<Db>,
    ApiActor(actor): ApiActor,
    id: web::Path<ComplaintId>,
) -> ApiResult {
    let (case, reader) = load(&db, &actor, *id).await?;
    let mut conn = db.read().await?;
    let within = reader.within();
    let marked: Vec<_> = store::marked(&mut conn, case.id, within)
        .await?
        .into_iter()
        .map(
            |one| json!({ "dataset": one.dataset, "title": one.title, "documents": one.documents }),
        )
        .collect();
    let made = store::exclusions(&mut conn, case.id, within).await?;
    let mut body = brief(&case);
    body["id"] = json!(case.id);
    body["capacity"] = json!(case.capacity);
    body["request_sha256"] = json!(case.request_sha256);
    body["identity"] = json!(case.identity.map(|(method, _)| method));
    body["marked"] = json!(marked);
    body["exclusions"] = exclusions(&made);
    if let Some(details) = &case.details {
        body["request"] = json!(details.request);
        body["works"] = json!(details.works);
        body["search_terms"] = json!(details.search_terms);
        if reader.sees_contact() {
            body["name"] = json!(details.name);
            body["email"] = json!(details.email);
            body["prepared"] = json!(case.prepared.map(|(outcome, _)| outcome));
            body["reason"] = json!(details.reason);
        }
    }
    Ok(HttpResponse::Ok().json(body))
}

/// The documents that are found, 20 at a time.
#[get("/api/v1/complaints/{id}/hits")]
async fn show_hits(
    (db, objects): (web::Data<Db>, web::Data<ObjectStore>),
    ApiActor(actor): ApiActor,
    id: web::Path<ComplaintId>,
    query: web::Query<After>,
) -> ApiResult {
    let (case, reader): (Case, Reader) = load(&db, &actor, *id).await?;
    let found = find_hits((&db, &objects), &case, reader, parse_key(&query.after)).await?;
    let hits: Vec<_> = found
        .hits
        .iter()
        .map(|hit| {
            let places: Vec<_> = hit
                .listed
                .places
                .iter()
                .map(|place| {
                    json!({
                        "version": place.version, "version_number": place.version_number, "file": place.file,
                        "path": place.path, "line": place.number, "version_status": place.version_status,
                    })
                })
                .collect();
            let uses: Vec<_> = hit
                .uses
                .iter()
                .map(|one| json!({ "job": one.job, "model": one.model.as_ref().map(|(id, _)| id) }))
                .collect();
            json!({
                "key": key_text(&hit.listed.key), "dataset": hit.listed.key.dataset, "title": hit.listed.title,
                "is_marked": hit.is_marked, "places": places, "uses": uses,
                "passage": hit.passage.as_ref().map(|one| json!({
                    "before": one.before, "hit": one.hit, "after": one.after,
                })),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({
        "count": found.count, "unindexed_files": found.unindexed, "hits": hits,
        "has_more": found.next.is_some(), "after": found.next.as_ref().map(key_text),
    })))
}
