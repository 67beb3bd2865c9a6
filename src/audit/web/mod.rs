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
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_util::io::ReaderStream;

use super::{
    bundle::{self, MakeError},
    log::Log,
};
use crate::{
    error::{AppError, Say},
    policy::{Action, Actor, Visibility, visible},
};

/// Exports that may be written at the same time.
static EXPORTS: Semaphore = Semaphore::const_new(1);

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
    // One at a time, each holding a connection for moments only: exports never keep the pages waiting.
    let _turn = EXPORTS
        .acquire()
        .await
        .map_err(|e| AppError::Internal(e.into()))?;
    let (log_of_export, mut target) = (
        log.clone(),
        file.try_clone().map_err(|e| AppError::Internal(e.into()))?,
    );
    let export = move || {
        // Packing is work for the processor; it stays off the threads that answer requests.
        Handle::current().block_on(bundle::make(&log_of_export, whose, &mut target))
    };
    tokio::task::spawn_blocking(export)
        .await
        .map_err(|e| AppError::Internal(e.into()))?
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
