//! Rights over time for programs.

use actix_web::{HttpResponse, get, http::header, post, web};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    super::{
        Check, Fetcher, acknowledge, as_at, ask, plan as planning, record as recording,
        relicense as changing, store,
    },
    act::{Licence, Note, Plan, days, licensed, noted},
    record::{Raw, parse},
    show::{load, outcome_in_english},
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::{DatasetId, RightsChangeId},
    objects::ObjectStore,
    permissions::Permission,
    web::{ApiActor, ApiResult, FieldErrors, Lang, ProtectedJson},
};

#[derive(Deserialize)]
pub(super) struct Query {
    at: Option<String>,
}

fn permission(one: &Permission, is_close: bool) -> Value {
    json!({
        "id": one.id, "layer": one.layer, "state": one.state, "terms": one.terms,
        "terms_sha256": one.terms_sha256, "decided_by": is_close.then_some(&one.decided_by), "decided_at": one.decided_at,
    })
}

fn check(one: &Check, signals: &[(crate::ids::RightsCheckId, super::super::Signal)]) -> Value {
    let mut value = json!(one);
    if let Some(object) = value.as_object_mut() {
        let evidence: Vec<_> = signals
            .iter()
            .filter(|(of, _)| *of == one.id)
            .map(|(_, signal)| signal)
            .collect();
        object.insert("summary".into(), json!(outcome_in_english(one)));
        object.insert("evidence".into(), json!(evidence));
    }
    value
}

