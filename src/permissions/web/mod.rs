//! The pages of permissions and their JSON: giving one, looking at one, taking it elsewhere.

mod begin;
mod exchange;
mod form;
mod give;
mod show;

use actix_web::web;

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(give::routes)
        .configure(begin::routes)
        .configure(show::routes)
        .configure(exchange::routes);
}
