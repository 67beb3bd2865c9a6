//! The registry's pages and its JSON API.

mod api;
mod form;
mod list;
mod parts;
mod show;

use actix_web::web::ServiceConfig;

use super::Status;
use crate::{
    permissions,
    web::{FieldErrors, Lang},
};

/// Registers the routes.
pub fn routes(config: &mut ServiceConfig) {
    // `new` before `{id}`: the first that fits is taken.
    config
        .service(list::index)
        .service(form::new)
        .service(form::register)
        .service(form::edit)
        .service(form::describe)
        .service(show::show)
        .service(show::submit)
        .service(show::review)
        .service(show::next_version)
        .service(api::begin_version)
        .service(api::list_versions)
        .service(api::register)
        .service(api::list)
        .service(api::find)
        .service(api::submit);
}

/// A fact under a title or in the side column.
struct Fact {
    name: String,
    value: String,
    href: Option<String>,
}

/// A line of the summary above a form.
struct FormProblem {
    field: &'static str,
    text: String,
}

fn problems(lang: Lang, errors: &FieldErrors) -> Vec<FormProblem> {
    errors
        .iter()
        .map(|(field, say)| FormProblem {
            field,
            text: lang.say(say),
        })
        .collect()
}

/// A state as a badge: which look, which words.
struct Badge {
    kind: &'static str,
    label: String,
}

fn badge(lang: Lang, status: Status, is_for_you: bool) -> Badge {
    let kind = match status {
        _ if is_for_you => "waiting-for-you",
        Status::Draft | Status::ChangesRequested => "neutral",
        Status::Submitted => "running",
        Status::Approved => "granted",
        Status::Rejected | Status::Withdrawn => "refused",
    };
    let name = status.name().replace('_', "-");
    Badge {
        kind,
        label: lang.t(&format!("datasets-status-{name}")),
    }
}

/// What the rights box shows, and what its reader may do there.
struct Rights {
    words: permissions::RightsBox,
    /// Whose say it is.
    who_decides: String,
    /// Where a manager gives permission.
    give: Option<String>,
    /// Where a manager takes the dataset back.
    withdraw: Option<String>,
}
