//! The parts of an upload are put together. A portal may die at any moment of it: the file is noted before its first byte,
//! and whoever asks again goes on with the same one.

use std::time::Duration;

use aws_sdk_s3::primitives::{ByteStream, ByteStreamError};
use chrono::TimeDelta;
use md5::{Digest as _, Md5};
use openai_api::{ApiError, CompleteUpload};
use serde_json::json;
use uuid::Uuid;

use super::{
    create::Written,
    failure::refused,
    file::{self, NewFile, Said},
    happened::Happened,
    ids::Of,
    store,
    upload::{Part, Upload, ended, find},
};
use crate::{
    config::Config,
    datasets::FileState,
    db::{Db, StoreError},
    ids::FileId,
    objects::ObjectStore,
    policy::{self, Action, Actor, Scope},
    uploads,
};

/// How long a request that puts parts together may say nothing before another may try. It says so every third of that,
/// so one of a portal that was killed holds nobody up for long.
const LEASE: TimeDelta = TimeDelta::seconds(15);
const RENEW: Duration = Duration::from_secs(5);

/// Puts the parts together, in the order that is given now. The same again answers the same file.
pub(super) async fn complete(
    db: &Db,
    objects: &ObjectStore,
    config: &Config,
    actor: &Actor,
    (upload, asked): (&Upload, &CompleteUpload),
) -> Result<Upload, ApiError> {
    match upload.status.as_str() {
        "completed" => return Ok(upload.clone()),
        "pending" => {}
        _ => return Err(ended(upload)),
    }
    let mut conn = db.read().await.map_err(refused)?;
    let there = store::uploads::parts(&mut conn, upload.id)
        .await
        .map_err(refused)?;
    drop(conn);
    let parts = in_order(&there, upload, asked)?;
    let claimed = (upload.id, Uuid::now_v7());
    let mut tx = db.meter().await.map_err(refused)?;
    let is_ours = store::uploads::claim(&mut tx, claimed, LEASE)
        .await
        .map_err(refused)?;
    if !is_ours {
        return Err(file::being_put_together());
    }
    tx.commit().await.map_err(refused)?;
    // An earlier try may have got further since the upload was looked up.
    let upload = find(db, actor, &Of::Upload.id(upload.id)).await?;
    let work = put_together(
        db,
        objects,
        config,
        actor,
        (&upload, asked, &parts, claimed),
    );
    let done = tokio::select! {
        done = work => done,
        lost = keep_claim(db, claimed) => Err(lost),
    };
    match done {
        Ok(file) => finish(db, actor, claimed, file).await,
        Err(error) => {
            let mut tx = db.meter().await.map_err(refused)?;
            store::uploads::release(&mut tx, claimed)
                .await
                .map_err(refused)?;
            tx.commit().await.map_err(refused)?;
            Err(error)
        }
    }
}

/// Says every few seconds that the work goes on; ends only where the claim went to another.
async fn keep_claim(db: &Db, claimed: (Uuid, Uuid)) -> ApiError {
    loop {
        tokio::time::sleep(RENEW).await;
        let renewed = async {
            let mut tx = db.meter().await?;
            let is_ours = store::uploads::renew(&mut tx, claimed, LEASE).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(is_ours)
        };
        match renewed.await {
            Ok(true) => {}
            Ok(false) => return file::being_put_together(),
            // What is written under a claim asks for the claim itself, so nothing goes wrong by going on.
            Err(error) => tracing::warn!(%error, "a claim on an upload cannot be renewed"),
        }
    }
}

/// The parts that are named, where they come to the bytes that were announced.
fn in_order<'a>(
    there: &'a [Part],
    upload: &Upload,
    asked: &CompleteUpload,
) -> Result<Vec<&'a Part>, ApiError> {
    let mut parts = Vec::with_capacity(asked.part_ids.len());
    for text in &asked.part_ids {
        let found = Of::Part
            .parse(text)
            .and_then(|id| there.iter().find(|part| part.id == id))
            .filter(|part| part.object_version.is_some())
            .ok_or_else(|| {
                let shown: String = text.chars().take(100).collect();
                let message = format!("There is no part {shown} in this upload.");
                ApiError::invalid_param("part_ids", message)
            })?;
        if parts.iter().any(|part: &&Part| part.id == found.id) {
            return Err(ApiError::invalid_param(
                "part_ids",
                "A part is named twice.",
            ));
        }
        parts.push(found);
    }
    let sum: i64 = parts.iter().map(|part| part.size_bytes).sum();
    if sum != upload.bytes {
        let message = format!(
            "The parts have {sum} bytes together, and {} were announced.",
            upload.bytes
        );
        return Err(ApiError::invalid_param("part_ids", message));
    }
    Ok(parts)
}

