//! `/v1/fine_tuning`.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use openai_api::{ApiError, FineTuningCheckpoint, FineTuningJob, Page};
use serde::Deserialize;

use super::{
    super::{
        create::{self, Asking},
        events,
        failure::refused,
        ids::Of,
        job::TuningJob,
        pause,
        results::Results,
        show, store,
    },
    Answer, Tuner, at, limit,
};
use crate::{
    config::Config,
    db::Db,
    gateway,
    ids::JobId,
    jobs::{self, Compute},
    models,
    policy::{self, Action, Actor, Scope},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(at(
            "/fine_tuning/jobs",
            vec![web::post().to(create), web::get().to(list)],
        ))
        .service(at("/fine_tuning/jobs/{id}", vec![web::get().to(retrieve)]))
        .service(at(
            "/fine_tuning/jobs/{id}/cancel",
            vec![web::post().to(cancel)],
        ))
        .service(at(
            "/fine_tuning/jobs/{id}/pause",
            vec![web::post().to(pause_job)],
        ))
        .service(at(
            "/fine_tuning/jobs/{id}/resume",
            vec![web::post().to(resume_job)],
        ))
        .service(at(
            "/fine_tuning/jobs/{id}/events",
            vec![web::get().to(list_events)],
        ))
        .service(at(
            "/fine_tuning/jobs/{id}/checkpoints",
            vec![web::get().to(list_checkpoints)],
        ));
}

async fn create(
    tuner: Tuner,
    request: HttpRequest,
    payload: web::Payload,
    (db, config, compute): (web::Data<Db>, web::Data<Config>, web::Data<Compute>),
) -> Answer {
    let body = gateway::body(&request, payload).await?;
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let idempotency_key = header("idempotency-key");
    if idempotency_key.is_some_and(|key| !(1..=255).contains(&key.len())) {
        let message = "An Idempotency-Key has 1 to 255 characters.";
        return Err(ApiError::invalid_param("idempotency-key", message).into());
    }
    let asking = Asking {
        actor: &tuner.actor,
        holder: &tuner.holder,
        body: &body,
        is_retry: header("x-stainless-retry-count")
            .and_then(|count| count.parse::<u32>().ok())
            .is_some_and(|count| count > 0),
        idempotency_key,
    };
    let id = create::create(&db, (&config, &compute), &asking).await?;
    respond(&db, (&config, &compute), &tuner.actor, id).await
}

async fn respond(
    db: &Db,
    (config, compute): (&Config, &Compute),
    actor: &Actor,
    id: JobId,
) -> Answer {
    let job = find(db, actor, &Of::Job.id(id.0)).await?;
    let line = jobs::line(db, config, compute).await?;
    let mut conn = db.read().await?;
    let shown = show::as_wire(db, &mut conn, (config, &line), &job).await?;
    Ok(HttpResponse::Ok().json(shown))
}

/// One job of the caller's institution that they may see.
async fn find(db: &Db, actor: &Actor, text: &str) -> Result<TuningJob, ApiError> {
    let missing = || Of::Job.missing(text);
    let id = Of::Job.parse(text).map(JobId).ok_or_else(missing)?;
    let mut conn = db.read().await.map_err(refused)?;
    let job = store::jobs::find_of(&mut conn, actor.institution, id)
        .await
        .map_err(refused)?
        .ok_or_else(missing)?;
    let scope = Scope::of(job.institution).requested_by(Some(job.created_by));
    let _permit = policy::check(actor, Action::ViewJob, &scope).map_err(|_| missing())?;
    Ok(job)
}

async fn retrieve(
    tuner: Tuner,
    (db, config, compute): (web::Data<Db>, web::Data<Config>, web::Data<Compute>),
    id: web::Path<String>,
) -> Answer {
    let job = find(&db, &tuner.actor, &id).await?;
    respond(&db, (&config, &compute), &tuner.actor, job.id).await
}

async fn cancel(
    tuner: Tuner,
    (db, config, compute): (web::Data<Db>, web::Data<Config>, web::Data<Compute>),
    id: web::Path<String>,
) -> Answer {
    let job = find(&db, &tuner.actor, &id).await?;
    create::cancel(&db, &tuner.actor, job.id).await?;
    respond(&db, (&config, &compute), &tuner.actor, job.id).await
}

async fn pause_job(
    tuner: Tuner,
    (db, config, compute): (web::Data<Db>, web::Data<Config>, web::Data<Compute>),
    id: web::Path<String>,
) -> Answer {
    let job = find(&db, &tuner.actor, &id).await?;
    pause::pause(&db, &tuner.actor, &job).await?;
    respond(&db, (&config, &compute), &tuner.actor, job.id).await
}

