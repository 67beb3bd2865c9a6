//! From what a manager typed to permissions that can be given.

use chrono::NaiveDate;
use serde::Deserialize;

use super::super::{
    Duties, Evidence, Layer, OnWithdrawal, Purpose, Recipients, Terms, Territory,
    give::{Coverage, NewPermission},
};
use crate::{
    error::Say,
    web::{FieldErrors, Text},
};

/// What the form holds, as typed. What is left out takes its default; nothing is allowed by default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Form {
    pub(super) layers: Vec<String>,
    /// `all` (also later versions) or `newest`.
    pub(super) versions: String,
    pub(super) purposes: Vec<String>,
    pub(super) prohibited: Vec<String>,
    pub(super) recipients: String,
    /// `yes` or `no`.
    pub(super) commercial: String,
    /// Codes with commas between; `world` for anywhere, which has to be said.
    pub(super) territories: String,
    /// Codes with commas between; `world` for anywhere, which has to be said.
    pub(super) processing_locations: String,
    /// Names with commas between; `all` for all, which has to be said.
    pub(super) model_families: String,
    pub(super) valid_from: String,
    pub(super) valid_until: String,
    pub(super) evidence: String,
    pub(super) document_sha256: String,
    pub(super) attribution: String,
    /// `yes` or nothing.
    pub(super) report_use: String,
    /// `yes` or nothing.
    pub(super) compensate: String,
    pub(super) delete_within_days: String,
    /// `keep`, `retrain` or `retire`; empty: `retire`.
    pub(super) on_withdrawal: String,
    /// What could not be coded, a passage a line.
    pub(super) needs_human: String,
    /// The page's token, which the extractor checks; named here so that a misspelt field is refused.
    #[serde(rename = "csrf")]
    _csrf: String,
    /// `preview` to see the words without giving anything.
    pub(super) action: String,
}

impl Form {
    /// A form as it is first shown.
    pub(super) fn fresh(today: NaiveDate) -> Self {
        Self {
            layers: vec!["copyright".into()],
            versions: "all".into(),
            purposes: vec!["fine_tuning".into(), "evaluation".into()],
            recipients: "consortium".into(),
            commercial: "no".into(),
            territories: "EU".into(),
            processing_locations: "EU".into(),
            model_families: "all".into(),
            valid_from: today.to_string(),
            valid_until: today
                .checked_add_months(chrono::Months::new(24))
                .unwrap_or(today)
                .to_string(),
            report_use: "yes".into(),
            delete_within_days: "30".into(),
            on_withdrawal: "retire".into(),
            ..Self::default()
        }
    }

    /// The form in which `terms` would be given in `layer`. Places that they leave open stay open, for a person to say;
    /// a document is no proof here and is named among the evidence.
    pub(super) fn of(terms: &Terms, layer: Option<Layer>) -> Self {
        let words = |purposes: &[Purpose]| purposes.iter().map(Purpose::to_string).collect();
        let codes = |places: &[Territory]| {
            let codes: Vec<_> = places.iter().map(Territory::to_string).collect();
            codes.join(", ")
        };
        let yes = |is_asked: bool| {
            if is_asked {
                "yes".into()
            } else {
                String::new()
            }
        };
        let note = terms.evidence.note.clone();
        Self {
            layers: layer.map(|one| one.to_string()).into_iter().collect(),
            versions: "all".into(),
            purposes: words(&terms.purposes),
            prohibited: words(&terms.prohibited),
            recipients: terms.recipients.to_string(),
            commercial: if terms.allows_commercial_use {
                "yes"
            } else {
                "no"
            }
            .into(),
            territories: codes(&terms.territories),
            processing_locations: codes(&terms.processing_locations),
            model_families: if terms.model_families.is_empty() {
                "all".into()
            } else {
                terms.model_families.join(", ")
            },
            valid_from: terms.valid_from.to_string(),
            valid_until: terms.valid_until.to_string(),
            evidence: match &terms.evidence.document_sha256 {
                Some(sha256) => format!("{note} (SHA-256 {sha256})").trim().to_owned(),
                None => note,
            },
            attribution: terms.duties.attribution.clone().unwrap_or_default(),
            report_use: yes(terms.duties.report_use),
            compensate: yes(terms.duties.compensate),
            delete_within_days: terms.duties.delete_within_days.to_string(),
            on_withdrawal: terms.on_withdrawal.to_string(),
            needs_human: terms
                .needs_human
                .iter()
                .map(|passage| passage.replace(['\r', '\n'], " "))
                .collect::<Vec<_>>()
                .join("\n"),
            ..Self::default()
        }
    }

