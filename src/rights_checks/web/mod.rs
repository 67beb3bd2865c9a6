//! The pages and the JSON API of rights checks.

mod act;
mod api;
mod decisions;
mod parts;
mod record;
mod show;

use actix_web::web::ServiceConfig;

pub use self::{
    decisions::{DecisionView, LaterView, then_views},
    parts::{Badge, Line, Past, Summary, past, summary},
};

/// Registers the routes.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(show::show)
        .service(record::new)
        .service(record::send)
        .service(act::set_plan)
        .service(act::look_now)
        .service(act::send_note)
        .service(act::licence_page)
        .service(act::relicense)
        .service(api::download)
        .service(api::show)
        .service(api::write_down)
        .service(api::set_plan)
        .service(api::look_now)
        .service(api::relicense)
        .service(api::send_note);
}
