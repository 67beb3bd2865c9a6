//! The pages of jobs, their JSON API, and what the programs call.

mod act;
mod api;
mod chart;
mod compare;
mod drawing;
mod estimate;
mod internal;
mod list;
mod live;
mod log;
mod new;
mod new_json;
mod new_page;
mod parts;
mod pause;
mod places;
mod queue;
mod settings;
mod show;
mod view;
mod wizard;
mod words;

use actix_web::web::ServiceConfig;

/// Registers the routes.
pub fn routes(config: &mut ServiceConfig) {
    // `new` and `compare` before `{job}`: the first that fits is taken.
    config
        .configure(list::routes)
        .configure(new::routes)
        .configure(compare::routes)
        .configure(live::routes)
        .configure(log::routes)
        .configure(show::routes)
        .configure(act::routes)
        .configure(pause::routes)
        .configure(api::routes)
        .configure(estimate::routes)
        .configure(queue::routes)
        .configure(places::routes)
        .configure(internal::routes);
}

/// A fact in the side column.
struct Fact {
    name: String,
    value: String,
    href: Option<String>,
}

/// A dataset with what the rules say to it.
struct VerdictLine {
    allowed: bool,
    label: String,
    rules: Vec<RuleLine>,
    /// What a yes asks in return.
    duties: Vec<String>,
}

/// A rule that spoke, and where the permission stands that it read.
struct RuleLine {
    id: &'static str,
    text: String,
    href: Option<String>,
}

/// A line of the summary above a form.
struct FormProblem {
    field: &'static str,
    text: String,
}
