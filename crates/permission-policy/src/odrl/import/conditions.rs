//! Constraints and duties: under which conditions, and what is to be done for it.

use serde_json::Value;

use super::{
    Reading,
    names::{faculty, name_of, odrl},
    values::{all, day, has_refinement, list, parts, text},
};
use crate::{Duties, OnWithdrawal, Recipients, Territory};

impl Reading<'_> {
    pub(super) fn constraint(&mut self, value: &Value) {
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

    pub(super) fn duty(&mut self, value: &Value) {
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
}

fn is_on_withdrawal(value: &Value) -> bool {
    parts(value).is_some_and(|(left, operator, right)| {
        name_of(&left) == "event"
            && operator == "eq"
            && text(right).is_some_and(|event| name_of(&event) == "withdrawal")
    })
}
