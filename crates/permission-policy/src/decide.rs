//! May this data be used for that? The only code that answers, rule set 2.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Europe::Amsterdam;

use crate::{
    Confidentiality, DatasetFacts, Duty, Layer, Obligation, Permission, PermissionId, RULE_SET,
    Reason, Recipients, Rule, TdmReservation, Training, Use, Verdict, territory::covers,
};

/// An instant, and which day it is then in the Netherlands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    at: DateTime<Utc>,
    day: NaiveDate,
}

impl Moment {
    /// That instant. Worked out once, it serves any number of decisions.
    #[must_use]
    pub fn of(at: DateTime<Utc>) -> Self {
        Self {
            at,
            day: at.with_timezone(&Amsterdam).date_naive(),
        }
    }
}

/// Decides whether `wanted` is covered at `at`. The default is no.
#[must_use]
pub fn decide(
    facts: &DatasetFacts,
    permissions: &[Permission],
    wanted: &Use,
    at: DateTime<Utc>,
) -> Verdict {
    decide_on(facts, permissions, wanted, &Moment::of(at))
}

/// As [`decide`], for a moment that was worked out before.
#[must_use]
pub fn decide_on(
    facts: &DatasetFacts,
    permissions: &[Permission],
    wanted: &Use,
    moment: &Moment,
) -> Verdict {
    let mut against = Vec::new();
    if !facts.is_approved {
        against.push(reason(Rule::NotApproved));
    }
    licence_rules(facts, wanted, moment, &mut against);
    privacy_rules(facts, &mut against);
    standing_rules(permissions, wanted, moment.day, &mut against);
    let mut granted = [None; 3];
    for (layer, slot) in Layer::ALL.iter().copied().zip(&mut granted) {
        if !is_needed(layer, facts) {
            continue;
        }
        match cover(layer, facts, permissions, wanted, moment.day) {
            Ok(permission) => *slot = Some(permission),
            Err(Missing::Permission) => against.push(Reason {
                layer: Some(layer),
                ..reason(Rule::NoPermission)
            }),
            Err(Missing::Terms { of, rules }) => {
                against.extend(rules.iter().map(|rule| spoken(rule, layer, of)));
            }
        }
    }
    if against.is_empty() {
        yes(facts, granted.into_iter().flatten())
    } else {
        // In one order, whatever order the permissions were read in.
        against.sort_unstable();
        against.dedup();
        Verdict {
            is_allowed: false,
            reasons: against,
            duties: Vec::new(),
        }
    }
}

/// Whether `permission` counts on the day of `moment`: it stands, has begun and has not ended.
#[must_use]
pub fn is_in_force(permission: &Permission, moment: &Moment) -> bool {
    stands(permission, moment.day) && moment.day <= permission.terms.valid_until
}

/// What the licence stands in the way of.
fn licence_rules(facts: &DatasetFacts, wanted: &Use, moment: &Moment, against: &mut Vec<Reason>) {
    let licence = &facts.licence;
    let mut no = |rule| {
        against.push(Reason {
            layer: Some(Layer::Copyright),
            licence: Some(licence.label.clone()),
            ..reason(rule)
        });
    };
    if licence
        .found_at
        .is_some_and(|found_at| found_at > moment.at)
    {
        no(Rule::LicenceNotYetFound);
    }
    let Some(flags) = licence.flags else {
        no(Rule::LicenceUnknown);
        return;
    };
    if flags.allows_training == Training::No && wanted.purpose.trains() {
        no(Rule::LicenceNoTraining);
    }
    if flags.no_derivatives && wanted.purpose.adapts() {
        no(Rule::LicenceNoDerivatives);
    }
    // Whoever hands out what was learnt hands out an adaptation; under which licence is not ours to choose.
    if flags.share_alike && wanted.purpose.trains() && wanted.recipients > Recipients::Consortium {
        no(Rule::LicenceShareAlike);
    }
    if flags.non_commercial && wanted.is_commercial {
        no(Rule::LicenceNonCommercial);
    }
    if !flags.allows_redistribution && wanted.purpose.redistributes() {
        no(Rule::LicenceNoRedistribution);
    }
}

