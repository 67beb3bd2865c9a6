//! A permission in plain words, made from its terms, so that words and code cannot disagree.

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use chrono_tz::Europe::Amsterdam;

use super::{DatasetFacts, Permission, Purpose, Recipients, Terms, Territory, Use, decide};
use crate::web::{Lang, moment};

/// What the rights box of a dataset says.
#[derive(Debug, Clone, Default)]
pub struct RightsBox {
    /// What may be done; empty: nothing.
    pub yes: String,
    /// What may not.
    pub no: String,
    /// Said where nothing is decided yet.
    pub waiting: String,
    /// Who decided, and when.
    pub by: String,
}

/// "Mag gebruikt worden om …": what the terms allow, as one sentence.
#[must_use]
pub fn sentence(lang: Lang, terms: &Terms) -> String {
    let purposes: Vec<String> = terms
        .purposes
        .iter()
        .map(|purpose| lang.t(&format!("purpose-{}", key(purpose.name()))))
        .collect();
    let profit = if terms.allows_commercial_use {
        "permission-with-profit"
    } else {
        "permission-without-profit"
    };
    lang.t_with(
        "permission-sentence",
        &[
            ("purposes", list(lang, &purposes)),
            (
                "recipients",
                lang.t(&format!("recipients-{}", key(terms.recipients.name()))),
            ),
            ("profit", lang.t(profit)),
            ("until", date(lang, terms.valid_until)),
        ],
    )
}

/// What the permissions of a dataset come to, as statements.
#[must_use]
pub fn rights_box(
    lang: Lang,
    facts: &DatasetFacts,
    permissions: &[Permission],
    now: DateTime<Utc>,
) -> RightsBox {
    let today = now.with_timezone(&Amsterdam).date_naive();
    let newest = permissions.iter().max_by_key(|p| (p.decided_at, p.id));
    let Some(newest) = newest else {
        return RightsBox {
            waiting: lang.t("rights-nothing-decided"),
            ..RightsBox::default()
        };
    };
    let by = lang.t_with(
        if newest.state.counts() {
            "rights-given-by"
        } else {
            "rights-withdrawn-by"
        },
        &[
            ("name", newest.decided_by.clone()),
            ("when", moment(lang, now, newest.decided_at)),
        ],
    );
    // Review is another question: here only what the right holder said.
    let facts = DatasetFacts {
        is_approved: true,
        ..facts.clone()
    };
    let holds = permissions
        .iter()
        .find(|p| p.state.counts() && p.terms.valid_from <= today && today <= p.terms.valid_until);
    let Some(permission) = holds else {
        return RightsBox {
            no: lang.t("rights-nothing-allowed"),
            by,
            ..RightsBox::default()
        };
    };
    let may = |purpose: Purpose, recipients: Recipients, is_commercial: bool| {
        let family = permission
            .terms
            .model_families
            .first()
            .cloned()
            .unwrap_or_default();
        let wanted = Use {
            purpose,
            recipients,
            is_commercial,
            model_family: family,
            processing_location: Territory::NETHERLANDS,
            territory: Territory::NETHERLANDS,
        };
        decide(&facts, permissions, &wanted, now).is_allowed
    };
    let allowed: Vec<_> = Purpose::ALL
        .iter()
        .copied()
        .filter(|purpose| may(*purpose, Recipients::Consortium, false))
        .collect();
    let Some(first) = allowed.first().copied() else {
        return RightsBox {
            waiting: lang.t("rights-layer-missing"),
            by,
            ..RightsBox::default()
        };
    };
    let widest = Recipients::ALL
        .iter()
        .copied()
        .rfind(|recipients| may(first, *recipients, false))
        .unwrap_or(Recipients::Consortium);
    let is_commercial = may(first, Recipients::Consortium, true);
    let terms = Terms {
        purposes: allowed.clone(),
        recipients: widest,
        allows_commercial_use: is_commercial,
        ..permission.terms.clone()
    };
    let mut refused = Vec::new();
    let original = [Purpose::RedistributeOriginal, Purpose::RedistributeCurated];
    if !original.iter().any(|purpose| allowed.contains(purpose)) {
        refused.push(lang.t("rights-not-redistributed"));
    }
    if !is_commercial {
        refused.push(lang.t("rights-not-commercial"));
    }
    RightsBox {
        yes: sentence(lang, &terms),
        no: refused.join(" "),
        waiting: String::new(),
        by,
    }
}

fn key(name: &str) -> String {
    name.replace('_', "-")
}

fn list(lang: Lang, words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {} {last}", first.join(", "), lang.t("list-and")),
    }
}

fn date(lang: Lang, date: NaiveDate) -> String {
    let month = lang.t(&format!("month-{}", date.month()));
    format!("{} {month} {}", date.day(), date.year())
}
