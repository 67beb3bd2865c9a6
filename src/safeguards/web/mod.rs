//! Where a manager sets the steps.

mod api;
mod page;

use actix_web::web::ServiceConfig;

/// Registers the routes.
pub fn routes(config: &mut ServiceConfig) {
    api::routes(config);
    page::routes(config);
}
