//! `/v1/fine_tuning/checkpoints/{checkpoint}/permissions`.

use actix_web::{HttpRequest, HttpResponse, web};
use openai_api::{CheckpointPermission, Deleted, Page};
use serde::Deserialize;

use super::{
    super::{ids::Of, permit},
    Answer, Tuner, at, limit,
};
use crate::{db::Db, gateway};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(at(
            "/fine_tuning/checkpoints/{checkpoint}/permissions",
            vec![web::post().to(create), web::get().to(list)],
        ))
        .service(at(
            "/fine_tuning/checkpoints/{checkpoint}/permissions/{id}",
            vec![web::delete().to(remove)],
        ));
}

async fn create(
    tuner: Tuner,
    request: HttpRequest,
    payload: web::Payload,
    db: web::Data<Db>,
    name: web::Path<String>,
) -> Answer {
    let body = gateway::body(&request, payload).await?;
    let mut conn = db.read().await?;
    let checkpoint = permit::checkpoint(&mut conn, &tuner.actor, &name).await?;
    drop(conn);
    let projects = permit::projects(&body, &tuner.actor)?;
    let page = permit::give(&db, &tuner.actor, checkpoint, &projects).await?;
    Ok(HttpResponse::Ok().json(page))
}

#[derive(Deserialize)]
struct Query {
    after: Option<String>,
    limit: Option<String>,
    order: Option<String>,
    project_id: Option<String>,
}

async fn list(
    tuner: Tuner,
    db: web::Data<Db>,
    name: web::Path<String>,
    query: web::Query<Query>,
) -> Answer {
    let limit = limit(query.limit.as_deref(), 10, 100)?;
    let mut conn = db.read().await?;
    let checkpoint = permit::checkpoint(&mut conn, &tuner.actor, &name).await?;
    let mut all = permit::list(&mut conn, checkpoint).await?;
    if query.order.as_deref() == Some("ascending") {
        all.reverse();
    }
    if let Some(project) = &query.project_id {
        all.retain(|one| one.project_id == *project);
    }
    let from = match query.after.as_deref() {
        None => 0,
        Some(text) => {
            let place = all.iter().position(|one| one.id == text);
            place.ok_or_else(|| Of::Permission.missing(text).with_param("after"))? + 1
        }
    };
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let rest = all.len() - from;
    let data: Vec<CheckpointPermission> = all.into_iter().skip(from).take(size).collect();
    let page = Page::new(data, rest > size, |one: &CheckpointPermission| {
        one.id.clone()
    });
    Ok(HttpResponse::Ok().json(page))
}

async fn remove(tuner: Tuner, db: web::Data<Db>, path: web::Path<(String, String)>) -> Answer {
    let (name, id) = path.into_inner();
    let mut conn = db.read().await?;
    let checkpoint = permit::checkpoint(&mut conn, &tuner.actor, &name).await?;
    drop(conn);
    let parsed = Of::Permission
        .parse(&id)
        .ok_or_else(|| Of::Permission.missing(&id))?;
    permit::take_back(&db, &tuner.actor, checkpoint, parsed).await?;
    Ok(HttpResponse::Ok().json(Deleted {
        id,
        object: "checkpoint.permission".into(),
        deleted: true,
    }))
}
