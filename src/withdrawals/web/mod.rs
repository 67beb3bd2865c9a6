//! Where one's data is used, the page that withdraws, and what a withdrawal brought about.

mod act;
mod api;
mod ask;
mod contributions;
mod parts;
mod rows;
mod show;
mod whole;

use actix_web::web;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(contributions::routes)
        .configure(ask::routes)
        .configure(show::routes)
        .configure(act::routes)
        .configure(api::routes);
}
