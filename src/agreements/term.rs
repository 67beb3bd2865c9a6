//! The terms of a permission as lines that people confirm one by one: what a value may be, and how lines become
//! the terms that `decide` reads.

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::Value as Json;

use super::agreement::words;
use crate::{
    error::Say,
    permissions::{Duties, Evidence, OnWithdrawal, Purpose, Recipients, Terms, Territory},
};

words! {
    /// A field of the terms of a permission (rule set 2).
    Term {
        Purposes = "purposes",
        Prohibited = "prohibited",
        Recipients = "recipients",
        CommercialUse = "commercial_use",
        Territories = "territories",
        ProcessingLocations = "processing_locations",
        ModelFamilies = "model_families",
        ValidFrom = "valid_from",
        ValidUntil = "valid_until",
        Attribution = "attribution",
        ReportUse = "report_use",
        Compensate = "compensate",
        DeleteWithinDays = "delete_within_days",
        OnWithdrawal = "on_withdrawal",
    }
}

/// A coded value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Sorted, without doubles.
    Purposes(Vec<Purpose>),
    Recipients(Recipients),
    Flag(bool),
    /// Sorted; empty: anywhere.
    Places(Vec<Territory>),
    /// Sorted; empty: all.
    Families(Vec<String>),
    Day(NaiveDate),
    /// None: nothing is asked.
    Text(Option<String>),
    Days(u32),
    OnWithdrawal(OnWithdrawal),
}

/// Longest text of attribution, in characters.
const LONGEST_TEXT: usize = 500;
/// Most places or families in one line.
const MOST_ITEMS: usize = 50;

impl Term {
    /// Reads a value as a form sends it: the chosen words, or the text that was typed. An empty list or text means
    /// "none" where the term allows that.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(self, typed: &[String]) -> Result<Value, Say> {
        let items: Vec<&str> = typed
            .iter()
            .map(|item| item.trim())
            .filter(|item| !item.is_empty())
            .collect();
        if items.len() > MOST_ITEMS {
            return Err(Say::new("agreement-too-many-values").with("most", MOST_ITEMS));
        }
        let one = || match items.as_slice() {
            [one] => Ok(*one),
            _ => Err(Say::new("field-choice")),
        };
        let choice = || Say::new("field-choice");
        match self {
            Self::Purposes | Self::Prohibited => {
                let mut purposes = each(&items, |item| item.parse::<Purpose>().ok(), &choice)?;
                purposes.sort_unstable();
                purposes.dedup();
                if self == Self::Purposes && purposes.is_empty() {
                    return Err(choice());
                }
                Ok(Value::Purposes(purposes))
            }
            Self::Recipients => Ok(Value::Recipients(one()?.parse().map_err(|_| choice())?)),
            Self::CommercialUse | Self::ReportUse | Self::Compensate => match one()? {
                "yes" => Ok(Value::Flag(true)),
                "no" => Ok(Value::Flag(false)),
                _ => Err(choice()),
            },
            Self::Territories | Self::ProcessingLocations => {
                let wrong = || Say::new("agreement-place-unknown");
                let words = apart(&items);
                let mut places = each(&words, place, &wrong)?;
                places.sort_unstable();
                places.dedup();
                Ok(Value::Places(places))
            }
            Self::ModelFamilies => {
                let wrong = || Say::new("agreement-family-invalid");
                let words = apart(&items);
                let mut families = each(&words, family, &wrong)?;
                families.sort_unstable();
                families.dedup();
                Ok(Value::Families(families))
            }
            Self::ValidFrom | Self::ValidUntil => {
                let day = one()?.parse().map_err(|_| Say::new("field-choice"))?;
                Ok(Value::Day(day))
            }
            Self::Attribution => {
                let text = items.join(" ");
                if text.chars().count() > LONGEST_TEXT {
                    return Err(Say::new("field-too-long")
                        .with("most", LONGEST_TEXT)
                        .with("length", text.chars().count()));
                }
                if text.chars().any(char::is_control) {
                    return Err(Say::new("field-control-characters"));
                }
                Ok(Value::Text((!text.is_empty()).then_some(text)))
            }
            Self::DeleteWithinDays => match one()?.parse::<u32>() {
                Ok(days) if (1..=3650).contains(&days) => Ok(Value::Days(days)),
                _ => Err(Say::new("field-number").with("least", 1).with("most", 3650)),
            },
            Self::OnWithdrawal => Ok(Value::OnWithdrawal(one()?.parse().map_err(|_| choice())?)),
        }
    }

    /// Reads a value as it is stored, or as a program or template writes it: a list, a word, a number, a date.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn read(self, json: &Json) -> Result<Value, Say> {
        let typed: Vec<String> = match json {
            Json::Array(items) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or_else(|| Say::new("field-choice"))?,
            Json::String(text) => vec![text.clone()],
            Json::Number(number) => vec![number.to_string()],
            Json::Bool(flag) => vec![if *flag { "yes" } else { "no" }.to_owned()],
            Json::Null => Vec::new(),
            Json::Object(_) => return Err(Say::new("field-choice")),
        };
        self.parse(&typed)
    }

    /// What counts where an agreement is silent on this: the cautious reading, so that silence never allows more
    /// than was said. None where an agreement may not be silent: what it is for, and from when until when.
    #[must_use]
    pub fn when_silent(self) -> Option<Value> {
        match self {
            Self::Purposes | Self::ValidFrom | Self::ValidUntil => None,
            // What is not among the purposes is refused anyhow.
            Self::Prohibited => Some(Value::Purposes(Vec::new())),
            Self::Recipients => Some(Value::Recipients(Recipients::Consortium)),
            Self::CommercialUse | Self::Compensate => Some(Value::Flag(false)),
            Self::Territories | Self::ProcessingLocations => {
                Some(Value::Places(place("NL").into_iter().collect()))
            }
            Self::ModelFamilies => Some(Value::Families(Vec::new())),
            Self::Attribution => Some(Value::Text(None)),
            Self::ReportUse => Some(Value::Flag(true)),
            Self::DeleteWithinDays => Some(Value::Days(30)),
            Self::OnWithdrawal => Some(Value::OnWithdrawal(OnWithdrawal::Retire)),
        }
    }
}

