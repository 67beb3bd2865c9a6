//! The public log: checkpoints and tiles of hashes, C2SP tlog-tiles.
//!
//! There are no entry bundles: what a line says is its institution's, and its salted hash gives nothing away.

use actix_web::{HttpResponse, get, http::header, web};
use transparency_log::Tile;

use super::LogData;
use crate::{audit::prove, error::AppError, web::ApiResult};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(checkpoint)
        .service(key)
        .service(tile)
        .service(script);
}

fn text(body: String, cache: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, cache))
        .body(body)
}

/// The newest signed checkpoint.
#[get("/log/checkpoint")]
async fn checkpoint(log: LogData) -> ApiResult {
    let newest = prove::newest(&log).await?.ok_or(AppError::NotFound)?;
    Ok(text(newest.note, "no-cache"))
}

/// The key that checkpoints are signed with at present, as `name+hash+key` of C2SP signed-note.
#[get("/log/key")]
async fn key(log: LogData) -> ApiResult {
    Ok(text(format!("{}\n", log.key()?), "no-cache"))
}

/// A tile; it never changes.
#[get("/log/tile/{path:.*}")]
async fn tile(log: LogData, path: web::Path<String>) -> ApiResult {
    let tile = Tile::parse(&format!("tile/{path}")).ok_or(AppError::NotFound)?;
    let bytes = log.file(&tile.path()).await?.ok_or(AppError::NotFound)?;
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(bytes))
}

/// The program that checks all this without us.
#[get("/log/{name:verify_log|ed25519}.py")]
async fn script(name: web::Path<String>) -> ApiResult {
    let program = match name.as_str() {
        "ed25519" => include_str!("../../../docs/ed25519.py"),
        _ => include_str!("../../../docs/verify_log.py"),
    };
    Ok(text(program.to_owned(), "no-cache"))
}
