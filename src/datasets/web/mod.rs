//! The registry's pages and its JSON API.

mod api;
mod form;
mod list;
mod memorisation;
mod parts;
mod past;
mod public;
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
        .service(memorisation::ask)
        .service(memorisation::set)
        .service(memorisation::find_json)
        .service(memorisation::set_json)
        .service(public::ask)
        .service(public::state)
        .service(public::find_json)
        .service(public::state_json)
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

/// A link to the page of a permission.
struct PermissionLink {
    label: String,
    href: String,
}

/// What the rights box shows, and what its reader may do there.
struct Rights {
    words: permissions::RightsBox,
    /// Each permission, as a link.
    permissions: Vec<PermissionLink>,
    /// Whose say it is.
    who_decides: String,
    /// Where a manager gives permission.
    give: Option<String>,
    /// Where a manager takes the dataset back.
    withdraw: Option<String>,
    /// Where the evidence stands: the agreement and its page.
    proof_label: String,
    proof_href: String,
}
