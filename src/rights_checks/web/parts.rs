//! What is known of a source, in words.

use chrono::{DateTime, Utc};

use super::super::{
    AsAt, Check, History, Outcome, Reservation, Robots, Schedule, Side, Signal, What,
    store::ChangeRow,
};
use crate::{
    ids::DatasetId,
    permissions,
    web::{Lang, bytes, moment, short_hash},
};

/// A fact with its name.
pub struct Line {
    /// What it is about.
    pub name: String,
    /// What is known.
    pub value: String,
    /// Where more is, if anywhere.
    pub href: Option<String>,
}

/// A state as a badge.
pub struct Badge {
    /// Which look.
    pub kind: &'static str,
    /// Which words.
    pub label: String,
}

/// What the page of a dataset shows of its source.
pub struct Summary {
    /// What is known.
    pub lines: Vec<Line>,
    /// How many changes wait for the reader; empty for none.
    pub open: String,
    /// Where all of it is.
    pub href: String,
    /// Whether nobody looked yet.
    pub is_unchecked: bool,
}

pub(super) fn key(name: &str) -> String {
    name.replace('_', "-")
}

pub(super) fn line(lang: Lang, name: &str, value: String) -> Line {
    Line {
        name: lang.t(name),
        value,
        href: None,
    }
}

pub(super) fn reservation(lang: Lang, reservation: Reservation) -> String {
    lang.t(&format!("rights-reservation-{}", key(reservation.name())))
}

pub(super) fn robots(lang: Lang, robots: Robots) -> String {
    lang.t(&format!("rights-robots-{}", robots.name()))
}

/// `CC-BY-4.0`, or `CC-0 1.0 (CC0-1.0)` where the two differ; of an address only what it stands for.
pub(super) fn licence(label: &str, expression: &str) -> String {
    if label == expression || label.contains("://") {
        expression.to_owned()
    } else {
        format!("{label} ({expression})")
    }
}

fn found_licence(lang: Lang, check: Option<&Check>) -> String {
    let found = check.map(|check| &check.findings);
    match found.and_then(|one| {
        one.license_label
            .as_ref()
            .zip(one.license_expression.as_ref())
    }) {
        Some((label, expression)) => licence(label, expression),
        None if found.is_some() => lang.t("rights-no-licence-found"),
        None => lang.t("rights-not-looked"),
    }
}

/// The sentence about how looking went.
pub(super) fn outcome(lang: Lang, check: &Check) -> String {
    let problem = &check.findings.problem;
    let name = lang.t(&format!("rights-outcome-{}", check.findings.outcome.name()));
    if problem.is_empty() {
        name
    } else if let Some(status) = problem.strip_prefix("status_") {
        format!("{name}: HTTP {status}")
    } else {
        format!(
            "{name}: {}",
            lang.t(&format!("rights-problem-{}", key(problem)))
        )
    }
}

fn known(lang: Lang, history: &History, at: DateTime<Utc>, now: DateTime<Utc>) -> Vec<Line> {
    let then = history.at(at);
    let mut lines = Vec::new();
    if let Some(fact) = then.licence {
        lines.push(line(
            lang,
            "rights-registered-licence",
            licence(&fact.license, &fact.expression),
        ));
    }
    lines.push(line(
        lang,
        "rights-found-licence",
        found_licence(lang, then.last_read),
    ));
    lines.push(line(
        lang,
        "rights-reservation",
        then.last_read.map_or_else(
            || lang.t("rights-not-looked"),
            |check| reservation(lang, check.findings.reservation),
        ),
    ));
    if let Some(counts) = &then.counts {
        lines.push(line(
            lang,
            "rights-counts",
            lang.t_with(
                "rights-counts-are",
                &[
                    ("licence", counts.license.clone()),
                    ("reservation", reservation(lang, counts.reservation)),
                ],
            ),
        ));
    }
    lines.push(line(
        lang,
        "rights-last-check",
        then.last_check.map_or_else(
            || lang.t("rights-not-looked"),
            |check| {
                format!(
                    "{} ({})",
                    moment(lang, now, check.checked_at),
                    outcome(lang, check)
                )
            },
        ),
    ));
    lines
}

