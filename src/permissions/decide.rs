//! May this data be used for that? Pure: the only code that answers.

use chrono::{DateTime, Utc};
use chrono_tz::Europe::Amsterdam;
use serde::{Deserialize, Serialize};

use super::permission::{Layer, Permission, Purpose, Recipients, Terms, sha256_hex};
use crate::ids::PermissionId;

/// What somebody wants to do with a dataset version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// For what.
    pub purpose: Purpose,
    /// Who may receive the weights.
    pub recipients: Recipients,
    /// Whether for profit.
    pub is_commercial: bool,
    /// Family of the model that learns from it.
    pub model_family: String,
}

/// What the rules look at in the dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetFacts {
    /// Whether the version passed both reviews.
    pub is_approved: bool,
    /// Its licence as registered; an SPDX id where there is one.
    pub license: String,
    /// Whether it holds personal data.
    pub has_personal_data: bool,
    /// `public`, `internal` or `confidential`.
    pub confidentiality: String,
}

/// A rule that spoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Id of the rule; its sentence is the text `rule-{id}`.
    pub rule: String,
    /// The layer that it is about, if it is about one.
    pub layer: Option<Layer>,
    /// The permission that it read.
    pub permission: Option<PermissionId>,
}

/// The answer, with every rule that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Yes or no.
    pub is_allowed: bool,
    /// Why: for a yes one permission a layer, for a no everything that stands in the way.
    pub reasons: Vec<Reason>,
}

/// The version of the rules below; stored with each verdict.
const RULE_SET: u32 = 1;

/// Decides whether `wanted` is covered at `at`. The default is no.
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
        against.push(reason("not-approved", None, None));
    }
    if wanted.is_commercial && is_non_commercial(&facts.license) {
        against.push(reason(
            "licence-non-commercial",
            Some(Layer::Copyright),
            None,
        ));
    }
    for layer in needed_layers(facts) {
        match cover(layer, permissions, wanted, at) {
            Ok(permission) => granted.push(reason("covered", Some(layer), Some(permission))),
            Err(mut reasons) => against.append(&mut reasons),
        }
    }
    let is_allowed = against.is_empty();
    Verdict {
        is_allowed,
        reasons: if is_allowed { granted } else { against },
    }
}

/// What identifies the exact policy that a verdict was read from: rules, facts, use, and each permission's
/// terms and state.
///
/// # Errors
/// Never in practice: all of it can be written as JSON.
pub fn policy_sha256(
    facts: &DatasetFacts,
    permissions: &[Permission],
    wanted: &Use,
) -> Result<String, serde_json::Error> {
    let mut read: Vec<_> = permissions
        .iter()
        .map(|p| (p.id, p.layer, p.terms_sha256.as_str(), p.state))
        .collect();
    read.sort_unstable_by_key(|(id, ..)| *id);
    serde_json::to_string(&(RULE_SET, facts, wanted, read)).map(|text| sha256_hex(&text))
}

/// The layers in which a dataset needs permission.
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

/// The permission that covers `wanted` in `layer`, or what stands in the way: of the permission that comes
/// closest, so that people hear what to ask for.
fn cover(
    layer: Layer,
    permissions: &[Permission],
    wanted: &Use,
    at: DateTime<Utc>,
) -> Result<PermissionId, Vec<Reason>> {
    let mut closest: Option<Vec<Reason>> = None;
    let mut candidates: Vec<_> = permissions.iter().filter(|p| p.layer == layer).collect();
    // In one order whatever order they were read in.
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
    Err(closest.unwrap_or_else(|| vec![reason("no-permission", Some(layer), None)]))
}

fn missing(permission: &Permission, wanted: &Use, at: DateTime<Utc>) -> Vec<&'static str> {
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
        (*rule_set == RULE_SET, "unknown-rule-set"),
        (permission.state.counts(), "permission-withdrawn"),
        (today >= *valid_from, "not-yet-valid"),
        (today <= *valid_until, "expired"),
        (purposes.contains(&wanted.purpose), "purpose-not-covered"),
        (wanted.recipients <= *recipients, "recipients-too-wide"),
        (
            *allows_commercial_use || !wanted.is_commercial,
            "commercial-not-covered",
        ),
        (family_fits, "model-family-not-covered"),
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

