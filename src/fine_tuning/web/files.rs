//! `/v1/files`.

use std::time::Duration;

use actix_multipart::{Field, Multipart};
use actix_web::{HttpRequest, HttpResponse, http::header, web};
use bytes::BytesMut;
use openai_api::{ApiError, Deleted, expiry};
use serde_json::json;
use tokio::sync::Semaphore;

use super::{
    super::{
        failure::refused,
        file::{self, ApiFile, MOST_BYTES, NewFile, SAID, Said},
        happened::Happened,
        ids::Of,
        store,
    },
    Answer, Tuner, at,
    file_list::{list, results},
    incoming::{Incoming, place},
};
use crate::{config::Config, datasets, db::Db, ids::FileId, objects::ObjectStore, policy::Actor};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(at(
            "/files",
            vec![web::post().to(create), web::get().to(list)],
        ))
        .service(at(
            "/files/{id}",
            vec![web::get().to(show), web::delete().to(remove)],
        ))
        .service(at("/files/{id}/content", vec![web::get().to(content)]));
}

/// Files that come in at the same time; each holds a part of 16 MiB at most.
static COMING_IN: Semaphore = Semaphore::const_new(16);
/// How long an address to read from holds.
const ADDRESS: Duration = Duration::from_secs(300);
/// Below this nothing is registered before all of it is there: whoever breaks off leaves nothing.
const FIRST_BYTES: usize = 16 * 1024 * 1024;

/// What stands in a form beside its file, at most.
const BESIDE_THE_FILE: u64 = 1024 * 1024;

/// Takes a file. What is known to be wrong with it is refused before its bytes are read: the SDKs send the file last.
async fn create(
    tuner: Tuner,
    (db, objects, config): (web::Data<Db>, web::Data<ObjectStore>, web::Data<Config>),
    request: HttpRequest,
    form: Multipart,
) -> Answer {
    let most_bytes = MOST_BYTES.min(file::most_bytes(&config.limits));
    let told = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    if told.is_some_and(|bytes| bytes > most_bytes.saturating_add(BESIDE_THE_FILE)) {
        return Err(file::too_large(&config.limits, most_bytes).into());
    }
    let mut form = Incoming::of(form);
    let mut said = Said::new();
    let mut purpose: Option<String> = None;
    let (mut anchor, mut seconds) = (None, None);
    while let Some(mut field) = form.field().await? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "purpose" => {
                let text = form.text(&mut field).await?;
                file::check_purpose(&text)?;
                purpose = Some(text);
            }
            "file" => {
                if purpose.is_none() {
                    let message = "'purpose' must stand before the file, and be 'fine-tune'.";
                    return Err(ApiError::invalid_param("purpose", message).into());
                }
                let given = field
                    .content_disposition()
                    .and_then(|disposition| disposition.get_filename())
                    .unwrap_or_default();
                let filename = file::check_name(given)?;
                let new = NewFile {
                    key: tuner.holder.key,
                    filename: &filename,
                    said: &said,
                    most_bytes,
                    expires_seconds: expiry(anchor.as_deref(), seconds.as_deref())?,
                    upload: None,
                };
                let ports = (&**db, &**objects, &**config);
                let id = receive(ports, &tuner.actor, &new, (&mut form, &mut field)).await?;
                let found = find(&db, &tuner.actor, &Of::File.id(id.0)).await?;
                return Ok(HttpResponse::Ok().json(found.as_wire(&config.origin())));
            }
            "expires_after[anchor]" => anchor = Some(form.text(&mut field).await?),
            "expires_after[seconds]" => seconds = Some(form.text(&mut field).await?),
            name => {
                let text = form.text(&mut field).await?;
                let ours = name
                    .strip_prefix("gptnl[")
                    .and_then(|rest| rest.strip_suffix(']'));
                match ours {
                    Some(key) if SAID.contains(&key) => {
                        said.insert(key.to_owned(), text);
                    }
                    Some(key) => {
                        let shown: String = key.chars().take(50).collect();
                        let message = format!("There is no field gptnl[{shown}].");
                        return Err(ApiError::invalid_param("gptnl", message).into());
                    }
                    // SDKs add fields of their own.
                    None => {}
                }
            }
        }
    }
    Err(ApiError::invalid_param("file", "There is no file in the form.").into())
}

