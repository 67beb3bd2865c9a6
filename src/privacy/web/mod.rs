//! The pages and the JSON API of privacy assessments.

mod api;
mod form;
mod parts;
mod show;

use actix_web::web::ServiceConfig;

pub use self::parts::{Summary, summary};

/// Registers the routes.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(show::show)
        .service(show::sign)
        .service(form::new)
        .service(form::fill)
        .service(api::list)
        .service(api::fill)
        .service(api::sign);
}