async fn resume_job(
    tuner: Tuner,
    (db, config, compute): (web::Data<Db>, web::Data<Config>, web::Data<Compute>),
    id: web::Path<String>,
) -> Answer {
    let job = find(&db, &tuner.actor, &id).await?;
    pause::resume(&db, &tuner.actor, &job).await?;
    respond(&db, (&config, &compute), &tuner.actor, job.id).await
}

/// `metadata[k]=v`, each once more; `metadata=null`: none at all.
fn metadata(pairs: &[(String, String)]) -> Result<Option<serde_json::Value>, ApiError> {
    if pairs
        .iter()
        .any(|(name, value)| name == "metadata" && value == "null")
    {
        return Ok(None);
    }
    let mut wanted: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, value) in pairs {
        let key = name
            .strip_prefix("metadata[")
            .and_then(|rest| rest.strip_suffix(']'));
        if let Some(key) = key {
            wanted.insert(key, value);
        }
    }
    if wanted.len() > openai_api::MAX_METADATA {
        let message = "'metadata' has more pairs than a job can have.";
        return Err(ApiError::invalid_param("metadata", message));
    }
    Ok(Some(serde_json::json!(wanted)))
}

async fn list(
    tuner: Tuner,
    request: HttpRequest,
    (db, config, compute): (web::Data<Db>, web::Data<Config>, web::Data<Compute>),
) -> Answer {
    let pairs: Vec<(String, String)> = serde_html_form::from_str(request.query_string())
        .map_err(|_| ApiError::invalid_body("The query cannot be read."))?;
    let one = |wanted: &str| {
        pairs
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    };
    let limit = limit(one("limit"), 20, 100)?;
    let scope = Scope::of(tuner.actor.institution);
    let _permit = policy::check(&tuner.actor, Action::ViewJob, &scope).map_err(refused)?;
    let after = match one("after") {
        None => None,
        Some(text) => Some(find(&db, &tuner.actor, text).await?.id.0),
    };
    let wanted = metadata(&pairs)?;
    let mut conn = db.read().await?;
    let institution = tuner.actor.institution;
    let mut rows =
        store::jobs::list(&mut conn, institution, after, wanted.as_ref(), limit + 1).await?;
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > size;
    rows.truncate(size);
    let line = jobs::line(&db, &config, &compute).await?;
    let mut data = Vec::with_capacity(rows.len());
    for row in &rows {
        data.push(show::as_wire(&db, &mut conn, (&config, &line), row).await?);
    }
    let page = Page::new(data, has_more, |job: &FineTuningJob| job.id.clone());
    Ok(HttpResponse::Ok().json(page))
}

#[derive(Deserialize)]
struct Query {
    after: Option<String>,
    limit: Option<String>,
}

async fn list_events(
    tuner: Tuner,
    db: web::Data<Db>,
    id: web::Path<String>,
    query: web::Query<Query>,
) -> Answer {
    let job = find(&db, &tuner.actor, &id).await?;
    let limit = limit(query.limit.as_deref(), 20, 1000)?;
    let mut conn = db.read().await?;
    let page = events::page(&mut conn, job.id, query.after.as_deref(), limit).await?;
    Ok(HttpResponse::Ok().json(page))
}

async fn list_checkpoints(
    tuner: Tuner,
    db: web::Data<Db>,
    id: web::Path<String>,
    query: web::Query<Query>,
) -> Answer {
    let job = find(&db, &tuner.actor, &id).await?;
    let limit = limit(query.limit.as_deref(), 10, 1000)?;
    let mut conn = db.read().await?;
    let model = models::of_job(&mut conn, job.id).await?;
    // Before there is a model its checkpoints go by the job's own name.
    let name = model.map_or_else(
        || format!("ft:{}:{}", job.base_name, Of::Job.id(job.id.0)),
        |model| model.name,
    );
    let all = Results::of_checkpoints(&mut conn, job.id)
        .await?
        .checkpoints(job.id, &name);
    let from = match query.after.as_deref() {
        None => 0,
        Some(text) => {
            let at = all.iter().position(|one| one.id == text);
            at.ok_or_else(|| Of::Checkpoint.missing(text).with_param("after"))? + 1
        }
    };
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let rest = all.len() - from;
    let data: Vec<FineTuningCheckpoint> = all.into_iter().skip(from).take(size).collect();
    let page = Page::new(data, rest > size, |one: &FineTuningCheckpoint| {
        one.id.clone()
    });
    Ok(HttpResponse::Ok().json(page))
}
