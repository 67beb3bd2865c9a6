//! The public form and pages, the handlers' pages, and the same as JSON.

mod act;
mod api;
mod files;
mod follow;
mod hits;
mod list;
mod public;
mod receive;
mod show;
mod words;

use actix_web::web::ServiceConfig;

/// Registers the routes.
pub fn routes(config: &mut ServiceConfig) {
    // Words before `{id}`: the first that fits is taken.
    config
        .configure(public::routes)
        .configure(follow::routes)
        .configure(list::routes)
        .configure(show::routes)
        .configure(hits::routes)
        .configure(files::routes)
        .configure(act::routes)
        .configure(api::routes);
}