fn reason(rule: &str, layer: Option<Layer>, permission: Option<PermissionId>) -> Reason {
    Reason {
        rule: rule.to_owned(),
        layer,
        permission,
    }
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDate, TimeDelta};
    use proptest::prelude::*;

    use super::{super::permission::State, *};

    fn noon() -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_435_200, 0).unwrap()
    }

    fn facts() -> DatasetFacts {
        DatasetFacts {
            is_approved: true,
            license: "CC-BY-4.0".into(),
            has_personal_data: false,
            confidentiality: "public".into(),
        }
    }

    fn wanted() -> Use {
        Use {
            purpose: Purpose::FineTuning,
            recipients: Recipients::Consortium,
            is_commercial: false,
            model_family: "smollm2".into(),
        }
    }

    fn permission(layer: Layer) -> Permission {
        Permission {
            id: PermissionId::fresh(),
            version: None,
            layer,
            terms: Terms {
                rule_set: RULE_SET,
                purposes: vec![Purpose::FineTuning],
                recipients: Recipients::ResearchLicensees,
                allows_commercial_use: false,
                model_families: vec![],
                valid_from: NaiveDate::from_ymd_opt(2026, 1, 1).unwrap(),
                valid_until: NaiveDate::from_ymd_opt(2028, 12, 31).unwrap(),
                evidence: "CCA 12".into(),
                delete_within_days: 30,
            },
            terms_sha256: "00".repeat(32),
            state: State::Given,
            decided_by: "iemand".into(),
            decided_at: noon(),
        }
    }

    fn rules(verdict: &Verdict) -> Vec<&str> {
        verdict.reasons.iter().map(|r| r.rule.as_str()).collect()
    }

    #[test]
    fn without_a_permission_the_answer_is_no() {
        let verdict = decide(&facts(), &[], &wanted(), noon());
        assert!(!verdict.is_allowed);
        assert_eq!(rules(&verdict), ["no-permission"]);
    }

    #[test]
    fn a_fitting_permission_is_named() {
        let given = permission(Layer::Copyright);
        let verdict = decide(&facts(), std::slice::from_ref(&given), &wanted(), noon());
        assert!(verdict.is_allowed);
        assert_eq!(verdict.reasons[0].permission, Some(given.id));
    }

    #[test]
    fn every_needed_layer_must_say_yes() {
        let facts = DatasetFacts {
            has_personal_data: true,
            confidentiality: "internal".into(),
            ..facts()
        };
        let mut given = vec![
            permission(Layer::Copyright),
            permission(Layer::PersonalData),
        ];
        assert!(!decide(&facts, &given, &wanted(), noon()).is_allowed);
        given.push(permission(Layer::Confidentiality));
        assert!(decide(&facts, &given, &wanted(), noon()).is_allowed);
    }

    #[test]
    fn each_term_can_say_no() {
        let base = permission(Layer::Copyright);
        let check = |change: &dyn Fn(&mut Permission, &mut Use), rule: &str| {
            let (mut permission, mut wanted) = (base.clone(), wanted());
            change(&mut permission, &mut wanted);
            let verdict = decide(&facts(), &[permission], &wanted, noon());
            assert!(!verdict.is_allowed, "{rule}");
            assert_eq!(rules(&verdict), [rule]);
        };
        check(&|p, _| p.state = State::Withdrawn, "permission-withdrawn");
        check(
            &|_, w| w.purpose = Purpose::Pretraining,
            "purpose-not-covered",
        );
        check(
            &|_, w| w.recipients = Recipients::Public,
            "recipients-too-wide",
        );
        check(&|_, w| w.is_commercial = true, "commercial-not-covered");
        check(
            &|p, _| p.terms.model_families = vec!["gpt-nl".into()],
            "model-family-not-covered",
        );
        check(&|p, _| p.terms.rule_set = 9, "unknown-rule-set");
        check(
            &|p, _| p.terms.valid_from = NaiveDate::from_ymd_opt(2027, 1, 1).unwrap(),
            "not-yet-valid",
        );
        check(
            &|p, _| p.terms.valid_until = NaiveDate::from_ymd_opt(2026, 2, 1).unwrap(),
            "expired",
        );
    }

    #[test]
    fn a_non_commercial_licence_beats_a_permission() {
        let mut given = permission(Layer::Copyright);
        given.terms.allows_commercial_use = true;
        let facts = DatasetFacts {
            license: "CC-BY-NC-4.0".into(),
            ..facts()
        };
        let wanted = Use {
            is_commercial: true,
            ..wanted()
        };
        assert_eq!(
            rules(&decide(&facts, &[given], &wanted, noon())),
            ["licence-non-commercial"]
        );
    }

    #[test]
    fn the_hash_names_the_exact_policy() {
        let given = permission(Layer::Copyright);
        let hash = |p: &[Permission]| policy_sha256(&facts(), p, &wanted()).unwrap();
        let before = hash(std::slice::from_ref(&given));
        let withdrawn = Permission {
            state: State::Withdrawn,
            ..given.clone()
        };
        assert_eq!(before, hash(&[given]));
        assert_ne!(before, hash(&[withdrawn]));
    }

    prop_compose! {
        fn any_permission()(
            layer in 0..Layer::ALL.len(),
            state in 0..5_usize,
            purposes in prop::collection::vec(0..Purpose::ALL.len(), 0..4),
            recipients in 0..Recipients::ALL.len(),
            commercial in any::<bool>(),
            from in -400..400_i64,
            days in 0..800_i64,
        ) -> Permission {
            let states = [State::Given, State::Renewed, State::Withdrawn, State::Revoked, State::Refused];
            let mut permission = permission(Layer::ALL[layer]);
            permission.state = states[state];
            permission.terms.purposes = purposes.into_iter().map(|i| Purpose::ALL[i]).collect();
            permission.terms.recipients = Recipients::ALL[recipients];
            permission.terms.allows_commercial_use = commercial;
            permission.terms.valid_from = (noon() + TimeDelta::days(from)).date_naive();
            permission.terms.valid_until = permission.terms.valid_from + TimeDelta::days(days);
            permission
        }
    }

    prop_compose! {
        fn any_use()(
            purpose in 0..Purpose::ALL.len(),
            recipients in 0..Recipients::ALL.len(),
            is_commercial in any::<bool>(),
        ) -> Use {
            Use {
                purpose: Purpose::ALL[purpose],
                recipients: Recipients::ALL[recipients],
                is_commercial,
                model_family: "smollm2".into(),
            }
        }
    }

    proptest! {
        #[test]
        fn the_order_of_permissions_does_not_matter(
            given in prop::collection::vec(any_permission(), 0..6), wanted in any_use(), personal in any::<bool>(),
        ) {
            let facts = DatasetFacts { has_personal_data: personal, ..facts() };
            let mut turned = given.clone();
            turned.reverse();
            prop_assert_eq!(
                decide(&facts, &given, &wanted, noon()).is_allowed,
                decide(&facts, &turned, &wanted, noon()).is_allowed
            );
        }

        #[test]
        fn withdrawing_never_turns_no_into_yes(
            given in prop::collection::vec(any_permission(), 1..6), wanted in any_use(), which in any::<prop::sample::Index>(),
        ) {
            let before = decide(&facts(), &given, &wanted, noon()).is_allowed;
            let mut after = given.clone();
            let at = which.index(after.len());
            after[at].state = State::Withdrawn;
            prop_assert!(before || !decide(&facts(), &after, &wanted, noon()).is_allowed);
        }

        #[test]
        fn asking_for_less_is_never_refused_where_more_is_allowed(
            given in prop::collection::vec(any_permission(), 0..6), wanted in any_use(),
        ) {
            if decide(&facts(), &given, &wanted, noon()).is_allowed {
                let less = Use { is_commercial: false, recipients: Recipients::Consortium, ..wanted };
                prop_assert!(decide(&facts(), &given, &less, noon()).is_allowed);
            }
        }

        #[test]
        fn a_no_always_says_why(given in prop::collection::vec(any_permission(), 0..6), wanted in any_use()) {
            prop_assert!(!decide(&facts(), &given, &wanted, noon()).reasons.is_empty());
        }
    }
}