/// What a dataset's page says about its source at `now`; `open` changes wait for the reader.
#[must_use]
pub fn summary(
    lang: Lang,
    dataset: DatasetId,
    history: &History,
    (now, open): (DateTime<Utc>, i64),
) -> Summary {
    Summary {
        lines: known(lang, history, now, now),
        open: if open == 0 {
            String::new()
        } else {
            lang.t_with("rights-open", &[("count", open.to_string())])
        },
        href: format!("/{lang}/datasets/{dataset}/rights"),
        is_unchecked: history.checks.is_empty(),
    }
}

/// All that is known, with the plan for looking again.
pub(super) fn all_known(
    lang: Lang,
    history: &History,
    schedule: Option<&Schedule>,
    now: DateTime<Utc>,
) -> Vec<Line> {
    let mut lines = known(lang, history, now, now);
    if let Some(check) = history.at(now).last_read {
        if let Some(policy) = &check.findings.reservation_policy {
            lines.push(line(lang, "rights-policy", policy.clone()));
        }
        lines.push(line(
            lang,
            "rights-robots",
            robots(lang, check.findings.robots),
        ));
    }
    let next = match schedule {
        Some(plan) => lang.t_with(
            "rights-next-is",
            &[
                ("when", moment(lang, now, plan.next_due)),
                ("days", plan.every_days.to_string()),
            ],
        ),
        None => lang.t("rights-next-none"),
    };
    lines.push(line(lang, "rights-next", next));
    lines
}

/// Evidence of one place.
pub(super) struct EvidenceRow {
    pub(super) place: String,
    pub(super) url: String,
    pub(super) status: String,
    pub(super) says: String,
    pub(super) excerpt: String,
    pub(super) size: String,
    pub(super) hash: String,
    pub(super) sha256: String,
    pub(super) href: String,
}

/// A check as a row.
pub(super) struct CheckRow {
    pub(super) when: String,
    pub(super) exact: String,
    pub(super) who: String,
    pub(super) badge: Badge,
    pub(super) url: String,
    pub(super) licence: String,
    pub(super) reservation: String,
    pub(super) robots: String,
    pub(super) note: String,
    pub(super) evidence: Vec<EvidenceRow>,
    pub(super) count: usize,
}

fn evidence(lang: Lang, dataset: DatasetId, signal: &Signal) -> EvidenceRow {
    EvidenceRow {
        place: lang.t(&format!("rights-place-{}", signal.place.name())),
        url: signal.url.clone(),
        status: signal
            .http_status
            .map_or_else(|| "–".to_owned(), |status| status.to_string()),
        says: signal.says.replace("not_reserved", "not reserved"),
        excerpt: signal.excerpt.clone(),
        size: bytes(lang, signal.size_bytes),
        hash: signal
            .sha256
            .as_deref()
            .map_or_else(String::new, short_hash),
        sha256: signal.sha256.clone().unwrap_or_default(),
        href: format!("/api/v1/datasets/{dataset}/rights/evidence/{}", signal.id),
    }
}

pub(super) fn check_row(
    lang: Lang,
    now: DateTime<Utc>,
    dataset: DatasetId,
    (check, signals): (&Check, Vec<&Signal>),
) -> CheckRow {
    let kind = match check.findings.outcome {
        Outcome::Read => "granted",
        Outcome::Gone | Outcome::Unreachable => "neutral",
        Outcome::Refused => "refused",
    };
    let is_read = check.findings.outcome == Outcome::Read;
    let or_nothing = |text: String| if is_read { text } else { "–".to_owned() };
    CheckRow {
        when: moment(lang, now, check.checked_at),
        exact: check.checked_at.to_rfc3339(),
        who: check
            .checked_by
            .clone()
            .or_else(|| check.checked_with.clone())
            .unwrap_or_default(),
        badge: Badge {
            kind,
            label: outcome(lang, check),
        },
        url: check.source_url.clone(),
        licence: or_nothing(found_licence(lang, Some(check))),
        reservation: or_nothing(reservation(lang, check.findings.reservation)),
        robots: robots(lang, check.findings.robots),
        note: check.note.clone(),
        count: signals.len(),
        evidence: signals
            .into_iter()
            .map(|signal| evidence(lang, dataset, signal))
            .collect(),
    }
}

