//! The pages and API of models.

mod api;
mod evaluation;
mod evidence;
mod pages;
mod price;

use actix_web::web;

use super::{deploy, release};
use crate::{db::Db, error::AppError, ids::ModelId, policy::Actor};

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        // Before the pages of single models.
        .configure(price::routes)
        .configure(pages::routes)
        .configure(api::routes)
        .configure(evidence::routes);
}

/// Releases, deploys, stops or retires, by the word in the path; answers the message for people.
async fn perform(
    db: &Db,
    actor: &Actor,
    model: ModelId,
    act: &str,
    to: &release::ReleaseTo,
) -> Result<&'static str, AppError> {
    match act {
        "release" => {
            release::release(db, actor, model, to).await?;
            Ok("flash-model-released")
        }
        "deploy" => {
            deploy::deploy(db, actor, model, None).await?;
            Ok("flash-model-deployed")
        }
        "stop" => {
            deploy::stop(db, actor, model).await?;
            Ok("flash-model-stopped")
        }
        "retire" => {
            release::retire(db, actor, model).await?;
            Ok("flash-model-retired")
        }
        _ => Err(AppError::NotFound),
    }
}
