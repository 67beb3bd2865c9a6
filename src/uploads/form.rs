//! Files from the plain form, for browsers without script: kept aside until their size is known, then sent to
//! the store in parts like all others.

use std::io::SeekFrom;

use actix_multipart::{Field, Multipart};
use actix_web::{post, web};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _},
};

use super::{
    complete::{self, Whole},
    open::{self, NewUpload},
    parts,
    upload::{Part, parse_path, tree_sha256},
};
use crate::{
    config::{Config, Limits},
    datasets::Format,
    db::Db,
    error::{AppError, Say},
    ids::DatasetId,
    objects::ObjectStore,
    policy::Actor,
    web::{FormSender, Page, PageResult, back_with},
};

/// One form brings at most so many bytes; larger files need the script.
const LARGEST_FORM: u64 = 200_000_000;
const LONGEST_TOKEN: usize = 200;

/// A file of the form, kept aside.
struct Received {
    name: String,
    file: File,
    size_bytes: u64,
    sha256: String,
}

/// Takes the files of the form and has each verified.
#[post("/{lang:nl|en}/datasets/{id}/files")]
pub(super) async fn send(
    page: Page,
    sender: FormSender,
    (db, objects, config): (web::Data<Db>, web::Data<ObjectStore>, web::Data<Config>),
    path: web::Path<(String, DatasetId)>,
    mut form: Multipart,
) -> PageResult {
    let dataset = path.1;
    let mut sender = Some(sender);
    let mut actor: Option<Actor> = None;
    let mut room = LARGEST_FORM;
    let mut files = 0;
    while let Some(field) = form.next().await {
        let mut field = field.map_err(|_| AppError::invalid("form-unreadable"))?;
        match field.name() {
            Some("csrf") => {
                let token = read_token(&mut field).await?;
                actor = sender
                    .take()
                    .map(|sender| sender.check(&token))
                    .transpose()?;
            }
            Some("files") => {
                // The token stands before the files in our form.
                let actor = actor
                    .as_ref()
                    .ok_or_else(|| AppError::Forbidden(Say::new("csrf-refused")))?;
                let Some(received) = receive(&mut field, room).await? else {
                    continue;
                };
                room = room.saturating_sub(received.size_bytes);
                pass_on(&db, &objects, &config.limits, actor, (dataset, received)).await?;
                files += 1;
            }
            _ => return Err(AppError::invalid("form-unreadable").into()),
        }
    }
    if files == 0 {
        return Err(AppError::invalid("upload-no-file").into());
    }
    Ok(back_with(
        &page.path(&format!("/datasets/{dataset}")),
        "good",
        "flash-upload-received",
    ))
}

async fn read_token(field: &mut Field) -> Result<String, AppError> {
    let mut token = BytesMut::new();
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(|_| AppError::invalid("form-unreadable"))?;
        if token.len() + chunk.len() > LONGEST_TOKEN {
            return Err(AppError::invalid("form-unreadable"));
        }
        token.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&token).into_owned())
}

fn aside(error: std::io::Error) -> AppError {
    AppError::Internal(anyhow::Error::new(error).context("a file of the form cannot be kept aside"))
}

/// Keeps one file aside; none where no file was chosen.
async fn receive(field: &mut Field, room: u64) -> Result<Option<Received>, AppError> {
    let name = field
        .content_disposition()
        .and_then(|disposition| disposition.get_filename())
        .unwrap_or_default()
        .to_owned();
    if name.is_empty() {
        return Ok(None);
    }
    // Refused before its bytes are kept.
    let path = parse_path(&name).map_err(open::OpenError::from)?;
    if Format::of_path(&path).is_none() {
        return Err(open::OpenError::Kind.into());
    }
    let file = tokio::task::spawn_blocking(tempfile::tempfile)
        .await
        .map_err(|error| AppError::Internal(error.into()))?
        .map_err(aside)?;
    let mut file = File::from_std(file);
    let (mut size_bytes, mut whole) = (0_u64, Sha256::new());
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(|_| AppError::invalid("upload-broken-off"))?;
        size_bytes += chunk.len() as u64;
        if size_bytes > room {
            return Err(AppError::TooLarge(
                Say::new("upload-form-too-large").with("most", LARGEST_FORM / 1_000_000),
            ));
        }
        whole.update(&chunk);
        file.write_all(&chunk).await.map_err(aside)?;
    }
    file.flush().await.map_err(aside)?;
    file.seek(SeekFrom::Start(0)).await.map_err(aside)?;
    Ok(Some(Received {
        name: path,
        file,
        size_bytes,
        sha256: data_encoding::HEXLOWER.encode(&whole.finalize()),
    }))
}

/// Sends a file that was kept aside to the store, as the script would.
async fn pass_on(
    db: &Db,
    objects: &ObjectStore,
    limits: &Limits,
    actor: &Actor,
    (dataset, mut received): (DatasetId, Received),
) -> Result<(), AppError> {
    let new = NewUpload {
        path: &received.name,
        size_bytes: received.size_bytes,
        media_type: "",
        fingerprint: &received.sha256,
    };
    let upload = open::open(db, objects, limits, actor, (dataset, new)).await?;
    let mut digests = Vec::new();
    for number in 1..=upload.part_count() {
        let size_bytes = upload.size_of_part(number).unwrap_or(0);
        let mut bytes = vec![0; usize::try_from(size_bytes).unwrap_or(0)];
        received.file.read_exact(&mut bytes).await.map_err(aside)?;
        let part = Part {
            number,
            size_bytes,
            sha256: data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)),
        };
        let one = std::slice::from_ref(&part);
        parts::sign(db, objects, actor, upload.id, (one, false)).await?;
        let (upload, part) = parts::announced(db, actor, upload.id, number).await?;
        parts::put(objects, &upload, &part, bytes.into()).await?;
        digests.push((number, part.sha256));
    }
    let tree = tree_sha256(digests.iter().map(|(_, digest)| digest.as_str())).unwrap_or_default();
    let whole = Whole {
        parts: &digests,
        tree: &tree,
    };
    complete::complete(db, objects, actor, upload.id, &whole).await?;
    Ok(())
}
