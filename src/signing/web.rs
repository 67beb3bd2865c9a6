//! The public keys, for everybody.

use actix_web::{HttpResponse, get, http::header, web};

use super::store;
use crate::{db::Db, web::ApiResult};

/// Registers the route.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(public_keys);
}

/// Every key that receipts, checkpoints and statements were ever signed with, and when each held.
#[get("/.well-known/faculty-keys.json")]
async fn public_keys(db: web::Data<Db>) -> ApiResult {
    let mut conn = db.read().await?;
    let keys = store::published(&mut conn).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .json(keys))
}
