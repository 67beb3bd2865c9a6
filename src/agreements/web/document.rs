//! Sending the signed document, and getting it back.

use actix_multipart::{Field, Multipart};
use actix_web::{HttpResponse, get, http::header, post, web};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use serde::Deserialize;

use super::{
    super::{
        attach::{self, NewDocument},
        read, store,
    },
    visible,
};
use crate::{
    config::Config,
    db::Db,
    error::{AppError, Say},
    ids::AgreementId,
    objects::ObjectStore,
    web::{ApiActor, ApiResult, FormSender, Page, PageResult, back_with},
};

const LONGEST_TOKEN: u64 = 200;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(send)
        .service(send_bytes)
        .service(get)
        .service(pages);
}

fn too_large(most: u64) -> AppError {
    AppError::TooLarge(Say::new("agreement-document-too-large").with("most", most / 1_000_000))
}

async fn read_field(field: &mut Field, most: u64) -> Result<BytesMut, AppError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(|_| AppError::invalid("form-unreadable"))?;
        if (bytes.len() + chunk.len()) as u64 > most {
            return Err(too_large(most));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Takes the document from the form of the page.
#[post("/{lang:nl|en}/agreements/{id}/document")]
async fn send(
    page: Page,
    sender: FormSender,
    (db, objects, config): (web::Data<Db>, web::Data<ObjectStore>, web::Data<Config>),
    path: web::Path<(String, AgreementId)>,
    mut form: Multipart,
) -> PageResult {
    let (mut sender, mut actor, mut sent) = (Some(sender), None, None);
    while let Some(field) = form.next().await {
        let mut field = field.map_err(|_| AppError::invalid("form-unreadable"))?;
        match field.name() {
            Some("csrf") => {
                let token = read_field(&mut field, LONGEST_TOKEN).await?;
                let token = String::from_utf8_lossy(&token).into_owned();
                actor = sender
                    .take()
                    .map(|sender| sender.check(&token))
                    .transpose()?;
            }
            // The token stands before the file in our form.
            Some("document") if actor.is_some() => {
                let file_name = field
                    .content_disposition()
                    .and_then(|disposition| disposition.get_filename())
                    .unwrap_or_default()
                    .to_owned();
                let bytes = read_field(&mut field, config.limits.document_bytes).await?;
                sent = Some(NewDocument {
                    file_name,
                    bytes: bytes.into(),
                });
            }
            Some("document") => return Err(AppError::Forbidden(Say::new("csrf-refused")).into()),
            _ => return Err(AppError::invalid("form-unreadable").into()),
        }
    }
    let actor = actor.ok_or_else(|| AppError::Forbidden(Say::new("csrf-refused")))?;
    let sent = sent
        .filter(|sent| !sent.bytes.is_empty())
        .ok_or_else(|| AppError::invalid("agreement-no-file"))?;
    attach::attach(&db, &objects, &config, &actor, (path.1, sent))
        .await
        .map_err(AppError::from)?;
    Ok(back_with(
        &page.path(&format!("/agreements/{}", path.1)),
        "good",
        "flash-agreement-document-received",
    ))
}

#[derive(Deserialize)]
struct Name {
    #[serde(default)]
    name: String,
}

/// Takes the document as the body of a request, for programs.
#[post("/api/v1/agreements/{id}/document")]
async fn send_bytes(
    ApiActor(actor): ApiActor,
    (db, objects, config): (web::Data<Db>, web::Data<ObjectStore>, web::Data<Config>),
    path: web::Path<AgreementId>,
    query: web::Query<Name>,
    mut payload: web::Payload,
) -> ApiResult {
    let most = config.limits.document_bytes;
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| AppError::invalid("form-unreadable"))?;
        if (bytes.len() + chunk.len()) as u64 > most {
            return Err(too_large(most).into());
        }
        bytes.extend_from_slice(&chunk);
    }
    let sent = NewDocument {
        file_name: query.name.clone(),
        bytes: bytes.into(),
    };
    let document = attach::attach(&db, &objects, &config, &actor, (*path, sent))
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::Accepted()
        .json(serde_json::json!({ "document": document, "state": "reading" })))
}

/// The document as it was sent, byte for byte: what the store has is compared with its hash first.
#[get("/{lang:nl|en}/agreements/{id}/document")]
async fn get(
    page: Page,
    (db, objects): (web::Data<Db>, web::Data<ObjectStore>),
    path: web::Path<(String, AgreementId)>,
) -> PageResult {
    let agreement = visible(&db, page.actor(), path.1).await?;
    let mut conn = db.read().await?;
    let document = store::newest_document(&mut conn, agreement.id, true)
        .await?
        .ok_or(AppError::NotFound)?;
    drop(conn);
    let bytes = read::bytes(&objects, &document)
        .await
        .map_err(|error| AppError::Internal(error.into()))?
        .ok_or_else(|| {
            AppError::Internal(anyhow::anyhow!(
                "the document {} is not what was sent",
                document.id
            ))
        })?;
    let name: String = url::form_urlencoded::byte_serialize(document.file_name.as_bytes())
        .collect::<String>()
        .replace('+', "%20");
    Ok(HttpResponse::Ok()
        .content_type("application/pdf")
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename*=UTF-8''{name}"),
        ))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(bytes))
}

/// The text of the document's pages, for programs.
#[get("/api/v1/agreements/{id}/pages")]
async fn pages(
    db: web::Data<Db>,
    ApiActor(actor): ApiActor,
    path: web::Path<AgreementId>,
) -> ApiResult {
    let agreement = visible(&db, &actor, *path).await?;
    let mut conn = db.read().await?;
    let document = store::newest_document(&mut conn, agreement.id, true)
        .await?
        .ok_or(AppError::NotFound)?;
    let pages = store::pages(&mut conn, document.id).await?;
    let pages: Vec<_> = (1..)
        .zip(pages.texts)
        .map(|(page, text): (i32, String)| serde_json::json!({ "page": page, "text": text }))
        .collect();
    Ok(HttpResponse::Ok().json(serde_json::json!({
        "document": document.id, "sha256": document.sha256, "pages": pages,
    })))
}
