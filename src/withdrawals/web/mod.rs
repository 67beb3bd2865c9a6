//! Where one's data is used, the page that withdraws, and what a withdrawal brought about.

mod api;
mod ask;
mod contributions;
mod parts;
mod show;

use actix_web::web;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(contributions::routes)
        .configure(ask::routes)
        .configure(show::routes)
        .configure(api::routes);
}