/// What held for a dataset at `at` (a day, to its end in the Netherlands, or an exact time); without it, now.
#[get("/api/v1/datasets/{dataset}/rights")]
pub(super) async fn show(
    actor: ApiActor,
    db: web::Data<Db>,
    path: web::Path<DatasetId>,
    query: web::Query<Query>,
) -> ApiResult {
    let subject = load(&db, &actor.0, *path).await?;
    let is_close = actor.0.is_close_to(subject.institution);
    let now = db.now();
    let at = match &query.at {
        Some(text) => as_at::moment(text, now).ok_or(AppError::invalid("rights-no-moment"))?,
        None => now,
    };
    let mut conn = db.read().await?;
    let then = as_at::as_at(&mut conn, *path, at).await?;
    let all = as_at::history(&mut conn, *path, now).await?;
    let changes = store::changes(&mut conn, *path, at).await?;
    let ids: Vec<_> = then.checks.iter().take(100).map(|one| one.id).collect();
    let signals = store::signals(&mut conn, &ids).await?;
    let schedule = store::schedule(&mut conn, *path).await?;
    Ok(HttpResponse::Ok().json(json!({
        "at": at,
        "licence": then.licence,
        "licences": all.licences.iter().filter(|one| one.said_at <= at).collect::<Vec<_>>(),
        "status": then.status,
        "checks": then.checks.iter().take(100).map(|one| check(one, &signals)).collect::<Vec<_>>(),
        "source": then.last_read.as_ref().map(|one| json!({
            "license": one.findings.license_expression, "reservation": one.findings.reservation,
            "checked_at": one.checked_at,
        })),
        "counts": then.counts,
        "permissions": then.permissions.iter().map(|one| permission(one, is_close)).collect::<Vec<_>>(),
        "privacy": then.privacy,
        "assessment": then.assessment,
        "changes": changes.iter().map(|one| json!({
            "id": one.id, "what": one.difference.what, "was": one.difference.was,
            "became": one.difference.became, "found_at": one.found_at, "accepted": one.is_accepted,
            "notes": one.notes.iter().map(|(side, note, by, at)| json!({
                "side": side, "note": note, "by": by, "at": at })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "changed_since": all.since(at, now),
        "schedule": schedule,
    })))
}

fn wrong(errors: &FieldErrors) -> AppError {
    let what = errors.iter().next();
    let (field, problem) = what.map_or(("", String::new()), |(field, say)| {
        (*field, Lang::En.say(say))
    });
    AppError::Invalid(
        Say::new("rights-field-wrong")
            .with("field", field)
            .with("problem", problem),
    )
}

/// Writes down what a person found: the fields of the form, without a file.
#[post("/api/v1/datasets/{dataset}/rights/checks")]
pub(super) async fn write_down(
    (db, objects, fetcher): (web::Data<Db>, web::Data<ObjectStore>, web::Data<Fetcher>),
    path: web::Path<DatasetId>,
    request: ProtectedJson<Raw>,
) -> ApiResult {
    let _subject = load(&db, &request.actor, *path).await?;
    let seen = parse(&request.body, &fetcher).map_err(|errors| wrong(&errors))?;
    let id = recording(&db, &objects, &request.actor, *path, &seen).await?;
    Ok(HttpResponse::Created().json(json!({ "check": id })))
}

/// Sets which source is looked at, and how often.
#[post("/api/v1/datasets/{dataset}/rights/plan")]
pub(super) async fn set_plan(
    (db, fetcher): (web::Data<Db>, web::Data<Fetcher>),
    path: web::Path<DatasetId>,
    request: ProtectedJson<Plan>,
) -> ApiResult {
    let days = days(&request.body.every_days).map_err(AppError::Invalid)?;
    let what = (request.body.source_url.as_str(), days);
    planning(&db, &fetcher, &request.actor, *path, what).await?;
    Ok(HttpResponse::Ok().json(json!({ "every_days": days })))
}

/// Has the worker look now.
#[post("/api/v1/datasets/{dataset}/rights/look")]
pub(super) async fn look_now(
    actor: ApiActor,
    db: web::Data<Db>,
    path: web::Path<DatasetId>,
) -> ApiResult {
    ask(&db, &actor.0, *path).await?;
    Ok(HttpResponse::Accepted().json(json!({ "asked": true })))
}

/// Registers another licence.
#[post("/api/v1/datasets/{dataset}/rights/licence")]
pub(super) async fn relicense(
    db: web::Data<Db>,
    path: web::Path<DatasetId>,
    request: ProtectedJson<Licence>,
) -> ApiResult {
    let (license, reason) = licensed(&request.body).map_err(|errors| wrong(&errors))?;
    changing(&db, &request.actor, *path, (&license, &reason)).await?;
    Ok(HttpResponse::Ok().json(json!({ "license": license })))
}

/// Notes what is done about a change.
#[post("/api/v1/datasets/{dataset}/rights/changes/{change}/note")]
pub(super) async fn send_note(
    db: web::Data<Db>,
    path: web::Path<(DatasetId, RightsChangeId)>,
    request: ProtectedJson<Note>,
) -> ApiResult {
    let note = noted(&request.body.note).map_err(AppError::Invalid)?;
    let what = (note.as_str(), request.body.accepts());
    acknowledge(&db, &request.actor, path.into_inner(), what).await?;
    Ok(HttpResponse::Ok().json(json!({ "noted": true })))
}

/// The whole of what was seen in one place. Never shown by the browser: it came from elsewhere.
#[get("/api/v1/datasets/{dataset}/rights/evidence/{signal}")]
pub(super) async fn download(
    actor: ApiActor,
    (db, objects): (web::Data<Db>, web::Data<ObjectStore>),
    path: web::Path<(DatasetId, Uuid)>,
) -> ApiResult {
    let (dataset, id) = path.into_inner();
    let _subject = load(&db, &actor.0, dataset).await?;
    let signal = {
        let mut conn = db.read().await?;
        store::signal(&mut conn, dataset, id).await?
    };
    let signal = signal.ok_or(AppError::NotFound)?;
    let mut answer = HttpResponse::Ok();
    answer
        .content_type("application/octet-stream")
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{}-{id}\"", signal.place.name()),
        ))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    match &signal.object {
        None => Ok(answer.body(signal.excerpt)),
        Some((key, version)) => {
            let body = objects.read(key, version).await?;
            let stream = tokio_util::io::ReaderStream::new(body.into_async_read());
            Ok(answer.streaming(stream.map(|chunk| chunk.map_err(actix_web::Error::from))))
        }
    }
}
