//! An assessment in words.

use chrono::{DateTime, Utc};

use super::super::{
    Assessment, Decision, Filed, Measurement, Standing, assessment::Outcome, signed, standing,
};
use crate::{
    ids::{DatasetId, DatasetVersionId},
    web::{Lang, moment, number, short_hash},
};

/// A line of an assessment.
pub struct Line {
    /// What it is about.
    pub name: String,
    /// What it says.
    pub value: String,
    /// Never set: the lines of an assessment lead nowhere.
    pub href: Option<String>,
}

/// A state as a badge.
pub struct Badge {
    /// Which look.
    pub kind: &'static str,
    /// Which words.
    pub label: String,
}

/// What the page of a dataset shows of its assessment.
pub struct Summary {
    /// How it stands.
    pub badge: Badge,
    /// What that means, as a sentence.
    pub text: String,
    /// The most telling lines.
    pub lines: Vec<Line>,
    /// Where all of it is.
    pub href: String,
}

pub(super) fn key(name: &str) -> String {
    name.replace('_', "-")
}

pub(super) fn badge(lang: Lang, standing: Standing) -> Badge {
    Badge {
        kind: match standing {
            Standing::Missing | Standing::Unsigned => "neutral",
            Standing::Signed => "granted",
            Standing::NotAcceptable => "refused",
        },
        label: lang.t(&format!("assessment-standing-{}", standing.name())),
    }
}

/// What a dataset's page says about personal data in `version` as at `at`; the words are written for `now`.
#[must_use]
pub fn summary(
    lang: Lang,
    dataset: DatasetId,
    filed: &[Filed],
    (version, at, now): (DatasetVersionId, DateTime<Utc>, DateTime<Utc>),
) -> Summary {
    let standing = standing(filed, version, at);
    let mut lines = Vec::new();
    let mut by = None;
    if let Some(one) = signed(filed, version, at) {
        let all = all_lines(lang, &one.assessment);
        lines = all.into_iter().take(3).collect();
        if let Some(measured) = &one.assessment.measurement {
            lines.push(line(
                lang,
                "assessment-recall",
                recall_words(lang, measured),
            ));
        }
        lines.push(line(
            lang,
            "assessment-result",
            lang.t(&format!(
                "assessment-result-{}",
                key(one.assessment.result.name())
            )),
        ));
        by = one.signature.as_ref().map(|by| {
            lang.t_with(
                "assessment-signed-by",
                &[("name", by.by.clone()), ("when", moment(lang, now, by.at))],
            )
        });
    }
    Summary {
        badge: badge(lang, standing),
        text: by.unwrap_or_else(|| lang.t(&format!("assessment-text-{}", standing.name()))),
        lines,
        href: format!("/{lang}/datasets/{dataset}/privacy"),
    }
}

fn line(lang: Lang, name: &str, value: String) -> Line {
    Line {
        name: lang.t(name),
        value,
        href: None,
    }
}

fn percent(lang: Lang, share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    match lang {
        Lang::Nl => text.replace('.', ","),
        Lang::En => text,
    }
}

/// "96,2 % gevonden (met 95 % zekerheid tussen 94,1 en 97,6 %): …"
fn recall_words(lang: Lang, measured: &Measurement) -> String {
    let Some(recall) = measured.recall() else {
        return String::new();
    };
    let count = |n: u32| number(lang, i64::from(n));
    lang.t_with(
        "assessment-recall-is",
        &[
            ("share", percent(lang, recall.share)),
            ("low", percent(lang, recall.low)),
            ("high", percent(lang, recall.high)),
            ("documents", count(measured.documents)),
            ("found", count(measured.found)),
            ("missed", count(measured.missed)),
        ],
    )
}

/// All that an assessment says.
pub(super) fn all_lines(lang: Lang, one: &Assessment) -> Vec<Line> {
    let words = |prefix: &str, names: Vec<&str>| {
        names
            .into_iter()
            .map(|name| lang.t(&format!("{prefix}-{}", key(name))))
            .collect::<Vec<_>>()
            .join("; ")
    };
    let special = if one.special.is_empty() {
        lang.t("assessment-special-none")
    } else {
        words(
            "assessment-special",
            one.special.iter().map(|s| s.name()).collect(),
        )
    };
    let mut lines = vec![
        line(
            lang,
            "assessment-bases",
            words(
                "assessment-basis",
                one.bases.iter().map(|b| b.name()).collect(),
            ),
        ),
        line(lang, "assessment-special", special),
        line(lang, "assessment-persons", one.persons.clone()),
        line(lang, "assessment-data", one.data.clone()),
        line(
            lang,
            "assessment-basis-explained",
            one.basis_explained.clone(),
        ),
    ];
    if let Some(basis) = one.special_basis {
        lines.push(line(
            lang,
            "assessment-special-basis",
            lang.t(&format!("assessment-art9-{}", basis.name())),
        ));
    }
    if let Some(basis) = one.criminal_basis {
        lines.push(line(
            lang,
            "assessment-criminal-basis",
            lang.t(&format!("assessment-criminal-{}", basis.name())),
        ));
    }
    lines.push(line(lang, "assessment-dpia", one.dpia.clone()));
    let method = if one.method.is_empty() {
        lang.t("assessment-method-none")
    } else {
        one.method.clone()
    };
    lines.push(line(lang, "assessment-method", method));
    if let Some(measured) = &one.measurement {
        lines.push(line(
            lang,
            "assessment-recall",
            recall_words(lang, measured),
        ));
    }
    lines.push(line(lang, "assessment-risk", one.risk.clone()));
    lines.push(line(
        lang,
        "assessment-result",
        lang.t(&format!("assessment-result-{}", key(one.result.name()))),
    ));
    lines
}

/// A row of the history.
pub(super) struct Row {
    pub(super) number: String,
    pub(super) filled: String,
    pub(super) exact: String,
    pub(super) filled_by: String,
    pub(super) badge: Badge,
    pub(super) by: String,
    pub(super) reason: String,
    pub(super) hash: String,
    pub(super) sha256: String,
}

pub(super) fn row(lang: Lang, now: DateTime<Utc>, filed: &Filed) -> Row {
    let signature = filed.signature.as_ref();
    let badge = match signature.map(|by| by.decision) {
        None => Badge {
            kind: "neutral",
            label: lang.t("assessment-decision-open"),
        },
        Some(decision) => Badge {
            kind: match (decision, filed.assessment.result) {
                (Decision::Returned, _) => "neutral",
                (Decision::Signed, Outcome::NotAcceptable) => "refused",
                (Decision::Signed, Outcome::Acceptable | Outcome::WithMeasures) => "granted",
            },
            label: lang.t(&format!("assessment-decision-{}", decision.name())),
        },
    };
    Row {
        number: filed.number.to_string(),
        filled: moment(lang, now, filed.filled_at),
        exact: filed.filled_at.to_rfc3339(),
        filled_by: filed.filled_by_name.clone(),
        badge,
        by: signature.map_or_else(String::new, |by| {
            format!("{}, {}", by.by, moment(lang, now, by.at))
        }),
        reason: signature.map_or_else(String::new, |by| by.reason.clone()),
        hash: short_hash(&filed.text_sha256),
        sha256: filed.text_sha256.clone(),
    }
}
