//! The pages of jobs, their JSON API, and what the programs call.

mod api;
mod internal;
mod view;

use actix_web::web::ServiceConfig;

/// Registers the routes.
pub fn routes(config: &mut ServiceConfig) {
    config.configure(api::routes).configure(internal::routes);
}