/// A change as a row.
pub(super) struct ChangeView {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) when: String,
    pub(super) exact: String,
    /// Who said what about it.
    pub(super) notes: Vec<String>,
    /// Whether the reader's side has something to say.
    pub(super) is_open: bool,
    /// Whether the reader may say that the finding counts.
    pub(super) may_accept: bool,
    /// Whether the platform said so.
    pub(super) is_accepted: bool,
}

/// What differs, as a sentence.
pub(super) fn difference(lang: Lang, what: What, was: &str, became: &str) -> String {
    let said = |text: &str| match what {
        What::Reservation => lang.t(&format!("rights-reservation-{}", key(text))),
        What::Robots => lang.t(&format!("rights-robots-{text}")),
        What::NotReachable | What::ReachableAgain => lang.t(&format!("rights-outcome-{text}")),
        What::Licence | What::Policy | What::DiffersFromRegistered => {
            if text.is_empty() {
                lang.t("rights-nothing")
            } else {
                text.to_owned()
            }
        }
    };
    lang.t_with(
        &format!("rights-change-{}", key(what.name())),
        &[("was", said(was)), ("became", said(became))],
    )
}

pub(super) fn change_view(
    lang: Lang,
    now: DateTime<Utc>,
    change: &ChangeRow,
    side: Option<Side>,
) -> ChangeView {
    let found = &change.difference;
    ChangeView {
        id: change.id.to_string(),
        text: difference(lang, found.what, &found.was, &found.became),
        when: moment(lang, now, change.found_at),
        exact: change.found_at.to_rfc3339(),
        notes: change
            .notes
            .iter()
            .map(|(side, note, name, at)| {
                lang.t_with(
                    &format!("rights-noted-{side}"),
                    &[
                        ("name", name.clone()),
                        ("when", moment(lang, now, *at)),
                        ("note", note.clone()),
                    ],
                )
            })
            .collect(),
        is_open: side.is_some_and(|side| !change.notes.iter().any(|note| note.0 == side.name())),
        may_accept: side == Some(Side::Platform)
            && matches!(
                found.what,
                What::Licence | What::DiffersFromRegistered | What::Reservation
            ),
        is_accepted: change.is_accepted,
    }
}

/// What held at a moment, for the page of a dataset.
pub struct Past {
    /// Licence, source and status.
    pub lines: Vec<Line>,
    /// Permissions that counted, as sentences.
    pub permissions: Vec<String>,
    /// Permissions that no longer counted, as sentences.
    pub fallen: Vec<String>,
}

/// What held at `then.at`, in words for a reader of `now`.
#[must_use]
pub fn past(lang: Lang, then: &AsAt, now: DateTime<Utc>) -> Past {
    let history = History {
        licences: then.licence.iter().cloned().collect(),
        checks: then.checks.clone(),
        said: then.said.clone(),
        ..History::default()
    };
    let mut lines = Vec::new();
    if let Some(status) = &then.status {
        lines.push(line(
            lang,
            "rights-status",
            lang.t_with(
                "rights-status-is",
                &[
                    ("number", status.number.to_string()),
                    (
                        "status",
                        lang.t(&format!("datasets-status-{}", key(&status.status))),
                    ),
                    ("when", moment(lang, now, status.since)),
                ],
            ),
        ));
    }
    lines.extend(known(lang, &history, then.at, now));
    let today = then
        .at
        .with_timezone(&chrono_tz::Europe::Amsterdam)
        .date_naive();
    let (counted, fallen): (Vec<_>, Vec<_>) = then.permissions.iter().partition(|one| {
        one.state.counts() && one.terms.valid_from <= today && today <= one.terms.valid_until
    });
    let words = |one: &permissions::Permission| {
        format!(
            "{}: {}",
            lang.t(&format!("layer-{}", key(one.layer.name()))),
            permissions::sentence(lang, &one.terms)
        )
    };
    Past {
        lines,
        permissions: counted.into_iter().map(words).collect(),
        fallen: fallen.into_iter().map(words).collect(),
    }
}
