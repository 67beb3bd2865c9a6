//! The upload protocol, as `static/upload.js` and programs speak it.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::header,
    post, put,
    web::{self, ServiceConfig},
};
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{
    abort, complete,
    find::find,
    form,
    open::{self, NewUpload},
    pace::{Pace, PaceError},
    parts, store,
    upload::{Part, Upload},
};
use crate::{
    config::Config,
    datasets::FileState,
    db::Db,
    error::AppError,
    ids::{DatasetId, FileId},
    objects::ObjectStore,
    web::{ApiActor, ApiResult, Lang, Page, PageResult, ProtectedForm, ProtectedJson, back_with},
};

/// Registers the routes.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(create)
        .service(sign)
        .service(put_part)
        .service(show)
        .service(finish)
        .service(give_up)
        .service(remove)
        .service(form::send);
}

#[derive(Deserialize)]
struct Create {
    path: String,
    size: u64,
    #[serde(default)]
    mime: String,
    #[serde(default)]
    fingerprint: String,
}

/// Opens an upload, or finds the one that is open for the same file.
#[post("/api/v1/datasets/{id}/uploads")]
async fn create(
    db: web::Data<Db>,
    objects: web::Data<ObjectStore>,
    config: web::Data<Config>,
    dataset: web::Path<DatasetId>,
    request: ProtectedJson<Create>,
) -> ApiResult {
    let body = &request.body;
    let new = NewUpload {
        path: &body.path,
        size_bytes: body.size,
        media_type: &body.mime,
        fingerprint: &body.fingerprint,
    };
    let upload = open::open(
        &db,
        &objects,
        &config.limits,
        &request.actor,
        (*dataset, new),
    )
    .await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/uploads/{}", upload.id)))
        .json(serde_json::json!({
            "upload_id": upload.id,
            "part_size": upload.part_size_bytes,
            "parts": upload.part_count(),
            "direct": config.s3.direct_uploads,
        })))
}

#[derive(Deserialize)]
struct PartJson {
    n: i32,
    size: i64,
    sha256: String,
}

#[derive(Deserialize)]
struct Sign {
    parts: Vec<PartJson>,
}

#[derive(Serialize)]
struct LeaveJson {
    n: i32,
    url: String,
    headers: serde_json::Map<String, serde_json::Value>,
}

/// Gives leave to send parts, each with exactly the bytes of its checksum.
#[post("/api/v1/uploads/{id}/parts:sign")]
async fn sign(
    db: web::Data<Db>,
    objects: web::Data<ObjectStore>,
    config: web::Data<Config>,
    id: web::Path<FileId>,
    request: ProtectedJson<Sign>,
) -> ApiResult {
    let wanted: Vec<Part> = request
        .body
        .parts
        .into_iter()
        .map(|part| Part {
            number: part.n,
            size_bytes: part.size,
            sha256: part.sha256,
        })
        .collect();
    let is_direct = config.s3.direct_uploads;
    let leaves = parts::sign(&db, &objects, &request.actor, *id, (&wanted, is_direct)).await?;
    let urls: Vec<LeaveJson> = leaves
        .into_iter()
        .map(|leave| LeaveJson {
            n: leave.number,
            url: leave.url,
            headers: leave
                .headers
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect(),
        })
        .collect();
    Ok(HttpResponse::Ok().json(serde_json::json!({ "urls": urls })))
}

/// Parts that pass through at the same time hold at most so many MiB together.
static PASSING: Semaphore = Semaphore::const_new(256);
/// How long a part that began to come waits for room among them.
const LONGEST_QUEUE: Duration = Duration::from_secs(30);

/// Room for a part. To be asked for when bytes came: who sends none holds none.
async fn room_for(size_bytes: i64) -> Result<SemaphorePermit<'static>, AppError> {
    let mebibytes = u32::try_from(size_bytes / (1024 * 1024) + 1).unwrap_or(u32::MAX);
    timeout(LONGEST_QUEUE, PASSING.acquire_many(mebibytes.min(256)))
        .await
        .map_err(|error| AppError::Unavailable {
            what: "room for parts",
            cause: error.into(),
        })?
        .map_err(|error| AppError::Internal(error.into()))
}

/// A part that is all there, and the room that it takes until this is dropped.
struct Passing {
    bytes: Bytes,
    _room: Option<SemaphorePermit<'static>>,
}

/// Reads exactly one part; gives up on a sender that falls silent, sends next to nothing, or more than it may.
async fn read_part(mut payload: web::Payload, size_bytes: i64) -> Result<Passing, AppError> {
    let size = usize::try_from(size_bytes).unwrap_or(0);
    let mut body = BytesMut::new();
    let mut pace = Pace::begin();
    let mut room = None;
    while let Some(chunk) = pace.next(&mut payload).await? {
        if body.len() + chunk.len() > size {
            return Err(AppError::invalid("upload-part-longer"));
        }
        if room.is_none() && !chunk.is_empty() {
            room = Some(room_for(size_bytes).await?);
        }
        pace.count(chunk.len());
        body.extend_from_slice(&chunk);
    }
    Ok(Passing {
        bytes: body.freeze(),
        _room: room,
    })
}