/// What the law on personal data stands in the way of.
fn privacy_rules(facts: &DatasetFacts, against: &mut Vec<Reason>) {
    let privacy = &facts.privacy;
    if !is_needed(Layer::PersonalData, facts) {
        return;
    }
    let mut no = |rule, assessment| {
        against.push(Reason {
            layer: Some(Layer::PersonalData),
            assessment,
            ..reason(rule)
        });
    };
    let Some(assessment) = &privacy.assessment else {
        no(Rule::AssessmentMissing, None);
        return;
    };
    if !assessment.is_signed {
        no(Rule::AssessmentNotSigned, Some(assessment.id));
    }
    if assessment.basis.is_none() {
        no(Rule::LegalBasisMissing, Some(assessment.id));
    }
    if privacy.has_special_categories && assessment.special_basis.is_none() {
        no(Rule::SpecialBasisMissing, Some(assessment.id));
    }
}

/// What any permission of the dataset forbids, or says in words that nobody coded. That holds from its first
/// day until it is withdrawn, also after its last: time alone never turns a no into a yes.
fn standing_rules(
    permissions: &[Permission],
    wanted: &Use,
    today: NaiveDate,
    against: &mut Vec<Reason>,
) {
    for permission in permissions.iter().filter(|p| stands(p, today)) {
        let terms = &permission.terms;
        let mut no = |rule| against.push(spoken(rule, permission.layer, permission.id));
        if terms.rule_set != RULE_SET {
            no(Rule::UnknownRuleSet);
        }
        if terms.prohibited.contains(&wanted.purpose) {
            no(Rule::Prohibited);
        }
        if !terms.needs_human.is_empty() {
            no(Rule::NeedsHuman);
        }
    }
}

fn stands(permission: &Permission, today: NaiveDate) -> bool {
    permission.state.counts() && permission.terms.valid_from <= today
}

/// Whether a dataset needs permission in `layer`.
fn is_needed(layer: Layer, facts: &DatasetFacts) -> bool {
    match layer {
        Layer::Copyright => true,
        Layer::PersonalData => {
            facts.privacy.has_personal_data || facts.privacy.has_special_categories
        }
        Layer::Confidentiality => facts.confidentiality != Confidentiality::Public,
    }
}

/// What a layer lacks.
enum Missing {
    /// Everything: nobody gave permission in it.
    Permission,
    /// These terms of the permission that comes closest, so that people hear what to ask for.
    Terms { of: PermissionId, rules: Rules },
}

/// The permission that covers `wanted` in `layer`, the oldest where several do; or what stands in the way.
fn cover<'a>(
    layer: Layer,
    facts: &DatasetFacts,
    permissions: &'a [Permission],
    wanted: &Use,
    today: NaiveDate,
) -> Result<&'a Permission, Missing> {
    let mut closest: Option<(Rules, &Permission)> = None;
    for permission in permissions.iter().filter(|p| p.layer == layer) {
        let rules = missing(facts, permission, wanted, today);
        let is_closer =
            closest.is_none_or(|(best, of)| (rules.count(), permission.id) < (best.count(), of.id));
        if is_closer {
            closest = Some((rules, permission));
        }
    }
    match closest {
        None => Err(Missing::Permission),
        Some((rules, permission)) if rules.is_empty() => Ok(permission),
        Some((rules, permission)) => Err(Missing::Terms {
            of: permission.id,
            rules,
        }),
    }
}

