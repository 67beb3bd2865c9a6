//! The parts of a dataset's page: what is known, in words.

use chrono::{DateTime, Utc};

use super::{
    super::{
        Dataset, File, FileState, Review, ReviewDecision, ReviewKind, Status, VersionRow,
        agreement_store::Covering, review as reviewing,
    },
    Badge, Fact, badge,
};
use crate::{
    policy,
    rights_checks::{
        History,
        web::{LaterView, then_views},
    },
    web::{Lang, bytes, moment, number, short_hash},
};

pub(super) struct BadLineRow {
    pub(super) line: String,
    pub(super) problem: String,
}

pub(super) struct FileRow {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) badge: Badge,
    pub(super) size: String,
    pub(super) documents: String,
    pub(super) characters: String,
    pub(super) hash: String,
    pub(super) sha256: String,
    pub(super) problem: String,
    pub(super) lines: Vec<BadLineRow>,
    /// How many more are bad; empty for none.
    pub(super) more_lines: String,
}

pub(super) struct ReviewRow {
    pub(super) kind: String,
    pub(super) badge: Badge,
    pub(super) who: String,
    pub(super) when: String,
    pub(super) exact: String,
    pub(super) reason: String,
    pub(super) is_earlier: bool,
    /// The facts of its time, where they all are, and what became known later.
    pub(super) then: String,
    pub(super) as_at: String,
    pub(super) later: Vec<LaterView>,
}

/// An agreement that covers the dataset.
pub(super) struct AgreementRow {
    pub(super) href: String,
    pub(super) title: String,
    pub(super) badge: Badge,
}

/// A review that the reader may do.
pub(super) struct Panel {
    pub(super) kind: &'static str,
    pub(super) title: String,
    pub(super) hint: String,
}

/// A line of the history of versions.
pub(super) struct VersionLine {
    pub(super) number: String,
    pub(super) badge: Badge,
    pub(super) when: String,
    pub(super) exact: String,
    pub(super) documents: String,
    /// Documents left out of it; empty for none.
    pub(super) dropped: String,
    pub(super) hash: String,
    pub(super) manifest: String,
}

pub(super) fn version_line(lang: Lang, now: DateTime<Utc>, version: &VersionRow) -> VersionLine {
    VersionLine {
        number: version.number.to_string(),
        badge: badge(lang, version.status, false),
        when: moment(lang, now, version.since),
        exact: version.since.to_rfc3339(),
        documents: number(lang, version.documents),
        dropped: if version.dropped > 0 {
            number(lang, version.dropped)
        } else {
            String::new()
        },
        hash: version
            .manifest_sha256
            .as_deref()
            .map_or_else(|| "–".to_owned(), short_hash),
        manifest: version.manifest_sha256.clone().unwrap_or_default(),
    }
}

pub(super) struct Station {
    pub(super) what: String,
    pub(super) label: String,
    pub(super) href: Option<String>,
    pub(super) state: &'static str,
}

pub(super) fn panels(
    lang: Lang,
    actor: &policy::Actor,
    dataset: &Dataset,
    reviews: &[Review],
) -> Vec<Panel> {
    if dataset.version.status != Status::Submitted {
        return Vec::new();
    }
    ReviewKind::ALL
        .into_iter()
        .filter(|kind| {
            reviewing::check(actor, dataset, reviews, *kind).is_ok()
                && !reviewing::of_submission(dataset, reviews).any(|done| done.kind == *kind)
        })
        .map(|kind| Panel {
            kind: kind.name(),
            title: lang.t(&format!("datasets-review-{}", kind.name())),
            hint: lang.t(&format!("datasets-review-{}-hint", kind.name())),
        })
        .collect()
}

/// The agreement that the counting permission came from: how it is named, and where it stands.
pub(super) fn proof(lang: Lang, covering: &[Covering]) -> Option<(String, String)> {
    let found = covering.iter().find(|one| one.gives)?;
    let title = ("title", found.title.clone());
    Some(match found.page {
        Some(page) => (
            lang.t_with(
                "datasets-from-agreement",
                &[title, ("page", page.to_string())],
            ),
            format!("/agreements/{}#page-{page}", found.agreement),
        ),
        None => (
            lang.t_with("datasets-from-agreement-whole", &[title]),
            format!("/agreements/{}", found.agreement),
        ),
    })
}

pub(super) fn agreement_row(lang: Lang, covering: Covering) -> AgreementRow {
    let kind = match covering.status.as_str() {
        "in_force" => "granted",
        "rejected" | "withdrawn" => "refused",
        "in_review" => "running",
        _ => "neutral",
    };
    AgreementRow {
        href: format!("/{lang}/agreements/{}", covering.agreement),
        badge: Badge {
            kind,
            label: lang.t(&format!(
                "agreement-status-{}",
                covering.status.replace('_', "-")
            )),
        },
        title: covering.title,
    }
}

pub(super) fn across(lang: Lang, dataset: &Dataset) -> Vec<Fact> {
    let facts = &dataset.facts;
    let rows = [
        ("datasets-institution", dataset.institution_name.clone()),
        ("datasets-right-holder", facts.right_holder.clone()),
        ("datasets-licence", facts.license.clone()),
        ("datasets-language", language(lang, &facts.language)),
        ("datasets-version", dataset.version.number.to_string()),
    ];
    rows.into_iter()
        .map(|(key, value)| Fact {
            name: lang.t(key),
            value,
            href: None,
        })
        .collect()
}