    /// Reads every field.
    pub(super) fn parse(&self) -> Result<Vec<NewPermission>, FieldErrors> {
        let mut errors = FieldErrors::default();
        let layers: Vec<Layer> = words(&mut errors, "layers", &self.layers);
        if layers.is_empty() && errors.of("layers").is_none() {
            errors.add("layers", Say::new("field-choice"));
        }
        let coverage = errors.choice(
            "versions",
            match self.versions.as_str() {
                "" | "all" => Some(Coverage::AllVersions),
                "newest" => Some(Coverage::NewestVersion),
                _ => None,
            },
        );
        let purposes: Vec<Purpose> = words(&mut errors, "purposes", &self.purposes);
        let prohibited: Vec<Purpose> = words(&mut errors, "prohibited", &self.prohibited);
        if purposes.is_empty() && prohibited.is_empty() && errors.of("purposes").is_none() {
            errors.add("purposes", Say::new("field-choice"));
        }
        if purposes.iter().any(|purpose| prohibited.contains(purpose)) {
            errors.add("prohibited", Say::new("permission-both-ways"));
        }
        let recipients = errors.choice("recipients", self.recipients.parse::<Recipients>().ok());
        let is_commercial = errors.choice(
            "commercial",
            match self.commercial.as_str() {
                "yes" => Some(true),
                "no" => Some(false),
                _ => None,
            },
        );
        let territories = places(&mut errors, "territories", &self.territories);
        let processing_locations = places(
            &mut errors,
            "processing_locations",
            &self.processing_locations,
        );
        let mut day = |field: &'static str, text: &str| {
            let found = text.trim().parse::<NaiveDate>().ok();
            errors.choice(field, found)
        };
        let from = day("valid_from", &self.valid_from);
        let until = day("valid_until", &self.valid_until);
        if let (Some(from), Some(until)) = (from, until)
            && until < from
        {
            errors.add("valid_until", Say::new("permission-ends-before-it-begins"));
        }
        let evidence = self.evidence(&mut errors);
        let duties = self.duties(&mut errors);
        let on_withdrawal = errors.choice(
            "on_withdrawal",
            match self.on_withdrawal.as_str() {
                "" => Some(OnWithdrawal::Retire),
                word => word.parse().ok(),
            },
        );
        let model_families = self.families(&mut errors);
        let bounds = Text {
            least: 0,
            most: 5000,
        };
        let needs_human = errors.text("needs_human", &self.needs_human, bounds);
        let (
            Some(coverage),
            Some(recipients),
            Some(allows_commercial_use),
            Some(valid_from),
            Some(valid_until),
            Some(on_withdrawal),
        ) = (
            coverage,
            recipients,
            is_commercial,
            from,
            until,
            on_withdrawal,
        )
        else {
            return Err(errors);
        };
        let terms = Terms {
            allows_commercial_use,
            duties,
            evidence,
            model_families,
            needs_human: lines(&needs_human),
            on_withdrawal,
            processing_locations,
            prohibited,
            purposes,
            recipients,
            rule_set: permission_policy::RULE_SET,
            territories,
            valid_from,
            valid_until,
        };
        errors.into_result(
            layers
                .into_iter()
                .map(|layer| NewPermission {
                    layer,
                    coverage,
                    terms: terms.clone(),
                })
                .collect(),
        )
    }

    fn evidence(&self, errors: &mut FieldErrors) -> Evidence {
        let bounds = Text {
            least: 1,
            most: 500,
        };
        let note = errors.text("evidence", &self.evidence, bounds);
        let sha256 = self.document_sha256.trim().to_lowercase();
        let is_hash = sha256.len() == 64 && sha256.bytes().all(|c| c.is_ascii_hexdigit());
        if !sha256.is_empty() && !is_hash {
            errors.add("document_sha256", Say::new("permission-document-wrong"));
        }
        Evidence {
            document_sha256: is_hash.then_some(sha256),
            note,
        }
    }

    fn duties(&self, errors: &mut FieldErrors) -> Duties {
        let bounds = Text {
            least: 0,
            most: 300,
        };
        let attribution = errors.text("attribution", &self.attribution, bounds);
        let days = errors.number("delete_within_days", &self.delete_within_days, 1, 3650);
        Duties {
            attribution: (!attribution.is_empty()).then_some(attribution),
            compensate: self.compensate == "yes",
            delete_within_days: u32::try_from(days).unwrap_or(30),
            report_use: self.report_use == "yes",
        }
    }

    fn families(&self, errors: &mut FieldErrors) -> Vec<String> {
        let bounds = Text {
            least: 0,
            most: 500,
        };
        let families = errors.text("model_families", &self.model_families, bounds);
        let named: Vec<String> = split(&families).map(str::to_owned).collect();
        if named.is_empty() && errors.of("model_families").is_none() {
            errors.add("model_families", Say::new("permission-families-missing"));
        }
        // All of them is what terms say by naming none.
        if named.iter().any(|one| one.eq_ignore_ascii_case("all")) {
            return Vec::new();
        }
        named
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// What stands between commas.
fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|one| !one.is_empty())
}

/// Closed words; notes where one is not known.
fn words<T: std::str::FromStr>(
    errors: &mut FieldErrors,
    field: &'static str,
    raw: &[String],
) -> Vec<T> {
    let found: Vec<T> = raw.iter().filter_map(|one| one.parse().ok()).collect();
    if found.len() != raw.len() {
        errors.add(field, Say::new("field-choice"));
    }
    found
}

