//! `/v1/uploads`.

use actix_multipart::Multipart;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::BytesMut;
use openai_api::{ApiError, CompleteUpload, NewUpload, UploadPart};
use tokio::sync::Semaphore;

use super::{
    super::{
        failure::refused,
        ids::Of,
        put_together, store,
        upload::{self, MOST_PART_BYTES, Upload},
    },
    Answer, Tuner, at,
    incoming::{Incoming, place},
};
use crate::{config::Config, db::Db, gateway, objects::ObjectStore};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(at("/uploads", vec![web::post().to(create)]))
        .service(at("/uploads/{id}/parts", vec![web::post().to(add_part)]))
        .service(at("/uploads/{id}/complete", vec![web::post().to(complete)]))
        .service(at("/uploads/{id}/cancel", vec![web::post().to(cancel)]));
}

/// Parts that come in at the same time: together at most 512 MiB.
static COMING_IN: Semaphore = Semaphore::const_new(8);

async fn create(
    tuner: Tuner,
    request: HttpRequest,
    payload: web::Payload,
    (db, config): (web::Data<Db>, web::Data<Config>),
) -> Answer {
    let new = NewUpload::parse(&gateway::body(&request, payload).await?)?;
    let opened = upload::create(&db, &config, &tuner.actor, tuner.holder.key, new).await?;
    Ok(HttpResponse::Ok().json(opened.as_wire(None, &config.origin())))
}

async fn add_part(
    tuner: Tuner,
    (db, objects): (web::Data<Db>, web::Data<ObjectStore>),
    id: web::Path<String>,
    form: Multipart,
) -> Answer {
    let found = upload::find(&db, &tuner.actor, &id).await?;
    let mut form = Incoming::of(form);
    while let Some(mut field) = form.field().await? {
        if field.name() != Some("data") {
            while form.piece(&mut field).await?.is_some() {}
            continue;
        }
        let mut bytes = BytesMut::new();
        let mut room = None;
        while let Some(piece) = form.piece(&mut field).await? {
            if room.is_none() {
                room = Some(place(&COMING_IN).await?);
            }
            if bytes.len() + piece.len() > MOST_PART_BYTES {
                return Err(ApiError::too_large(MOST_PART_BYTES)
                    .with_param("data")
                    .into());
            }
            bytes.extend_from_slice(&piece);
        }
        let part = upload::add_part(&db, &objects, &found, bytes.freeze()).await?;
        drop(room);
        return Ok(HttpResponse::Ok().json(UploadPart {
            id: Of::Part.id(part.id),
            object: "upload.part".into(),
            created_at: part.created_at.timestamp(),
            upload_id: Of::Upload.id(found.id),
        }));
    }
    Err(ApiError::invalid_param("data", "There is no part in the form.").into())
}

async fn complete(
    tuner: Tuner,
    request: HttpRequest,
    payload: web::Payload,
    (db, objects, config): (web::Data<Db>, web::Data<ObjectStore>, web::Data<Config>),
    id: web::Path<String>,
) -> Answer {
    let asked = CompleteUpload::parse(&gateway::body(&request, payload).await?)?;
    let found = upload::find(&db, &tuner.actor, &id).await?;
    let done =
        put_together::complete(&db, &objects, &config, &tuner.actor, (&found, &asked)).await?;
    respond(&db, &config, &tuner, &done).await
}

async fn cancel(
    tuner: Tuner,
    (db, config): (web::Data<Db>, web::Data<Config>),
    id: web::Path<String>,
) -> Answer {
    let found = upload::find(&db, &tuner.actor, &id).await?;
    let done = upload::cancel(&db, &tuner.actor, &found).await?;
    respond(&db, &config, &tuner, &done).await
}

async fn respond(db: &Db, config: &Config, tuner: &Tuner, upload: &Upload) -> Answer {
    let mut conn = db.read().await?;
    let file = match upload.file {
        Some(id) => store::files::find(&mut conn, tuner.actor.institution, id)
            .await
            .map_err(refused)?,
        None => None,
    };
    Ok(HttpResponse::Ok().json(upload.as_wire(file.as_ref(), &config.origin())))
}
