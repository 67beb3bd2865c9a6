//! The pages of agreements and their JSON API.

mod act;
mod api;
mod clause;
mod document;
mod form;
mod line;
mod list;
mod sheet;
mod show;
mod words;

use actix_web::web::ServiceConfig;

use super::agreement::Status;
use crate::{
    db::Db,
    error::AppError,
    ids::AgreementId,
    policy::Actor,
    web::{FieldErrors, Lang},
};

/// Registers the routes.
pub fn routes(config: &mut ServiceConfig) {
    // `new` before `{id}`: the first that fits is taken.
    config
        .service(list::index)
        .configure(form::routes)
        .service(show::show)
        .configure(document::routes)
        .configure(line::routes)
        .configure(clause::routes)
        .configure(act::routes)
        .configure(api::routes);
}

async fn visible(db: &Db, actor: &Actor, id: AgreementId) -> Result<super::Agreement, AppError> {
    super::find_visible(db, actor, id)
        .await?
        .ok_or(AppError::NotFound)
}

/// A fact under a title.
struct Fact {
    name: String,
    value: String,
    href: Option<String>,
}

/// A state as a badge: which look, which words.
struct Badge {
    kind: &'static str,
    label: String,
}

fn badge(lang: Lang, status: Status) -> Badge {
    let kind = match status {
        Status::Draft | Status::Returned => "neutral",
        Status::InReview => "running",
        Status::InForce => "granted",
        Status::Rejected | Status::Withdrawn => "refused",
    };
    let name = status.name().replace('_', "-");
    Badge {
        kind,
        label: lang.t(&format!("agreement-status-{name}")),
    }
}

/// One option of a group.
struct Choice {
    value: String,
    label: String,
    hint: String,
    is_chosen: bool,
}

/// A line of the summary above a form.
struct Problem {
    field: &'static str,
    text: String,
}

fn problems(lang: Lang, errors: &FieldErrors) -> Vec<Problem> {
    errors
        .iter()
        .map(|(field, say)| Problem {
            field,
            text: lang.say(say),
        })
        .collect()
}

fn error_of<'a>(errors: &'a [Problem], field: &str) -> &'a str {
    errors
        .iter()
        .find(|problem| problem.field == field)
        .map_or("", |problem| problem.text.as_str())
}