async fn put_together(
    db: &Db,
    objects: &ObjectStore,
    config: &Config,
    actor: &Actor,
    (upload, asked, parts, claimed): (&Upload, &CompleteUpload, &[&Part], (Uuid, Uuid)),
) -> Result<FileId, ApiError> {
    // A first try may have finished the file and not the upload.
    let begun = match upload.receiving {
        Some(id) => {
            let mut conn = db.read().await.map_err(refused)?;
            let file = store::files::find(&mut conn, actor.institution, id)
                .await
                .map_err(refused)?;
            match file.map(|file| file.state) {
                Some(FileState::Verifying | FileState::Ready | FileState::Rejected) => {
                    return Ok(id);
                }
                Some(FileState::Uploading) => Some(id),
                Some(FileState::Aborted) | None => None,
            }
        }
        None => None,
    };
    let not_received = |error| file::not_received(&config.limits, error);
    if let Some(md5) = &asked.md5 {
        let mut whole = Md5::new();
        for part in parts {
            let mut body = body(objects, part).await?;
            while let Some(chunk) = body.next().await {
                whole.update(&chunk.map_err(broken)?);
            }
        }
        if data_encoding::HEXLOWER.encode(&whole.finalize()) != *md5 {
            let message = "The MD5 of the whole is not the one that was sent.";
            return Err(ApiError::invalid_param("md5", message));
        }
    }
    let new = NewFile {
        key: upload.key,
        filename: &upload.filename,
        said: &Said::new(),
        most_bytes: upload.bytes.unsigned_abs(),
        expires_seconds: upload.file_expires_seconds,
        upload: Some(claimed),
    };
    let again = match begun {
        Some(id) => uploads::receive_again(db, objects, id)
            .await
            .map_err(not_received)?,
        None => None,
    };
    let mut receiving = match again {
        Some(receiving) => receiving,
        None => file::begin(db, objects, config, actor, &new).await?,
    };
    for part in parts {
        let mut body = body(objects, part).await?;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(broken)?;
            receiving
                .feed(objects, &chunk)
                .await
                .map_err(not_received)?;
        }
    }
    receiving
        .finish(db, objects, actor)
        .await
        .map_err(not_received)
}

async fn body(objects: &ObjectStore, part: &Part) -> Result<ByteStream, ApiError> {
    let version = part.object_version.as_deref().unwrap_or("null");
    objects
        .read(&part.object_key, version)
        .await
        .map_err(refused)
}

fn broken(error: ByteStreamError) -> ApiError {
    tracing::warn!(%error, "a part of an upload could not be read");
    ApiError::overloaded("The object store broke off.", 5)
}

async fn finish(
    db: &Db,
    actor: &Actor,
    claimed: (Uuid, Uuid),
    file: FileId,
) -> Result<Upload, ApiError> {
    let (upload, _) = claimed;
    let own = Scope::of(actor.institution);
    let permit = policy::check(actor, Action::RegisterDataset, &own).map_err(refused)?;
    let written = async {
        let mut tx = db.write(actor).await?;
        let is_ours = store::uploads::set_completed(&mut tx, claimed, file).await?;
        if is_ours {
            tx.record(&Happened {
                kind: "fine_tuning.upload_completed",
                subject: ("api_upload", upload),
                institution: actor.institution,
                facts: json!({ "upload": upload, "file": file }),
            })?;
            tx.commit(permit).await?;
        }
        Ok::<_, Written>(is_ours)
    };
    let is_ours = written.await.map_err(refused)?;
    let now = find(db, actor, &Of::Upload.id(upload)).await?;
    if is_ours || now.status == "completed" {
        Ok(now)
    } else {
        Err(file::being_put_together())
    }
}
