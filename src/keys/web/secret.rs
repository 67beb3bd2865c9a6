//! The answers that hold a whole key: its first secret, and one that takes the place of another. No redirect, no store, no
//! second time.

use actix_web::{post, web};
use serde::Deserialize;

use super::{
    call::{Call, call},
    show::{Nothing, draw, visible_key},
};
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    ids::ApiKeyId,
    keys::{Secret, reveal, rotate},
    web::{Page, PageResult, ProtectedForm},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(reveal_once).service(rotate_secret);
}

/// A whole key and how to use it, for the one page that shows it.
pub(super) struct Shown {
    pub(super) key: String,
    pub(super) call: Call,
}

/// The page of a key with a secret of it, which was just made.
async fn show_with(
    page: &Page,
    db: &Db,
    config: &Config,
    id: ApiKeyId,
    secret: &Secret,
) -> PageResult {
    let key = visible_key(db, page, id).await?;
    let model = key.models.first().map_or("", |model| model.name.as_str());
    let shown = Shown {
        call: call(&config.origin(), model),
        key: secret.reveal().to_owned(),
    };
    page.show(&draw(page, db, config, key, Some(shown)).await?)
}

#[post("/{lang:nl|en}/keys/{key}/reveal")]
async fn reveal_once(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<(String, ApiKeyId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    let (key, secret) = reveal::reveal(&db, page.actor(), path.1, &config.secret).await?;
    show_with(&page, &db, &config, key.id, &secret).await
}

#[derive(Deserialize)]
struct Rotation {
    #[serde(default)]
    overlap: String,
}

#[post("/{lang:nl|en}/keys/{key}/rotate")]
async fn rotate_secret(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    path: web::Path<(String, ApiKeyId)>,
    ProtectedForm(form): ProtectedForm<Rotation>,
) -> PageResult {
    let key = visible_key(&db, &page, path.1).await?;
    let overlap = rotate::Overlap::parse(&form.overlap)
        .ok_or_else(|| AppError::invalid("key-overlap-wrong"))?;
    let (_, secret) = rotate::rotate(&db, page.actor(), key.id, overlap, &config.secret).await?;
    show_with(&page, &db, &config, key.id, &secret).await
}