/// Streams a file into the store.
async fn receive(
    (db, objects, config): (&Db, &ObjectStore, &Config),
    actor: &Actor,
    new: &NewFile<'_>,
    (form, field): (&mut Incoming, &mut Field),
) -> Result<FileId, ApiError> {
    let not_received = |error| file::not_received(&config.limits, error);
    let mut room = None;
    let mut first = BytesMut::new();
    let mut receiving = None;
    while let Some(piece) = form.piece(field).await? {
        if room.is_none() {
            room = Some(place(&COMING_IN).await?);
        }
        let receiving = match &mut receiving {
            Some(receiving) => receiving,
            None if first.len() + piece.len() < FIRST_BYTES => {
                first.extend_from_slice(&piece);
                continue;
            }
            none => {
                let mut begun = file::begin(db, objects, config, actor, new).await?;
                begun
                    .feed(objects, &first.split())
                    .await
                    .map_err(not_received)?;
                none.insert(begun)
            }
        };
        receiving
            .feed(objects, &piece)
            .await
            .map_err(not_received)?;
    }
    let receiving = match receiving {
        Some(receiving) => receiving,
        None if first.is_empty() => return Err(file::empty()),
        None => {
            let mut begun = file::begin(db, objects, config, actor, new).await?;
            begun.feed(objects, &first).await.map_err(not_received)?;
            begun
        }
    };
    let id = receiving.finish(db, objects, actor).await;
    drop(room);
    id.map_err(not_received)
}

/// One file of the caller's institution.
pub(super) async fn find(db: &Db, actor: &Actor, text: &str) -> Result<ApiFile, ApiError> {
    let missing = || Of::File.missing(text);
    let id = Of::File.parse(text).map(FileId).ok_or_else(missing)?;
    let mut conn = db.read().await.map_err(refused)?;
    let file = store::files::find(&mut conn, actor.institution, id)
        .await
        .map_err(refused)?
        .ok_or_else(missing)?;
    drop(conn);
    let dataset = datasets::find_visible(db, actor, file.dataset)
        .await
        .map_err(refused)?;
    dataset.map(|_| file).ok_or_else(missing)
}

async fn show(
    tuner: Tuner,
    (db, config): (web::Data<Db>, web::Data<Config>),
    id: web::Path<String>,
) -> Answer {
    if let Some((file, _)) = results(&db, &tuner.actor, &id).await? {
        return Ok(HttpResponse::Ok().json(file));
    }
    let found = find(&db, &tuner.actor, &id).await?;
    Ok(HttpResponse::Ok().json(found.as_wire(&config.origin())))
}

async fn remove(tuner: Tuner, db: web::Data<Db>, id: web::Path<String>) -> Answer {
    if Of::Results.parse(&id).is_some() {
        let message = "The figures of a job stay with the job.";
        return Err(ApiError::invalid_param("id", message).into());
    }
    let found = find(&db, &tuner.actor, &id).await?;
    file::delete(&db, &tuner.actor, &found).await?;
    Ok(HttpResponse::Ok().json(Deleted {
        id: id.into_inner(),
        object: "file".into(),
        deleted: true,
    }))
}

/// The bytes: of a file by an address in the object store that holds for minutes, of figures at once.
async fn content(
    tuner: Tuner,
    (db, objects): (web::Data<Db>, web::Data<ObjectStore>),
    id: web::Path<String>,
) -> Answer {
    if let Some((_, csv)) = results(&db, &tuner.actor, &id).await? {
        return Ok(HttpResponse::Ok()
            .content_type("text/csv; charset=utf-8")
            .body(csv));
    }
    let found = find(&db, &tuner.actor, &id).await?;
    let dataset = datasets::find(&db, found.dataset)
        .await?
        .ok_or_else(|| Of::File.missing(&id))?;
    let permit = datasets::check_edit(&tuner.actor, &dataset).map_err(refused)?;
    let Some(version) = found
        .object_version
        .as_deref()
        .filter(|_| found.state == datasets::FileState::Ready)
    else {
        let message = "The file is not verified, or was found wrong.";
        let code = Some("file_not_ready");
        return Err(ApiError::new(400, "invalid_request_error", code, message).into());
    };
    let address = objects
        .presign_get(&found.object_key, version, ADDRESS)
        .await
        .map_err(refused)?;
    let recorded = async {
        let mut tx = db.write(&tuner.actor).await?;
        tx.record(&Happened {
            kind: "fine_tuning.file_read",
            subject: ("dataset", found.dataset.0),
            institution: found.institution,
            facts: json!({ "file": found.id, "api_key": tuner.holder.key }),
        })?;
        tx.commit(permit).await?;
        Ok::<_, super::super::create::Written>(())
    };
    recorded.await.map_err(refused)?;
    Ok(HttpResponse::Found()
        .insert_header((header::LOCATION, address))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish())
}
