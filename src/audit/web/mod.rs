//! The audit log over HTTP: pages, JSON for programs, and the public log.

mod api;
mod pages;
mod public;

use std::io::Seek as _;

use actix_web::{
    HttpResponse,
    http::header,
    web::{self, ServiceConfig},
};
use tokio_util::io::ReaderStream;

use super::{
    bundle::{self, MakeError},
    log::Log,
};
use crate::{
    error::{AppError, Say},
    policy::{Action, Actor, Visibility, visible},
};

/// Registers the routes.
pub fn routes(config: &mut ServiceConfig) {
    pages::routes(config);
    api::routes(config);
    public::routes(config);
}

/// Whose lines the asker may see.
fn visibility(actor: &Actor) -> Result<Visibility, AppError> {
    match visible(actor, Action::ViewAudit) {
        Visibility::Nothing => Err(AppError::Forbidden(Say::new("denied-role"))),
        seen => Ok(seen),
    }
}

/// A bundle of what `actor` may see, as a download.
async fn download(log: &Log, actor: &Actor) -> Result<HttpResponse, AppError> {
    let whose = visibility(actor)?;
    let mut file = tempfile::tempfile().map_err(|e| AppError::Internal(e.into()))?;
    bundle::make(log, whose, &mut file)
        .await
        .map_err(|error| match error {
            MakeError::NoCheckpoint => AppError::conflict("audit-no-checkpoint"),
            MakeError::Log(error) => error.into(),
            error @ (MakeError::Zip(_) | MakeError::Io(_) | MakeError::Json(_)) => {
                AppError::Internal(error.into())
            }
        })?;
    file.rewind().map_err(|e| AppError::Internal(e.into()))?;
    let name = format!("audit-{}.zip", log.db.now().format("%Y-%m-%d"));
    Ok(HttpResponse::Ok()
        .content_type("application/zip")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ))
        .streaming(ReaderStream::new(tokio::fs::File::from_std(file))))
}

type LogData = web::Data<Log>;
