//! A person's to-do list over all subjects, their institution, and the pages about the portal itself.

mod about;
mod institution;
mod tasks;

use std::{future::Future, pin::Pin};

use actix_web::web;

pub use self::tasks::{Todo, todo};
use crate::{db::Db, policy::Actor, web::Lang};

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(tasks::routes)
        .configure(institution::routes)
        .configure(about::routes);
}

/// How many things wait for `actor`, for the header of every page.
pub fn count(db: Db, actor: Actor) -> Pin<Box<dyn Future<Output = Result<u32, sqlx::Error>>>> {
    Box::pin(async move {
        match todo(&db, &actor, Lang::Nl).await {
            Ok(list) => Ok(u32::try_from(list.len()).unwrap_or(u32::MAX)),
            Err(error) => {
                // The page itself says more; a header without a number is still a header.
                tracing::warn!(%error, "what waits could not be counted");
                Ok(0)
            }
        }
    })
}
