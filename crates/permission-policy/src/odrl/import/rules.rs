//! Permissions and prohibitions: of which actions, on what, by whom and to whom.

use serde_json::Value;

use super::{
    super::action,
    Reading,
    names::{is_known_namespace, name_of, odrl},
    values::{has_refinement, list, plain, text},
};
use crate::Purpose;

impl Reading<'_> {
    /// Terms know one set of conditions: rules that differ in theirs are for people.
    pub(super) fn permissions(&mut self, rules: &[&Value]) {
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

    pub(super) fn target(&mut self, value: &Value) {
        match (&self.about.target, plain(value)) {
            (Some(known), Some(other)) if *known != other => self.human("target", value),
            (_, None) => self.human("target", value),
            (_, target) => self.about.target = target,
        }
    }

    pub(super) fn assigner(&mut self, value: &Value) {
        match (&self.about.assigner, plain(value)) {
            (Some(known), Some(other)) if *known != other => self.human("assigner", value),
            (_, None) => self.human("assigner", value),
            (_, assigner) => self.about.assigner = assigner,
        }
    }

    pub(super) fn assignee(&mut self, value: &Value) {
        let assignee = plain(value);
        if assignee.as_deref() != Some(self.us) {
            self.human("assignee", value);
        }
        self.about.assignee = assignee.or(self.about.assignee.take());
    }

    pub(super) fn prohibition(&mut self, rule: &Value) {
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
}

fn is_for_profit(value: &Value) -> bool {
    text(value).is_some_and(|name| {
        matches!(
            name_of(&name),
            "CommercialUse" | "commercialUse" | "commercialize"
        )
    })
}