/// What stands in the way of covering `wanted` by `permission`.
fn missing(facts: &DatasetFacts, permission: &Permission, wanted: &Use, today: NaiveDate) -> Rules {
    let terms = &permission.terms;
    let mut rules = Rules::default();
    rules.unless(terms.rule_set == RULE_SET, Rule::UnknownRuleSet);
    rules.unless(permission.state.counts(), Rule::PermissionWithdrawn);
    rules.unless(today >= terms.valid_from, Rule::NotYetValid);
    rules.unless(today <= terms.valid_until, Rule::Expired);
    rules.unless(
        terms.purposes.contains(&wanted.purpose),
        Rule::PurposeNotCovered,
    );
    rules.unless(
        wanted.recipients <= terms.recipients,
        Rule::RecipientsTooWide,
    );
    rules.unless(
        terms.allows_commercial_use || !wanted.is_commercial,
        Rule::CommercialNotCovered,
    );
    rules.unless(
        covers(&terms.territories, wanted.territory),
        Rule::TerritoryNotCovered,
    );
    rules.unless(
        covers(&terms.processing_locations, wanted.processing_location),
        Rule::ProcessingLocationNotCovered,
    );
    rules.unless(
        terms.model_families.is_empty() || terms.model_families.contains(&wanted.model_family),
        Rule::ModelFamilyNotCovered,
    );
    if permission.layer == Layer::Copyright && terms.evidence.document_sha256.is_none() {
        let is_by_contract = facts
            .licence
            .flags
            .is_some_and(|flags| flags.allows_training == Training::Contract);
        rules.unless(!is_by_contract, Rule::ContractNotProven);
        rules.unless(
            facts.licence.tdm_reservation != TdmReservation::Reserved,
            Rule::TdmReserved,
        );
    }
    rules
}

fn yes<'a>(facts: &DatasetFacts, granted: impl Iterator<Item = &'a Permission>) -> Verdict {
    let mut reasons = Vec::with_capacity(Layer::ALL.len());
    let mut duties = Vec::with_capacity(8);
    if let Some(flags) = facts.licence.flags {
        let mut asks = |duty| {
            duties.push(Obligation {
                duty,
                permission: None,
                licence: Some(facts.licence.label.clone()),
            });
        };
        if flags.attribution {
            asks(Duty::Attribute { text: None });
        }
        if flags.share_alike {
            asks(Duty::ShareAlike);
        }
        if flags.needs_notice {
            asks(Duty::KeepNotice);
        }
    }
    for permission in granted {
        reasons.push(spoken(Rule::Covered, permission.layer, permission.id));
        let terms = &permission.terms;
        let mut asks = |duty| {
            duties.push(Obligation {
                duty,
                permission: Some(permission.id),
                licence: None,
            });
        };
        if let Some(text) = &terms.duties.attribution {
            asks(Duty::Attribute {
                text: Some(text.clone()),
            });
        }
        if terms.duties.report_use {
            asks(Duty::ReportUse);
        }
        if terms.duties.compensate {
            asks(Duty::Compensate);
        }
        asks(Duty::DeleteWithin {
            days: terms.duties.delete_within_days,
        });
        asks(Duty::OnWithdrawal {
            models: terms.on_withdrawal,
        });
    }
    Verdict {
        is_allowed: true,
        reasons,
        duties,
    }
}

/// A set of rules, without an allocation for each permission that is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Rules(u32);

impl Rules {
    /// Takes `rule` in where `holds` does not.
    fn unless(&mut self, holds: bool, rule: Rule) {
        if !holds {
            self.0 |= 1 << (rule as u32);
        }
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn count(self) -> u32 {
        self.0.count_ones()
    }

    fn iter(self) -> impl Iterator<Item = Rule> {
        Rule::ALL
            .iter()
            .copied()
            .filter(move |rule| self.0 & (1 << (*rule as u32)) != 0)
    }
}

fn reason(rule: Rule) -> Reason {
    Reason {
        rule,
        layer: None,
        permission: None,
        licence: None,
        assessment: None,
    }
}

fn spoken(rule: Rule, layer: Layer, permission: PermissionId) -> Reason {
    Reason {
        layer: Some(layer),
        permission: Some(permission),
        ..reason(rule)
    }
}