impl Value {
    /// As it is stored and sent.
    #[must_use]
    pub fn json(&self) -> Json {
        serde_json::to_value(self).unwrap_or(Json::Null)
    }

    /// As the form holds it: the chosen words, or the one text.
    #[must_use]
    pub fn typed(&self) -> Vec<String> {
        match self {
            Self::Flag(flag) => vec![if *flag { "yes" } else { "no" }.to_owned()],
            Self::Purposes(_)
            | Self::Recipients(_)
            | Self::Places(_)
            | Self::Families(_)
            | Self::Day(_)
            | Self::Text(_)
            | Self::Days(_)
            | Self::OnWithdrawal(_) => match self.json() {
                Json::Array(items) => items
                    .iter()
                    .filter_map(|item| item.as_str().map(str::to_owned))
                    .collect(),
                Json::String(text) => vec![text],
                Json::Number(number) => vec![number.to_string()],
                Json::Null | Json::Bool(_) | Json::Object(_) => Vec::new(),
            },
        }
    }
}

fn each<T>(
    items: &[&str],
    read: impl Fn(&str) -> Option<T>,
    wrong: &dyn Fn() -> Say,
) -> Result<Vec<T>, Say> {
    items
        .iter()
        .map(|item| read(item).ok_or_else(wrong))
        .collect()
}

/// Items that were typed into one field, apart.
fn apart<'a>(items: &[&'a str]) -> Vec<&'a str> {
    items
        .iter()
        .flat_map(|item| item.split([',', ';', '\n', ' ']))
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect()
}

/// An ISO 3166-1 alpha-2 code in capitals, or one of `EU`, `EEA`, `world`.
pub(super) fn place(word: &str) -> Option<Territory> {
    let is_word = word.eq_ignore_ascii_case("world");
    let name = if is_word {
        "world".to_owned()
    } else {
        word.to_ascii_uppercase()
    };
    name.parse().ok()
}

fn family(word: &str) -> Option<String> {
    let is_name = word.len() <= 60
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    is_name.then(|| word.to_ascii_lowercase())
}

/// Why lines do not make terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    #[error("there is no value for {}", .0.name())]
    Missing(Term),
    #[error("the last day comes before the first")]
    EndsBeforeItBegins,
    #[error("a purpose is both allowed and prohibited")]
    AllowedAndProhibited,
}

/// Puts the values of one layer together as the terms of a permission, with the conditions that no term says.
///
/// # Errors
/// [`TermsError`] where a term is missing, or two contradict each other.
pub(super) fn terms(
    value: impl Fn(Term) -> Option<Value>,
    evidence: Evidence,
    needs_human: Vec<String>,
) -> Result<Terms, TermsError> {
    macro_rules! take {
        ($term:ident, $kind:ident) => {
            match value(Term::$term) {
                Some(Value::$kind(value)) => value,
                _ => return Err(TermsError::Missing(Term::$term)),
            }
        };
    }
    let terms = Terms {
        rule_set: 2,
        purposes: take!(Purposes, Purposes),
        prohibited: take!(Prohibited, Purposes),
        recipients: take!(Recipients, Recipients),
        allows_commercial_use: take!(CommercialUse, Flag),
        territories: take!(Territories, Places),
        processing_locations: take!(ProcessingLocations, Places),
        model_families: take!(ModelFamilies, Families),
        // A line that needs a human never comes this far; a clause outside the terms may.
        needs_human,
        valid_from: take!(ValidFrom, Day),
        valid_until: take!(ValidUntil, Day),
        evidence,
        duties: Duties {
            attribution: take!(Attribution, Text),
            report_use: take!(ReportUse, Flag),
            compensate: take!(Compensate, Flag),
            delete_within_days: take!(DeleteWithinDays, Days),
        },
        on_withdrawal: take!(OnWithdrawal, OnWithdrawal),
    };
    if terms.valid_until < terms.valid_from {
        return Err(TermsError::EndsBeforeItBegins);
    }
    if terms.purposes.iter().any(|p| terms.prohibited.contains(p)) {
        return Err(TermsError::AllowedAndProhibited);
    }
    Ok(terms)
}
