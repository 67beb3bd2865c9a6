//! Decisions with the facts of their time, and what became known after them.

use chrono::{DateTime, Utc};

use super::{
    super::{History, Later, LaterKind, as_at::in_address, store::DecisionRow},
    parts::{Badge, key, licence},
};
use crate::{
    ids::DatasetId,
    web::{Lang, moment},
};

/// What became known after a decision.
pub struct LaterView {
    /// As a sentence.
    pub text: String,
}

/// A decision with the facts of its time.
pub struct DecisionView {
    /// What was decided on.
    pub kind: String,
    /// What was decided.
    pub badge: Badge,
    /// Who decided, or for which job.
    pub by: String,
    /// The page of the job, where the reader may see it.
    pub href: Option<String>,
    /// When.
    pub when: String,
    /// The same exactly.
    pub exact: String,
    /// The facts of that moment, as a sentence.
    pub then: String,
    /// The page that shows them all.
    pub as_at: String,
    /// What became known later.
    pub later: Vec<LaterView>,
    /// What identifies the policy that was read; empty for a review.
    pub policy_sha256: String,
}

/// The facts of a moment as a sentence, the address of the page that shows them, and what became known after it.
#[must_use]
pub fn then_views(
    lang: Lang,
    dataset: DatasetId,
    history: &History,
    (at, now): (DateTime<Utc>, DateTime<Utc>),
) -> (String, String, Vec<LaterView>) {
    let then = history.at(at);
    let registered = then.licence.map_or_else(
        || lang.t("rights-nothing"),
        |fact| licence(&fact.license, &fact.expression),
    );
    let source = then.last_read.map_or_else(
        || lang.t("rights-then-unchecked"),
        |check| {
            lang.t_with(
                "rights-then-source",
                &[
                    (
                        "licence",
                        check
                            .findings
                            .license_expression
                            .clone()
                            .unwrap_or_else(|| lang.t("rights-nothing")),
                    ),
                    (
                        "reservation",
                        lang.t(&format!(
                            "rights-reservation-{}",
                            key(check.findings.reservation.name())
                        )),
                    ),
                    ("when", moment(lang, now, check.checked_at)),
                ],
            )
        },
    );
    let sentence = lang.t_with(
        "rights-then",
        &[("licence", registered), ("source", source)],
    );
    let later = history
        .since(at, now)
        .iter()
        .map(|later| LaterView {
            text: later_words(lang, now, later),
        })
        .collect();
    let href = format!("/{lang}/datasets/{dataset}?at={}", in_address(at));
    (sentence, href, later)
}

fn later_words(lang: Lang, now: DateTime<Utc>, later: &Later) -> String {
    let said = |text: &str| match later.what {
        LaterKind::RegisteredLicence => text.to_owned(),
        LaterKind::FoundLicence if text.is_empty() => lang.t("rights-nothing"),
        LaterKind::FoundLicence => text.to_owned(),
        LaterKind::Reservation => lang.t(&format!("rights-reservation-{}", key(text))),
        LaterKind::NotReachable => lang.t(&format!("rights-outcome-{text}")),
    };
    let name = match later.what {
        LaterKind::RegisteredLicence => "rights-later-registered",
        LaterKind::FoundLicence => "rights-later-found",
        LaterKind::Reservation => "rights-later-reservation",
        LaterKind::NotReachable => "rights-later-not-reachable",
    };
    lang.t_with(
        name,
        &[
            ("when", moment(lang, now, later.at)),
            ("was", said(&later.was)),
            ("became", said(&later.became)),
        ],
    )
}

pub(super) fn decision_view(
    lang: Lang,
    dataset: DatasetId,
    history: &History,
    (row, may_open, now): (DecisionRow, bool, DateTime<Utc>),
) -> DecisionView {
    let (then, as_at, later) = then_views(lang, dataset, history, (row.decided_at, now));
    let kind = match row.decision.as_str() {
        "approved" | "allowed" => "granted",
        "rejected" | "refused" => "refused",
        _ => "neutral",
    };
    DecisionView {
        kind: lang.t(&format!("rights-decision-{}", row.kind)),
        badge: Badge {
            kind,
            label: lang.t(&format!("rights-decided-{}", row.decision)),
        },
        by: row.by,
        href: row
            .job
            .filter(|_| may_open)
            .map(|job| format!("/{lang}/jobs/{job}")),
        when: moment(lang, now, row.decided_at),
        exact: row.decided_at.to_rfc3339(),
        then,
        as_at,
        later,
        policy_sha256: row.policy_sha256.unwrap_or_default(),
    }
}
