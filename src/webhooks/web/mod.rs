//! Where an institution keeps its addresses.

mod api;
mod pages;

use actix_web::web::ServiceConfig;

/// Registers the routes.
pub fn routes(config: &mut ServiceConfig) {
    pages::routes(config);
    api::routes(config);
}
