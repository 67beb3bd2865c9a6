//! From ODRL to terms. What terms cannot say is listed for people, never dropped.

use chrono::{Months, NaiveDate};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{ODRL, PROFILE, action};
use crate::{Duties, Evidence, Layer, OnWithdrawal, Purpose, Recipients, State, Terms, Territory};

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

    /// Terms know one set of conditions: rules that differ in theirs are for people.
    fn permissions(&mut self, rules: &[&Value]) {
        let conditions = |rule: &Value| {
            let mut rest = rule.as_object().cloned().unwrap_or_default();
            rest.retain(|key, _| !["action", "target", "uid", "@id"].contains(&odrl(key)));
            rest
        };
        let first = rules.first().map(|rule| conditions(rule));
        for (at, rule) in rules.iter().enumerate() {
            if Some(conditions(rule)) != first {
                self.human("permission", rule);
                continue;
            }
            let Some(object) = rule.as_object() else {
                self.human("permission", rule);
                continue;
            };
            for (key, value) in object {
                match odrl(key) {
                    "uid" | "@id" => {}
                    "target" => self.target(value),
                    "action" => {
                        let purposes = self.actions("permission", value);
                        self.terms.purposes.extend(purposes);
                    }
                    // The others are the same.
                    _ if at > 0 => {}
                    "constraint" => {
                        for one in list(value) {
                            self.constraint(one);
                        }
                    }
                    "duty" => {
                        for one in list(value) {
                            self.duty(one);
                        }
                    }
                    "assigner" => self.assigner(value),
                    "assignee" => self.assignee(value),
                    _ => self.human(&format!("permission {key}"), value),
                }
            }
        }
    }

    fn target(&mut self, value: &Value) {
        match (&self.about.target, plain(value)) {
            (Some(known), Some(other)) if *known != other => self.human("target", value),
            (_, None) => self.human("target", value),
            (_, target) => self.about.target = target,
        }
    }

    fn assigner(&mut self, value: &Value) {
        match (&self.about.assigner, plain(value)) {
            (Some(known), Some(other)) if *known != other => self.human("assigner", value),
            (_, None) => self.human("assigner", value),
            (_, assigner) => self.about.assigner = assigner,
        }
    }

    fn assignee(&mut self, value: &Value) {
        let assignee = plain(value);
        if assignee.as_deref() != Some(self.us) {
            self.human("assignee", value);
        }
        self.about.assignee = assignee.or(self.about.assignee.take());
    }

    fn prohibition(&mut self, rule: &Value) {
        let Some(object) = rule.as_object() else {
            self.human("prohibition", rule);
            return;
        };
        for (key, value) in object {
            match odrl(key) {
                "uid" | "@id" => {}
                "target" => self.target(value),
                "action" if is_for_profit(value) => self.is_commercial = Some(false),
                "action" => {
                    let purposes = self.actions("prohibition", value);
                    self.terms.prohibited.extend(purposes);
                }
                // A prohibition under conditions is one that terms cannot say.
                _ => self.human("prohibition", rule),
            }
        }
    }

    fn actions(&mut self, of: &str, value: &Value) -> Vec<Purpose> {
        let mut purposes = Vec::new();
        for one in list(value) {
            let Some(name) = text(one).filter(|_| !has_refinement(one)) else {
                self.human(&format!("{of} action"), one);
                continue;
            };
            let short = name_of(&name);
            let known = Purpose::ALL
                .iter()
                .find(|purpose| action(**purpose).rsplit(':').next() == Some(short));
            match known {
                Some(purpose) if is_known_namespace(&name, *purpose) => purposes.push(*purpose),
                // Text and data mining: what learns from the text, not what passes it on.
                _ if short == "mine" && of == "permission" => purposes.extend([
                    Purpose::Pretraining,
                    Purpose::ContinuedPretraining,
                    Purpose::FineTuning,
                    Purpose::Evaluation,
                    Purpose::SafetyTesting,
                ]),
                _ if short == "mine" => purposes.extend(
                    Purpose::ALL
                        .iter()
                        .copied()
                        .filter(|purpose| !purpose.redistributes()),
                ),
                _ => self.human(&format!("{of} action"), one),
            }
        }
        purposes
    }

    fn constraint(&mut self, value: &Value) {
        if self.read_constraint(value).is_none() {
            self.human("constraint", value);
        }
    }

    /// Takes a constraint in; none where it cannot be expressed.
    fn read_constraint(&mut self, value: &Value) -> Option<()> {
        let (left, operator, right) = parts(value)?;
        let any = ["eq", "isAnyOf", "isPartOf"].contains(&operator.as_str());
        match (name_of(&left), operator.as_str()) {
            ("recipient", _) if any => {
                let circles = all::<Recipients>(right)?;
                let widest = circles.iter().copied().max()?;
                // Circles include those before them; a ring cannot be said.
                let is_whole = Recipients::ALL
                    .iter()
                    .filter(|circle| **circle <= widest)
                    .all(|circle| circles.contains(circle));
                (is_whole && self.recipients.is_none()).then_some(())?;
                self.recipients = Some(widest);
            }
            ("purpose", _) if any => {
                let names: Vec<_> = list(right).into_iter().map(text).collect::<Option<_>>()?;
                let names: Vec<_> = names.iter().map(|name| name_of(name)).collect();
                match names[..] {
                    ["research"] if self.recipients.is_none() => {
                        self.recipients = Some(Recipients::ResearchLicensees);
                        self.is_commercial = Some(false);
                    }
                    ["nonCommercialUse"] => self.is_commercial = Some(false),
                    ["nonCommercialUse", "commercialUse"]
                    | ["commercialUse", "nonCommercialUse"]
                        if self.is_commercial.is_none() =>
                    {
                        self.is_commercial = Some(true);
                    }
                    _ => return None,
                }
            }
            ("spatial", _) if any && self.terms.territories.is_empty() => {
                self.terms.territories = all::<Territory>(right)?;
            }
            ("processingLocation", _) if any && self.terms.processing_locations.is_empty() => {
                self.terms.processing_locations = all::<Territory>(right)?;
            }
            ("product", _) if any && self.terms.model_families.is_empty() => {
                let families: Option<Vec<_>> = list(right).into_iter().map(text).collect();
                self.terms.model_families = families.filter(|list| !list.is_empty())?;
            }
            ("dateTime", "gteq") if self.from.is_none() => self.from = Some(day(right)?),
            ("dateTime", "gt") if self.from.is_none() => self.from = Some(day(right)?.succ_opt()?),
            ("dateTime", "lteq") if self.until.is_none() => self.until = Some(day(right)?),
            ("dateTime", "lt") if self.until.is_none() => {
                self.until = Some(day(right)?.pred_opt()?);
            }
            _ => return None,
        }
        Some(())
    }

    fn duty(&mut self, value: &Value) {
        if self.read_duty(value).is_none() {
            self.human("duty", value);
        }
    }

    /// Takes a duty in; none where it cannot be expressed.
    fn read_duty(&mut self, value: &Value) -> Option<()> {
        let object = value.as_object()?;
        let mut words = None;
        let mut name = None;
        let mut constraints = Vec::new();
        for (key, part) in object {
            match (odrl(key), faculty(key)) {
                ("uid" | "@id" | "target", _) => {}
                ("action", _) => name = text(part).filter(|_| !has_refinement(part)),
                ("constraint", _) => constraints = list(part),
                (_, Some("text")) => words = Some(part.as_str()?.to_owned()),
                _ => return None,
            }
        }
        let name = name?;
        let duties: &mut Duties = &mut self.terms.duties;
        match (name_of(&name), constraints.is_empty()) {
            ("attribute", true) => duties.attribution = Some(words.take().unwrap_or_default()),
            ("inform", true) => duties.report_use = true,
            ("compensate", true) => duties.compensate = true,
            ("delete", false) => {
                let [event, elapsed] = constraints[..] else {
                    return None;
                };
                is_on_withdrawal(event).then_some(())?;
                let (left, operator, right) = parts(elapsed)?;
                (name_of(&left) == "elapsedTime" && operator == "lteq").then_some(())?;
                let days = text(right)?;
                self.days = Some(days.strip_prefix('P')?.strip_suffix('D')?.parse().ok()?);
            }
            ("keepModels" | "retrainModels" | "retireModels", false) => {
                let [event] = constraints[..] else {
                    return None;
                };
                is_on_withdrawal(event).then_some(())?;
                self.models = Some(match name_of(&name) {
                    "keepModels" => OnWithdrawal::Keep,
                    "retrainModels" => OnWithdrawal::Retrain,
                    _ => OnWithdrawal::Retire,
                });
            }
            _ => return None,
        }
        words.is_none().then_some(())
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

/// What names a thing or a party and says no more of it than what it is called.
fn plain(value: &Value) -> Option<String> {
    let says_more = |key: &String| {
        !matches!(
            key.as_str(),
            "@id" | "uid" | "id" | "@type" | "type" | "name"
        ) && !key.starts_with("vcard:")
            && !key.starts_with("http://www.w3.org/2006/vcard/ns#")
    };
    let is_plain = value
        .as_object()
        .is_none_or(|object| !object.keys().any(says_more));
    text(value).filter(|_| is_plain)
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_on_withdrawal(value: &Value) -> bool {
    parts(value).is_some_and(|(left, operator, right)| {
        name_of(&left) == "event"
            && operator == "eq"
            && text(right).is_some_and(|event| name_of(&event) == "withdrawal")
    })
}

/// Left operand, operator's short name and right operand of a constraint with nothing else to it.
fn parts(value: &Value) -> Option<(String, String, &Value)> {
    let object: &Map<String, Value> = value.as_object()?;
    let (mut left, mut operator, mut right) = (None, None, None);
    for (key, part) in object {
        match odrl(key) {
            "leftOperand" => left = text(part),
            "operator" => operator = text(part),
            "rightOperand" => right = Some(part),
            "uid" | "@id" => {}
            _ => return None,
        }
    }
    Some((left?, name_of(&operator?).to_owned(), right?))
}

fn is_for_profit(value: &Value) -> bool {
    text(value).is_some_and(|name| {
        matches!(
            name_of(&name),
            "CommercialUse" | "commercialUse" | "commercialize"
        )
    })
}

/// An action with conditions of its own (`rdf:value` and `refinement`).
fn has_refinement(value: &Value) -> bool {
    value.as_object().is_some_and(|object| {
        object
            .keys()
            .any(|key| !["@id", "uid", "id"].contains(&key.as_str()))
    })
}

/// A value as a list, whatever it is.
fn list(value: &Value) -> Vec<&Value> {
    value
        .as_array()
        .map_or_else(|| vec![value], |many| many.iter().collect())
}

/// A string, an `{"@id"}` or an `{"@value"}`.
fn text(value: &Value) -> Option<String> {
    let found = value.as_object().map_or(Some(value), |object| {
        ["@id", "uid", "id", "@value"]
            .iter()
            .find_map(|key| object.get(*key))
    });
    found.and_then(Value::as_str).map(str::to_owned)
}

fn all<T: std::str::FromStr>(value: &Value) -> Option<Vec<T>> {
    let found: Option<Vec<T>> = list(value)
        .into_iter()
        .map(|one| name_of(&text(one)?).parse().ok())
        .collect();
    found.filter(|list| !list.is_empty())
}

fn day(value: &Value) -> Option<NaiveDate> {
    text(value)?.parse().ok()
}

/// The short name of an ODRL key, whether it comes bare, prefixed or as an IRI.
fn odrl(key: &str) -> &str {
    key.strip_prefix(ODRL)
        .or_else(|| key.strip_prefix("odrl:"))
        .unwrap_or(key)
}

/// The short name of a key of our profile.
fn faculty(key: &str) -> Option<&str> {
    key.strip_prefix("faculty:")
        .or_else(|| key.split_once(PROFILE).map(|(_, name)| name))
}

fn ours_or_odrl(name: &str) -> &str {
    faculty(name).unwrap_or_else(|| odrl(name))
}

/// What stands behind the prefix or the namespace: `faculty:consortium`, `http://www.w3.org/ns/odrl/2/index`.
fn name_of(name: &str) -> &str {
    if let Some(known) = faculty(name) {
        return known;
    }
    match name.rsplit_once(['#', '/']) {
        Some((_, short)) => short,
        None => name.rsplit_once(':').map_or(name, |(_, short)| short),
    }
}

/// Whether an action's name comes from where that action is defined.
fn is_known_namespace(name: &str, purpose: Purpose) -> bool {
    if action(purpose).starts_with("odrl:") {
        name.starts_with(ODRL) || name.starts_with("odrl:") || !name.contains([':', '/', '#'])
    } else {
        faculty(name).is_some()
    }
}