fn places(errors: &mut FieldErrors, field: &'static str, raw: &str) -> Vec<Territory> {
    let mut found = Vec::new();
    for code in split(raw) {
        match code.parse() {
            Ok(place) => found.push(place),
            Err(_) => {
                let code: String = code.chars().take(40).collect();
                errors.add(
                    field,
                    Say::new("permission-place-unknown").with("code", code),
                );
                break;
            }
        }
    }
    if found.is_empty() && errors.of(field).is_none() {
        errors.add(field, Say::new("permission-place-missing"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> Form {
        Form {
            evidence: "CCA 12".into(),
            ..Form::fresh(NaiveDate::from_ymd_opt(2026, 11, 25).unwrap())
        }
    }

    fn wrong(change: impl FnOnce(&mut Form)) -> Vec<&'static str> {
        let mut form = fresh();
        change(&mut form);
        match form.parse() {
            Ok(_) => Vec::new(),
            Err(errors) => errors.iter().map(|(field, _)| *field).collect(),
        }
    }

    #[test]
    fn a_fresh_form_with_evidence_can_be_given() {
        let given = fresh().parse().unwrap();
        assert_eq!(given.len(), 1);
        assert_eq!(given[0].terms.territories, [Territory::Eu]);
        assert_eq!(given[0].terms.valid_until.to_string(), "2028-11-25");
        assert!(given[0].terms.duties.report_use);
    }

    #[test]
    fn one_set_of_terms_is_given_for_each_layer() {
        let mut form = fresh();
        form.layers = vec!["copyright".into(), "confidentiality".into()];
        let given = form.parse().unwrap();
        assert_eq!(given.len(), 2);
        assert_eq!(given[0].terms, given[1].terms);
    }

    #[test]
    fn every_field_is_checked() {
        assert_eq!(wrong(|f| f.layers.clear()), ["layers"]);
        assert_eq!(wrong(|f| f.layers = vec!["x".into()]), ["layers"]);
        assert_eq!(wrong(|f| f.versions = "some".into()), ["versions"]);
        assert_eq!(wrong(|f| f.purposes.clear()), ["purposes"]);
        assert_eq!(wrong(|f| f.purposes.push("train".into())), ["purposes"]);
        assert_eq!(
            wrong(|f| f.prohibited = vec!["fine_tuning".into()]),
            ["prohibited"]
        );
        assert_eq!(wrong(|f| f.recipients.clear()), ["recipients"]);
        assert_eq!(wrong(|f| f.commercial = "maybe".into()), ["commercial"]);
        assert_eq!(wrong(|f| f.territories = "NL, UK".into()), ["territories"]);
        assert_eq!(wrong(|f| f.territories.clear()), ["territories"]);
        assert_eq!(wrong(|f| f.territories = " , ".into()), ["territories"]);
        assert_eq!(
            wrong(|f| f.processing_locations.clear()),
            ["processing_locations"]
        );
        assert_eq!(wrong(|f| f.model_families.clear()), ["model_families"]);
        assert_eq!(
            wrong(|f| f.processing_locations = "here".into()),
            ["processing_locations"]
        );
        assert_eq!(wrong(|f| f.valid_from = "soon".into()), ["valid_from"]);
        assert_eq!(
            wrong(|f| f.valid_until = "2026-11-24".into()),
            ["valid_until"]
        );
        assert_eq!(wrong(|f| f.evidence.clear()), ["evidence"]);
        assert_eq!(
            wrong(|f| f.document_sha256 = "abc".into()),
            ["document_sha256"]
        );
        assert_eq!(wrong(|f| f.attribution = "x".repeat(301)), ["attribution"]);
        assert_eq!(
            wrong(|f| f.delete_within_days = "0".into()),
            ["delete_within_days"]
        );
        assert_eq!(
            wrong(|f| f.on_withdrawal = "forget".into()),
            ["on_withdrawal"]
        );
        assert_eq!(
            wrong(|f| f.model_families = "x".repeat(501)),
            ["model_families"]
        );
        assert_eq!(wrong(|f| f.needs_human = "x".repeat(5001)), ["needs_human"]);
    }

    #[test]
    fn what_is_said_for_anywhere_and_all_is_taken() {
        let mut form = fresh();
        form.territories = "world".into();
        form.model_families = "All".into();
        let terms = form.parse().unwrap().remove(0).terms;
        assert_eq!(terms.territories, [Territory::World]);
        assert_eq!(terms.model_families, Vec::<String>::new());
    }

    #[test]
    fn terms_become_the_form_that_gives_them() {
        let given = fresh().parse().unwrap().remove(0);
        let again = Form::of(&given.terms, Some(given.layer)).parse().unwrap();
        assert_eq!(again[0].terms, given.terms);
    }

    #[test]
    fn a_permission_may_do_nothing_but_forbid() {
        let mut form = fresh();
        form.purposes.clear();
        form.prohibited = vec!["synthetic_derivation".into()];
        form.needs_human = "zie bijlage\n\n alleen na overleg ".into();
        let terms = form.parse().unwrap().remove(0).terms;
        assert_eq!(terms.prohibited, [Purpose::SyntheticDerivation]);
        assert_eq!(terms.needs_human, ["zie bijlage", "alleen na overleg"]);
    }
}
