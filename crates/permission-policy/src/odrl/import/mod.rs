//! From ODRL to terms. What terms cannot say is listed for people, never dropped.

mod conditions;
mod names;
mod rules;
mod values;

use chrono::{Months, NaiveDate};
use serde::Serialize;
use serde_json::Value;

use self::{
    names::{faculty, name_of, odrl, ours_or_odrl},
    values::{list, text},
};
use crate::{Evidence, Layer, OnWithdrawal, Recipients, State, Terms};

/// What the policy is about, as it says itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct About {
    pub uid: Option<String>,
    pub target: Option<String>,
    pub assigner: Option<String>,
    pub assignee: Option<String>,
}

/// Terms read from a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// What it is about.
    pub about: About,
    /// The layer, where the policy names one of ours.
    pub layer: Option<Layer>,
    /// What it says; what could not be coded stands in `needs_human`.
    pub terms: Terms,
    /// Fields that the policy leaves open, filled with the narrowest usual answer, for a person to look at.
    pub assumed: Vec<&'static str>,
}

/// Why nothing could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    #[error("this is no JSON object")]
    NotAnObject,
    #[error("this is no ODRL policy: it has neither permission, prohibition nor obligation")]
    NotAPolicy,
}

/// What is read of the policy so far.
struct Reading<'a> {
    us: &'a str,
    about: About,
    layer: Option<Layer>,
    terms: Terms,
    recipients: Option<Recipients>,
    is_commercial: Option<bool>,
    from: Option<NaiveDate>,
    until: Option<NaiveDate>,
    days: Option<u32>,
    models: Option<OnWithdrawal>,
}

/// Reads one policy. `today` is the first day of a permission that names none; such a one lasts a year. `us` is our own
/// IRI: what is offered to somebody else is for people.
///
/// # Errors
/// [`ImportError`] where it is none.
pub fn import(policy: &Value, today: NaiveDate, us: &str) -> Result<Imported, ImportError> {
    let policy = policy.as_object().ok_or(ImportError::NotAnObject)?;
    let is_rule = |key: &str| ["permission", "prohibition", "obligation"].contains(&odrl(key));
    if !policy.keys().any(|key| is_rule(key)) {
        return Err(ImportError::NotAPolicy);
    }
    let mut reading = Reading {
        us,
        about: About::default(),
        layer: None,
        terms: Terms::nothing(),
        recipients: None,
        is_commercial: None,
        from: None,
        until: None,
        days: None,
        models: None,
    };
    for (key, value) in policy {
        reading.property(key, value);
    }
    Ok(reading.finish(today))
}

impl Reading<'_> {
    fn property(&mut self, key: &str, value: &Value) {
        match odrl(key) {
            "@context" | "type" | "@type" | "profile" => {}
            "uid" | "@id" => self.about.uid = text(value),
            "target" => self.target(value),
            "assigner" => self.assigner(value),
            "assignee" => self.assignee(value),
            // When it was last decided on is no term.
            "dcterms:modified" | "http://purl.org/dc/terms/modified" => {}
            // Ours: what is forbidden anywhere is forbidden.
            "conflict" if ours_or_odrl(&text(value).unwrap_or_default()) == "prohibit" => {}
            "permission" => self.permissions(&list(value)),
            "prohibition" => {
                for rule in list(value) {
                    self.prohibition(rule);
                }
            }
            "obligation" => {
                for duty in list(value) {
                    self.duty(duty);
                }
            }
            _ => match faculty(key) {
                Some("layer") => match text(value).and_then(|name| name_of(&name).parse().ok()) {
                    Some(layer) => self.layer = Some(layer),
                    None => self.human(key, value),
                },
                Some("state") if is_in_force(value) => {}
                Some("ruleSet") if value.as_u64() == Some(u64::from(self.terms.rule_set)) => {}
                Some("evidence") => self.evidence(key, value),
                Some("needsHuman") => {
                    for passage in list(value) {
                        match passage.as_str() {
                            Some(passage) => self.terms.needs_human.push(passage.to_owned()),
                            None => self.human(key, passage),
                        }
                    }
                }
                _ => self.human(key, value),
            },
        }
    }

    fn evidence(&mut self, key: &str, value: &Value) {
        let mut evidence = Evidence::default();
        for (name, part) in value.as_object().into_iter().flatten() {
            match (faculty(name), part.as_str()) {
                (Some("note"), Some(note)) => evidence.note = note.to_owned(),
                (Some("documentSha256"), Some(sha256)) if is_sha256(sha256) => {
                    evidence.document_sha256 = Some(sha256.to_owned());
                }
                _ => self.human(&format!("{key} {name}"), part),
            }
        }
        self.terms.evidence = evidence;
    }

    fn human(&mut self, what: &str, value: &Value) {
        const LONGEST: usize = 500;
        let text: String = value.to_string().chars().take(LONGEST).collect();
        self.terms.needs_human.push(format!("{what}: {text}"));
    }

    fn finish(mut self, today: NaiveDate) -> Imported {
        let mut assumed = Vec::new();
        let mut open = |is_open: bool, field| {
            if is_open {
                assumed.push(field);
            }
        };
        open(self.recipients.is_none(), "recipients");
        open(self.is_commercial.is_none(), "allows_commercial_use");
        open(self.from.is_none(), "valid_from");
        open(self.until.is_none(), "valid_until");
        open(self.days.is_none(), "delete_within_days");
        open(self.models.is_none(), "on_withdrawal");
        let from = self.from.unwrap_or(today);
        self.terms.recipients = self.recipients.unwrap_or(Recipients::Consortium);
        self.terms.allows_commercial_use = self.is_commercial.unwrap_or(false);
        self.terms.valid_from = from;
        self.terms.valid_until = self
            .until
            .unwrap_or_else(|| from.checked_add_months(Months::new(12)).unwrap_or(from));
        self.terms.duties.delete_within_days = self.days.unwrap_or(30);
        self.terms.on_withdrawal = self.models.unwrap_or(OnWithdrawal::Retire);
        Imported {
            about: self.about,
            layer: self.layer,
            terms: self.terms.normal(),
            assumed,
        }
    }
}

/// A state of ours in which a permission counts.
fn is_in_force(value: &Value) -> bool {
    text(value).is_some_and(|name| {
        name_of(&name)
            .parse()
            .is_ok_and(|state: State| state.counts())
    })
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}
