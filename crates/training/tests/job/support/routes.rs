//! What the small portal and its store answer.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{Duration, Utc};
use job_contract::{
    ArtifactRequest, ArtifactUpload, EventAnswer, EventBatch, GrantRequest, JobEvent,
    NumberedEvent, Outcome, ReadGrant, Refusal,
};
use uuid::Uuid;

use super::{State, TOKEN, World, hash};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::PayloadConfig::new(64 << 20))
        .route("/internal/v1/attempts/{attempt}/spec", web::get().to(spec))
        .route(
            "/internal/v1/attempts/{attempt}/grants",
            web::post().to(grant),
        )
        .route(
            "/internal/v1/attempts/{attempt}/events",
            web::post().to(events),
        )
        .route(
            "/internal/v1/attempts/{attempt}/artifacts",
            web::post().to(artifact),
        )
        .route(
            "/internal/v1/attempts/{attempt}/finish",
            web::post().to(finish),
        )
        .route("/store/{file}", web::get().to(download))
        .route("/store/{artifact}", web::put().to(put));
}

fn refusal(code: &str, rules: &[&str]) -> Refusal {
    Refusal {
        code: code.to_owned(),
        message: "This is refused.".to_owned(),
        rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
    }
}

/// Answers that come before the request is looked at.
fn gate(request: &HttpRequest, world: &mut World) -> Option<HttpResponse> {
    let token = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    if token != Some(format!("Bearer {TOKEN}").as_str()) {
        return Some(HttpResponse::Unauthorized().json(refusal("token_invalid", &[])));
    }
    if world.faults.outage > 0 {
        world.faults.outage -= 1;
        return Some(HttpResponse::ServiceUnavailable().finish());
    }
    None
}

async fn spec(request: HttpRequest, state: State) -> HttpResponse {
    let mut world = state.0.lock().unwrap();
    gate(&request, &mut world).unwrap_or_else(|| HttpResponse::Ok().json(&world.spec))
}

async fn grant(request: HttpRequest, state: State, asked: web::Json<GrantRequest>) -> HttpResponse {
    let mut world = state.0.lock().unwrap();
    if let Some(answer) = gate(&request, &mut world) {
        return answer;
    }
    if asked.file != world.base {
        world.data_grants += 1;
        if world
            .faults
            .data_grants
            .is_some_and(|most| world.data_grants > most)
        {
            return HttpResponse::Forbidden().json(refusal("permission_withdrawn", &["P3"]));
        }
    }
    let content = &world.files[&asked.file];
    HttpResponse::Ok().json(ReadGrant {
        grant: Uuid::now_v7(),
        url: format!("{}/store/{}", world.address, asked.file),
        expires_at: Utc::now() + Duration::minutes(5),
        size_bytes: content.len() as u64,
        sha256: hash(content),
    })
}

async fn events(request: HttpRequest, state: State, batch: web::Json<EventBatch>) -> HttpResponse {
    let mut world = state.0.lock().unwrap();
    if let Some(answer) = gate(&request, &mut world) {
        return answer;
    }
    if world.faults.is_ended {
        return HttpResponse::Conflict().json(refusal("attempt_ended", &[]));
    }
    let tells_checkpoint = |event: &NumberedEvent| {
        event.number > world.events.len() as u64
            && matches!(event.event, JobEvent::Checkpoint { .. })
    };
    if world.faults.lost_checkpoints > 0 && batch.events.iter().any(tells_checkpoint) {
        if batch.events.len() == 1 {
            world.faults.lost_checkpoints -= 1;
        }
        return HttpResponse::UnprocessableEntity().json(refusal("checkpoint_missing", &[]));
    }
    for event in batch.into_inner().events {
        world.numbers.push(event.number);
        if let JobEvent::Step { step, .. } = event.event {
            state.1.send_replace(step);
        }
        if event.number == world.events.len() as u64 + 1 {
            world.events.push(event);
        } else {
            assert!(
                event.number <= world.events.len() as u64,
                "a gap before event {}",
                event.number
            );
        }
    }
    let seen = *state.1.borrow();
    let cancel = world.faults.cancel_at_step.is_some_and(|step| seen >= step);
    HttpResponse::Ok().json(EventAnswer {
        cancel,
        reason: cancel.then(|| {
            let reason = world.faults.cancel_reason.clone();
            reason.unwrap_or_else(|| "cancelled_by_requester".to_owned())
        }),
    })
}

async fn artifact(
    request: HttpRequest,
    state: State,
    asked: web::Json<ArtifactRequest>,
) -> HttpResponse {
    let mut world = state.0.lock().unwrap();
    if let Some(answer) = gate(&request, &mut world) {
        return answer;
    }
    let id = Uuid::now_v7();
    let is_stored = world
        .artifacts
        .get(&asked.name)
        .is_some_and(|stored| hash(stored) == asked.sha256);
    world.requests.insert(id, asked.into_inner());
    HttpResponse::Ok().json(ArtifactUpload {
        artifact: id,
        url: format!("{}/store/{id}", world.address),
        headers: vec![("x-signed".to_owned(), "yes".to_owned())],
        is_stored,
    })
}

async fn finish(request: HttpRequest, state: State, outcome: web::Json<Outcome>) -> HttpResponse {
    let mut world = state.0.lock().unwrap();
    if let Some(answer) = gate(&request, &mut world) {
        return answer;
    }
    world.outcomes.push(outcome.into_inner());
    HttpResponse::NoContent().finish()
}

async fn download(request: HttpRequest, state: State, file: web::Path<Uuid>) -> HttpResponse {
    let mut world = state.0.lock().unwrap();
    assert!(
        request.headers().get("authorization").is_none(),
        "the token stays with the portal"
    );
    if world.faults.expired > 0 {
        world.faults.expired -= 1;
        return HttpResponse::Forbidden().finish();
    }
    world.downloads.push(*file);
    let mut content = world.files[&file].clone();
    if world.faults.cut_downloads > 0 {
        world.faults.cut_downloads -= 1;
        content.truncate(content.len() / 2);
    }
    HttpResponse::Ok().body(content)
}

async fn put(
    request: HttpRequest,
    state: State,
    id: web::Path<Uuid>,
    body: web::Bytes,
) -> HttpResponse {
    let mut world = state.0.lock().unwrap();
    if world.faults.upload_outage > 0 {
        world.faults.upload_outage -= 1;
        return HttpResponse::InternalServerError().finish();
    }
    let asked = world.requests[&id].clone();
    let is_signed = request
        .headers()
        .get("x-signed")
        .is_some_and(|value| value == "yes");
    if !is_signed || hash(&body) != asked.sha256 || body.len() as u64 != asked.size_bytes {
        return HttpResponse::BadRequest().finish();
    }
    world.artifacts.insert(asked.name, body.to_vec());
    HttpResponse::Ok().finish()
}
