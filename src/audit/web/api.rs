//! Lines, checkpoints and proofs for programs.

use actix_web::{HttpResponse, get, web};
use serde::Deserialize;
use serde_json::{Value, json};
use transparency_log::Hash;

use super::{LogData, download, visibility};
use crate::{
    audit::{
        checkpoint::Signed,
        log::Log,
        prove::{self, Proven},
    },
    error::AppError,
    web::{ApiActor, ApiResult},
};

const MOST_AT_ONCE: i64 = 500;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(checkpoint)
        .service(events)
        .service(inclusion)
        .service(consistency)
        .service(export);
}

fn checkpoint_json(log: &Log, signed: &Signed) -> Result<Value, AppError> {
    Ok(json!({
        "origin": log.origin(),
        "size": signed.size,
        "root": signed.root.to_base64(),
        "signed_at": signed.at,
        "note": signed.note,
        "key": log.key()?.to_string(),
    }))
}

fn proof_json(proof: &[Hash]) -> Value {
    proof
        .iter()
        .map(|hash| hash.to_base64())
        .collect::<Vec<_>>()
        .into()
}

fn line_json(line: &Proven) -> Value {
    json!({
        "seq": line.seq,
        "leaf": line.leaf,
        "leaf_hash": line.hash.to_base64(),
        "proof": line.proof.as_deref().map(proof_json),
    })
}

/// The newest checkpoint; hashes only, so for everybody.
#[get("/api/v1/audit/checkpoint")]
async fn checkpoint(log: LogData) -> ApiResult {
    let newest = prove::newest(&log).await?.ok_or(AppError::NotFound)?;
    Ok(HttpResponse::Ok().json(checkpoint_json(&log, &newest)?))
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: i64,
    limit: Option<i64>,
}

/// The lines that the asker may see, each with its proof under the checkpoint that comes along.
#[get("/api/v1/audit/events")]
async fn events(actor: ApiActor, log: LogData, query: web::Query<After>) -> ApiResult {
    let whose = visibility(&actor.0)?;
    let limit = query.limit.unwrap_or(100).clamp(1, MOST_AT_ONCE);
    let mut found = prove::proven_lines(&log, whose, query.after, limit + 1).await?;
    let has_more = found.lines.len() as i64 > limit;
    found.lines.truncate(usize::try_from(limit).unwrap_or(0));
    let newest = found
        .checkpoint
        .as_ref()
        .map(|signed| checkpoint_json(&log, signed))
        .transpose()?;
    Ok(HttpResponse::Ok().json(json!({
        "checkpoint": newest,
        "data": found.lines.iter().map(line_json).collect::<Vec<_>>(),
        "has_more": has_more,
    })))
}

#[derive(Deserialize)]
struct Place {
    seq: i64,
    size: Option<u64>,
}

/// That a line is among the first `size`; without `size`, under the newest checkpoint.
#[get("/api/v1/audit/proof/inclusion")]
async fn inclusion(log: LogData, query: web::Query<Place>) -> ApiResult {
    let newest = prove::newest(&log).await?.ok_or(AppError::NotFound)?;
    let size = query.size.unwrap_or(newest.size);
    let proof = prove::inclusion(&log, query.seq, size)
        .await?
        .ok_or(AppError::NotFound)?;
    Ok(HttpResponse::Ok().json(json!({
        "seq": query.seq,
        "index": query.seq - 1,
        "size": size,
        "proof": proof_json(&proof),
    })))
}

#[derive(Deserialize)]
struct Sizes {
    from: u64,
    to: Option<u64>,
}

/// That the first `to` lines begin with the first `from`; without `to`, those of the newest checkpoint.
#[get("/api/v1/audit/proof/consistency")]
async fn consistency(log: LogData, query: web::Query<Sizes>) -> ApiResult {
    let newest = prove::newest(&log).await?.ok_or(AppError::NotFound)?;
    let to = query.to.unwrap_or(newest.size);
    let proof = prove::consistency(&log, query.from, to)
        .await?
        .ok_or(AppError::NotFound)?;
    Ok(HttpResponse::Ok().json(json!({
        "from": query.from,
        "to": to,
        "proof": proof_json(&proof),
    })))
}

/// Everything of the asker's, with proofs, in one file.
#[get("/api/v1/audit/bundle")]
async fn export(actor: ApiActor, log: LogData) -> ApiResult {
    Ok(download(&log, &actor.0).await?)
}
