//! The routes under `/v1` beside the models'.

mod caller;
mod file_list;
mod files;
mod incoming;
mod jobs;
mod models;
mod permissions;
mod uploads;

use actix_web::{HttpResponse, web};
use openai_api::ApiError;

use self::caller::Tuner;
use crate::gateway::Failure;

type Answer = Result<HttpResponse, Failure>;

/// Registers them, within the scope `/v1`.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(files::routes)
        .configure(uploads::routes)
        .configure(jobs::routes)
        .configure(permissions::routes)
        .configure(models::routes);
}

/// A resource of one path, that says so where the method is another.
fn at(path: &str, routes: Vec<actix_web::Route>) -> actix_web::Resource {
    let resource = routes
        .into_iter()
        .fold(web::resource(path), actix_web::Resource::route);
    resource.default_service(web::to(|| async {
        Err::<HttpResponse, Failure>(ApiError::method_not_allowed().into())
    }))
}

/// One parameter of the query, as OpenAI's lists take it.
fn limit(given: Option<&str>, default: i64, most: i64) -> Result<i64, ApiError> {
    let Some(text) = given else {
        return Ok(default);
    };
    text.parse()
        .ok()
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| {
            ApiError::invalid_param("limit", format!("'limit' is a number from 1 to {most}."))
        })
}
