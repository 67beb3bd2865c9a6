//! Terms, values and places in words.

use chrono::{Datelike as _, NaiveDate};

use super::super::{
    line::{Basis, Line, Need, Said},
    template::kept_reason,
    term::{Term, Value},
};
use crate::{permissions::Layer, web::Lang};

fn dashed(name: &str) -> String {
    name.replace('_', "-")
}

/// The term's name.
pub(super) fn term(lang: Lang, term: Term) -> String {
    lang.t(&format!("agreement-term-{}", dashed(term.name())))
}

/// The layer's name.
pub(super) fn layer(lang: Lang, layer: Layer) -> String {
    lang.t(&format!("layer-{}", dashed(layer.name())))
}

/// A day, written out.
pub(super) fn date(lang: Lang, day: NaiveDate) -> String {
    let month = lang.t(&format!("month-{}", day.month()));
    format!("{} {month} {}", day.day(), day.year())
}

/// What a line was coded as.
pub(super) fn value(lang: Lang, value: &Value) -> String {
    let none = |words: Vec<String>, key: &str| {
        if words.is_empty() {
            lang.t(key)
        } else {
            words.join(", ")
        }
    };
    match value {
        Value::Purposes(purposes) => {
            let words = purposes
                .iter()
                .map(|purpose| lang.t(&format!("agreement-purpose-{}", dashed(purpose.name()))))
                .collect();
            none(words, "agreement-value-none")
        }
        Value::Recipients(recipients) => {
            lang.t(&format!("recipients-{}", dashed(recipients.name())))
        }
        Value::Flag(true) => lang.t("agreement-yes"),
        Value::Flag(false) => lang.t("agreement-no"),
        Value::Places(places) => {
            let words = places
                .iter()
                .map(|place| match place.to_string().as_str() {
                    "world" => lang.t("agreement-place-world"),
                    "EU" => lang.t("agreement-place-eu"),
                    "EEA" => lang.t("agreement-place-eea"),
                    "NL" => lang.t("agreement-place-nl"),
                    code => code.to_owned(),
                })
                .collect();
            none(words, "agreement-place-world")
        }
        Value::Families(families) => none(families.clone(), "agreement-value-all-models"),
        Value::Day(day) => date(lang, *day),
        Value::Text(Some(text)) => text.clone(),
        Value::Text(None) => lang.t("agreement-value-none"),
        Value::Days(days) => lang.t_with("agreement-days", &[("days", days.to_string())]),
        Value::OnWithdrawal(what) => lang.t(&format!("agreement-withdrawal-{}", what.name())),
    }
}

/// Where a value was read, or why a person must act, as a sentence.
pub(super) fn why(lang: Lang, line: &Line) -> String {
    match &line.said {
        Said::Coded { basis, .. } => match basis {
            // The quotation itself is shown.
            Basis::Passage { .. } => String::new(),
            Basis::Page { .. } => lang.t("agreement-why-page"),
            Basis::Template { reason } => kept_reason(reason, lang).to_owned(),
            Basis::Silent => lang.t("agreement-why-silent"),
        },
        Said::NeedsHuman { need, reason, .. } => {
            let reason = kept_reason(reason, lang);
            let said = match need {
                Need::NotCoded => lang.t("agreement-need-not-coded"),
                Need::NoPlace => lang.t("agreement-need-no-place"),
                Need::CannotCode => lang.t("agreement-need-cannot-code"),
            };
            if reason.is_empty() {
                said
            } else {
                format!("{said} {reason}")
            }
        }
    }
}