impl From<PaceError> for AppError {
    fn from(error: PaceError) -> Self {
        match error {
            PaceError::TooSlow => Self::invalid("upload-silence"),
            PaceError::BrokenOff => Self::invalid("upload-broken-off"),
        }
    }
}

/// Takes one part for the store, where browsers cannot reach it themselves.
#[put("/api/v1/uploads/{id}/parts/{number}")]
async fn put_part(
    db: web::Data<Db>,
    objects: web::Data<ObjectStore>,
    ApiActor(actor): ApiActor,
    path: web::Path<(FileId, i32)>,
    payload: web::Payload,
) -> ApiResult {
    let (id, number) = path.into_inner();
    let (upload, part) = parts::announced(&db, &actor, id, number).await?;
    let Passing { bytes, _room } = read_part(payload, part.size_bytes).await?;
    parts::put(&objects, &upload, &part, bytes).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Serialize)]
struct DonePart {
    n: i32,
    size: i64,
    sha256: String,
}

#[derive(Serialize)]
struct LineJson {
    line: u64,
    problem: String,
}

#[derive(Serialize)]
struct UploadJson {
    upload_id: FileId,
    path: String,
    size: i64,
    state: FileState,
    part_size: i64,
    done: Vec<DonePart>,
    missing: Vec<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    documents: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    characters: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bad_lines: Option<Vec<LineJson>>,
}

fn json(lang: Lang, upload: Upload, done: Vec<DonePart>) -> UploadJson {
    let missing = if upload.state == FileState::Uploading {
        (1..=upload.part_count())
            .filter(|number| !done.iter().any(|part| part.n == *number))
            .collect()
    } else {
        Vec::new()
    };
    UploadJson {
        upload_id: upload.id,
        path: upload.path,
        size: upload.size_bytes,
        state: upload.state,
        part_size: upload.part_size_bytes,
        done,
        missing,
        documents: upload.documents,
        characters: upload.characters,
        problem: upload
            .problem
            .as_ref()
            .map(|problem| lang.say(&problem.say())),
        bad_lines: upload.problem.map(|problem| {
            problem
                .lines
                .iter()
                .map(|bad| LineJson {
                    line: bad.line,
                    problem: lang.say(&bad.problem.say()),
                })
                .collect()
        }),
    }
}

fn language(request: &HttpRequest) -> Lang {
    Lang::accepted(
        request
            .headers()
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok()),
    )
}

/// Where an upload stands; while it is open, which parts the store has.
#[get("/api/v1/uploads/{id}")]
async fn show(
    request: HttpRequest,
    db: web::Data<Db>,
    objects: web::Data<ObjectStore>,
    ApiActor(actor): ApiActor,
    id: web::Path<FileId>,
) -> ApiResult {
    let upload = find(&db, &actor, *id).await.map_err(AppError::from)?;
    let mut done = Vec::new();
    if upload.state == FileState::Uploading {
        let stored = parts::stored(&db, &objects, &upload)
            .await
            .map_err(parts::PartError::from)?;
        let mut conn = db.read().await?;
        let announced = store::parts(&mut conn, upload.id).await?;
        done = parts::done(&stored, &announced)
            .map(|part| DonePart {
                n: part.number,
                size: part.size_bytes,
                sha256: part.sha256.clone(),
            })
            .collect();
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json(language(&request), upload, done)))
}

#[derive(Deserialize)]
struct WholePart {
    n: i32,
    sha256: String,
}

#[derive(Deserialize)]
struct Finish {
    parts: Vec<WholePart>,
    tree: String,
}

/// Puts the parts together. Twice comes to the same.
#[post("/api/v1/uploads/{id}/complete")]
async fn finish(
    db: web::Data<Db>,
    objects: web::Data<ObjectStore>,
    id: web::Path<FileId>,
    request: ProtectedJson<Finish>,
) -> ApiResult {
    let Finish { parts, tree } = request.body;
    let parts: Vec<(i32, String)> = parts
        .into_iter()
        .map(|part| (part.n, part.sha256))
        .collect();
    let whole = complete::Whole {
        parts: &parts,
        tree: &tree,
    };
    let state = complete::complete(&db, &objects, &request.actor, *id, &whole).await?;
    Ok(HttpResponse::Accepted().json(serde_json::json!({ "state": state })))
}

/// Gives the file up.
#[delete("/api/v1/uploads/{id}")]
async fn give_up(db: web::Data<Db>, ApiActor(actor): ApiActor, id: web::Path<FileId>) -> ApiResult {
    abort::abort(&db, &actor, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize)]
struct Nothing {}

/// Gives the file up, from the dataset's page.
#[post("/{lang:nl|en}/datasets/{dataset}/files/{id}/remove")]
async fn remove(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId, FileId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    let (_, dataset, id) = path.into_inner();
    abort::abort(&db, page.actor(), id).await?;
    Ok(back_with(
        &page.path(&format!("/datasets/{dataset}")),
        "good",
        "flash-upload-removed",
    ))
}
