//! What pages say of a case.

use chrono::{DateTime, Utc};

use super::super::{
    case::{Case, Outcome, Status},
    letter::date,
};
use crate::web::Lang;

/// A choice of a form.
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) label: String,
    pub(super) hint: String,
    pub(super) is_chosen: bool,
}

/// The choices of a field whose texts are `{prefix}-{name}`.
pub(super) fn choices(
    lang: Lang,
    prefix: &str,
    names: impl IntoIterator<Item = &'static str>,
    chosen: &str,
) -> Vec<Choice> {
    names
        .into_iter()
        .map(|value| Choice {
            value,
            label: lang.t(&format!("{prefix}-{}", value.replace('_', "-"))),
            hint: String::new(),
            is_chosen: value == chosen,
        })
        .collect()
}

/// A fact under a title or in the side column.
pub(super) struct Fact {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) href: Option<String>,
}

pub(super) fn fact(lang: Lang, key: &str, value: String) -> Fact {
    Fact {
        name: lang.t(key),
        value,
        href: None,
    }
}

/// A line of the summary above a form.
pub(super) struct Problem {
    pub(super) field: &'static str,
    pub(super) text: String,
}

/// The look and the words for where a case stands.
pub(super) fn badge(
    lang: Lang,
    status: Status,
    outcome: Option<Outcome>,
    is_overdue: bool,
) -> (&'static str, String) {
    let kind = match (status, outcome) {
        _ if is_overdue => "refused",
        (Status::Received, _) => "neutral",
        (Status::Handling | Status::Prepared, _) => "running",
        (Status::Decided, Some(Outcome::Refused)) => "refused",
        (Status::Decided, _) => "granted",
    };
    let text = match (status, outcome) {
        (Status::Decided, Some(outcome)) => {
            lang.t(&format!("complaint-outcome-{}", outcome.name()))
        }
        _ => lang.t(&format!("complaint-status-{}", status.name())),
    };
    let text = if is_overdue {
        format!("{text} · {}", lang.t("complaint-overdue"))
    } else {
        text
    };
    (kind, text)
}

/// The badge of a case at `now`.
pub(super) fn badge_of(lang: Lang, now: DateTime<Utc>, case: &Case) -> (&'static str, String) {
    let outcome = case.prepared.map(|(outcome, _)| outcome);
    badge(lang, case.status, outcome, case.is_overdue(now))
}

/// When the answer is due, as a date, with the days that are left of it.
pub(super) fn due(lang: Lang, now: DateTime<Utc>, at: DateTime<Utc>, is_decided: bool) -> String {
    let on = date(lang, at);
    if is_decided {
        return on;
    }
    let days = (at - now).num_days();
    let (key, days) = if now > at {
        ("complaint-due-over", (now - at).num_days() + 1)
    } else {
        ("complaint-due-left", days)
    };
    lang.t_with(key, &[("date", on), ("days", days.to_string())])
}

/// The paragraphs of a text.
pub(super) fn paragraphs(text: &str) -> Vec<Vec<String>> {
    text.replace("\r\n", "\n")
        .split("\n\n")
        .map(|paragraph| paragraph.lines().map(str::to_owned).collect())
        .filter(|lines: &Vec<String>| !lines.is_empty())
        .collect()
}