pub(super) fn side(lang: Lang, now: DateTime<Utc>, dataset: &Dataset) -> Vec<Fact> {
    let facts = &dataset.facts;
    let mut rows = vec![
        ("datasets-source", facts.source.clone()),
        (
            "datasets-personal-data",
            facts.personal_data_basis.as_ref().map_or_else(
                || lang.t("datasets-personal-data-none"),
                |basis| {
                    lang.t_with(
                        "datasets-personal-data-basis-is",
                        &[("basis", basis.clone())],
                    )
                },
            ),
        ),
        (
            "datasets-confidentiality",
            lang.t(&format!(
                "datasets-confidentiality-{}",
                facts.confidentiality.name()
            )),
        ),
        (
            "datasets-registered-at",
            moment(lang, now, dataset.created_at),
        ),
    ];
    if let Some(at) = dataset.version.submitted_at {
        rows.push(("datasets-submitted-at", moment(lang, now, at)));
    }
    if let Some(manifest) = &dataset.version.manifest_sha256 {
        rows.push(("datasets-manifest", short_hash(manifest)));
    }
    rows.into_iter()
        .map(|(key, value)| Fact {
            name: lang.t(key),
            value,
            href: None,
        })
        .collect()
}

/// The language's name where it is one that the form offers, else its code.
fn language(lang: Lang, code: &str) -> String {
    let key = format!("datasets-language-{code}");
    let name = lang.t(&key);
    if name.contains(&key) {
        code.to_owned()
    } else {
        name
    }
}

pub(super) fn chain(
    lang: Lang,
    dataset: &Dataset,
    has_permission: bool,
    permission: String,
    may_give: bool,
) -> Vec<Station> {
    let station = |what: &str, label: &str, href, state| Station {
        what: lang.t(what),
        label: lang.t(label),
        href,
        state,
    };
    let is_approved = dataset.version.status == Status::Approved;
    vec![
        Station {
            what: lang.t("datasets-chain-dataset"),
            label: dataset.facts.title.clone(),
            href: None,
            state: "here",
        },
        if has_permission {
            station(
                "datasets-chain-permission",
                "datasets-chain-given",
                None,
                "done",
            )
        } else {
            station(
                "datasets-chain-permission",
                "datasets-chain-not-given",
                may_give.then_some(permission),
                "next",
            )
        },
        station(
            "datasets-chain-job",
            if is_approved && has_permission {
                "datasets-chain-can-be-asked"
            } else {
                "datasets-chain-later"
            },
            None,
            "next",
        ),
        station("datasets-chain-model", "datasets-chain-later", None, "next"),
    ]
}

pub(super) fn file_row(lang: Lang, file: File) -> FileRow {
    let kind = match file.state {
        FileState::Uploading | FileState::Verifying => "running",
        FileState::Ready => "granted",
        FileState::Rejected | FileState::Aborted => "refused",
    };
    let count = |value: Option<i64>| value.map_or_else(|| "–".to_owned(), |n| number(lang, n));
    let (problem, lines, bad_lines) = match file.problem {
        Some(problem) => (
            lang.say(&problem.say()),
            problem
                .lines
                .iter()
                .take(20)
                .map(|bad| BadLineRow {
                    line: bad.line.to_string(),
                    problem: lang.say(&bad.problem.say()),
                })
                .collect(),
            problem.bad_lines,
        ),
        None => (String::new(), Vec::new(), 0),
    };
    FileRow {
        id: file.id.to_string(),
        badge: Badge {
            kind,
            label: lang.t(&format!("datasets-file-{}", file.state.name())),
        },
        size: bytes(lang, file.size_bytes),
        documents: count(file.documents),
        characters: count(file.characters),
        hash: file
            .sha256
            .as_deref()
            .map_or_else(|| "–".to_owned(), short_hash),
        sha256: file.sha256.unwrap_or_default(),
        problem,
        more_lines: match bad_lines.saturating_sub(lines.len() as u64) {
            0 => String::new(),
            more => more.to_string(),
        },
        lines,
        path: file.path,
    }
}

pub(super) fn review_row(
    (lang, is_close): (Lang, bool),
    now: DateTime<Utc>,
    dataset: &Dataset,
    (review, history): (&Review, &History),
) -> ReviewRow {
    let moments = (review.decided_at, now);
    let (then, as_at, later) = then_views(lang, dataset.id, history, moments);
    let kind = match review.decision {
        ReviewDecision::Approved => "granted",
        ReviewDecision::Returned => "neutral",
        ReviewDecision::Rejected => "refused",
    };
    ReviewRow {
        kind: lang.t(&format!("datasets-review-{}", review.kind.name())),
        badge: Badge {
            kind,
            label: lang.t(&format!("datasets-decision-{}", review.decision.name())),
        },
        // For others it is the role that decided, and why is between it and the institution.
        who: if is_close {
            review.decided_by_name.clone()
        } else {
            lang.t(&format!("role-{}", review.kind.reviewer().name()))
        },
        when: moment(lang, now, review.decided_at),
        exact: review.decided_at.to_rfc3339(),
        reason: if is_close {
            review.reason.clone()
        } else {
            String::new()
        },
        is_earlier: Some(review.submitted_at) != dataset.version.submitted_at,
        then,
        as_at,
        later,
    }
}
