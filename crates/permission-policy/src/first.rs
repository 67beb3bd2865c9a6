//! Rule set 1, whole: its terms, its facts and its rules, as they were from the first permission on.
//!
//! Nothing decides by it any more; it stays so that verdicts of its time can be made again. Never change what
//! it answers: its golden cases stand in `tests/cases/rule-set-1.txt`.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Europe::Amsterdam;
use serde::{Deserialize, Serialize};

use crate::{Layer, PermissionId, Purpose, Reason, Recipients, Rule, State, Verdict, sha256_hex};

/// Its number.
pub const RULE_SET: u32 = 1;

/// The terms of one permission. Written as JSON with the fields in this order: the form that was hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    pub rule_set: u32,
    pub purposes: Vec<Purpose>,
    pub recipients: Recipients,
    pub allows_commercial_use: bool,
    pub model_families: Vec<String>,
    pub valid_from: NaiveDate,
    pub valid_until: NaiveDate,
    pub evidence: String,
    pub delete_within_days: u32,
}

/// What somebody wanted to do with a dataset version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    pub purpose: Purpose,
    pub recipients: Recipients,
    pub is_commercial: bool,
    pub model_family: String,
}

/// What its rules looked at in the dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetFacts {
    pub is_approved: bool,
    pub license: String,
    pub has_personal_data: bool,
    /// `public`, `internal` or `confidential`.
    pub confidentiality: String,
}

/// A permission, as far as its rules read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    pub id: PermissionId,
    pub layer: Layer,
    pub state: State,
    pub terms: Terms,
    pub terms_sha256: String,
}

/// All that a verdict is read from, but for the moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub facts: DatasetFacts,
    pub permissions: Vec<Permission>,
    pub rule_set: u32,
    #[serde(rename = "use")]
    pub wanted: Use,
}

impl Policy {
    /// The verdict at `at`.
    #[must_use]
    pub fn decide(&self, at: DateTime<Utc>) -> Verdict {
        decide(&self.facts, &self.permissions, &self.wanted, at)
    }

    /// The name that a verdict of rule set 1 was stored with.
    ///
    /// # Errors
    /// Never in practice: all of it can be written as JSON.
    pub fn sha256(&self) -> Result<String, serde_json::Error> {
        let mut read: Vec<_> = self
            .permissions
            .iter()
            .map(|p| (p.id, p.layer, p.terms_sha256.as_str(), p.state))
            .collect();
        read.sort_unstable_by_key(|(id, ..)| *id);
        serde_json::to_string(&(RULE_SET, &self.facts, &self.wanted, read))
            .map(|text| sha256_hex(&text))
    }
}

/// Decides whether `wanted` was covered at `at`. The default is no.
#[must_use]
pub fn decide(
    facts: &DatasetFacts,
    permissions: &[Permission],
    wanted: &Use,
    at: DateTime<Utc>,
) -> Verdict {
    let mut against = Vec::new();
    let mut granted = Vec::new();
    if !facts.is_approved {
        against.push(reason(Rule::NotApproved, None, None));
    }
    if wanted.is_commercial && is_non_commercial(&facts.license) {
        against.push(reason(
            Rule::LicenceNonCommercial,
            Some(Layer::Copyright),
            None,
        ));
    }
    for layer in needed_layers(facts) {
        match cover(layer, permissions, wanted, at) {
            Ok(permission) => granted.push(reason(Rule::Covered, Some(layer), Some(permission))),
            Err(mut reasons) => against.append(&mut reasons),
        }
    }
    let is_allowed = against.is_empty();
    Verdict {
        is_allowed,
        reasons: if is_allowed { granted } else { against },
        duties: Vec::new(),
    }
}

fn needed_layers(facts: &DatasetFacts) -> Vec<Layer> {
    let mut layers = vec![Layer::Copyright];
    if facts.has_personal_data {
        layers.push(Layer::PersonalData);
    }
    if facts.confidentiality != "public" {
        layers.push(Layer::Confidentiality);
    }
    layers
}

/// The permission that covers `wanted` in `layer`, or what stands in the way of the one that comes closest.
fn cover(
    layer: Layer,
    permissions: &[Permission],
    wanted: &Use,
    at: DateTime<Utc>,
) -> Result<PermissionId, Vec<Reason>> {
    let mut closest: Option<Vec<Reason>> = None;
    let mut candidates: Vec<_> = permissions.iter().filter(|p| p.layer == layer).collect();
    candidates.sort_unstable_by_key(|p| p.id);
    for permission in candidates {
        let missing = missing(permission, wanted, at);
        if missing.is_empty() {
            return Ok(permission.id);
        }
        let reasons: Vec<_> = missing
            .into_iter()
            .map(|rule| reason(rule, Some(layer), Some(permission.id)))
            .collect();
        if closest
            .as_ref()
            .is_none_or(|best| reasons.len() < best.len())
        {
            closest = Some(reasons);
        }
    }
    Err(closest.unwrap_or_else(|| vec![reason(Rule::NoPermission, Some(layer), None)]))
}

fn missing(permission: &Permission, wanted: &Use, at: DateTime<Utc>) -> Vec<Rule> {
    let Terms {
        rule_set,
        purposes,
        recipients,
        allows_commercial_use,
        model_families,
        valid_from,
        valid_until,
        evidence: _,
        delete_within_days: _,
    } = &permission.terms;
    let today = at.with_timezone(&Amsterdam).date_naive();
    let family_fits = model_families.is_empty() || model_families.contains(&wanted.model_family);
    let rules = [
        (*rule_set == RULE_SET, Rule::UnknownRuleSet),
        (permission.state.counts(), Rule::PermissionWithdrawn),
        (today >= *valid_from, Rule::NotYetValid),
        (today <= *valid_until, Rule::Expired),
        (purposes.contains(&wanted.purpose), Rule::PurposeNotCovered),
        (wanted.recipients <= *recipients, Rule::RecipientsTooWide),
        (
            *allows_commercial_use || !wanted.is_commercial,
            Rule::CommercialNotCovered,
        ),
        (family_fits, Rule::ModelFamilyNotCovered),
    ];
    rules
        .into_iter()
        .filter(|(holds, _)| !holds)
        .map(|(_, rule)| rule)
        .collect()
}

/// Creative Commons licences with the NC element.
fn is_non_commercial(license: &str) -> bool {
    license
        .to_ascii_uppercase()
        .split('-')
        .any(|element| element == "NC")
}

fn reason(rule: Rule, layer: Option<Layer>, permission: Option<PermissionId>) -> Reason {
    Reason {
        rule,
        layer,
        permission,
        licence: None,
        assessment: None,
    }
}
