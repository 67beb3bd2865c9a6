//! Reads the written cases: a line each, `name | dataset | permissions | use | when | expected`.
//!
//! `-` is the usual one: an approved public dataset under CC0-1.0 without personal data; fine-tuning of `gpt-nl` for
//! the consortium, not for profit, used and processed in the Netherlands; noon of 25 November 2026. A permission
//! starts with its layer (`C`opyright, `P`ersonal data, `K`onfidentiality) and usually allows fine-tuning and
//! evaluation to research licensees, not for profit, from 2026 up to and including 2028. Words change that; blanks
//! in a licence are written `_`, lists with commas, texts in quotes.

use chrono::{DateTime, NaiveDate, Utc};
use permission_policy::{
    Assessment, Confidentiality, DatasetFacts, Duties, Duty, Evidence, Layer, LicenceFacts,
    Obligation, OnWithdrawal, Permission, PermissionId, PrivacyFacts, Purpose, RULE_SET,
    Recipients, Rule, State, TdmReservation, Terms, Territory, Use, Verdict,
};
use uuid::Uuid;

pub(crate) struct Case {
    /// File and name.
    pub(crate) name: String,
    pub(crate) facts: DatasetFacts,
    pub(crate) permissions: Vec<Permission>,
    pub(crate) wanted: Use,
    pub(crate) at: DateTime<Utc>,
    /// As written: verdict and rules, and the duties where they are told.
    pub(crate) expected: String,
    pub(crate) duties: Option<String>,
}

pub(crate) fn cases(file: &str, text: &str) -> Vec<Case> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            let columns: Vec<_> = line.split('|').map(str::trim).collect();
            let [name, dataset, permissions, wanted, when, expected] = columns[..] else {
                panic!("{file}: six columns are needed: {line}");
            };
            let (expected, duties) = match expected.split_once(';') {
                Some((expected, duties)) => (expected.trim(), Some(duties.trim().to_owned())),
                None => (expected, None),
            };
            Case {
                name: format!("{file}: {name}"),
                facts: facts(dataset),
                permissions: permissions_of(permissions),
                wanted: wanted_of(wanted),
                at: moment(when),
                expected: expected.to_owned(),
                duties,
            }
        })
        .collect()
}

/// Words at blanks, but not at those within quotes.
fn words(text: &str) -> Vec<String> {
    let (mut found, mut is_quoted) = (vec![String::new()], false);
    for c in text.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => found.push(String::new()),
            _ => found.last_mut().unwrap().push(c),
        }
    }
    found.retain(|word| !word.is_empty() && word != "-");
    found
}

fn list<T: std::str::FromStr>(text: &str) -> Vec<T> {
    text.split(',')
        .filter(|one| !one.is_empty())
        .map(|one| {
            one.parse()
                .unwrap_or_else(|_| panic!("{one:?} is not known"))
        })
        .collect()
}

fn day(text: &str) -> NaiveDate {
    text.parse()
        .unwrap_or_else(|_| panic!("{text:?} is no day"))
}

pub(crate) fn moment(text: &str) -> DateTime<Utc> {
    match text {
        "-" => moment("2026-11-25"),
        _ if text.contains('T') => text.parse().unwrap(),
        _ => day(text).and_hms_opt(12, 0, 0).unwrap().and_utc(),
    }
}

pub(crate) fn facts(text: &str) -> DatasetFacts {
    let mut facts = DatasetFacts {
        confidentiality: Confidentiality::Public,
        is_approved: true,
        licence: LicenceFacts::registered("CC0-1.0"),
        privacy: PrivacyFacts::default(),
    };
    let mut is_signed = true;
    for word in words(text) {
        match word.split_once(':').unwrap_or((&word, "")) {
            ("draft", _) => facts.is_approved = false,
            ("internal", _) => facts.confidentiality = Confidentiality::Internal,
            ("confidential", _) => facts.confidentiality = Confidentiality::Confidential,
            ("licence", label) => {
                let registered = LicenceFacts::registered(&label.replace('_', " "));
                (facts.licence.label, facts.licence.flags) = (registered.label, registered.flags);
            }
            ("reserved", _) => facts.licence.tdm_reservation = TdmReservation::Reserved,
            ("not_reserved", _) => facts.licence.tdm_reservation = TdmReservation::NotReserved,
            ("found", when) => {
                facts.licence.found_at = Some(moment(when));
                facts.licence.check = Some(Uuid::from_u128(77));
            }
            ("personal", _) => facts.privacy.has_personal_data = true,
            ("special", _) => facts.privacy.has_special_categories = true,
            ("unsigned", _) => is_signed = false,
            ("assessed", bases) => {
                let (six, nine) = bases.split_once('/').unwrap_or((bases, "-"));
                facts.privacy.assessment = Some(Assessment {
                    basis: (six != "-").then(|| six.parse().unwrap()),
                    id: Uuid::from_u128(66),
                    is_signed: true,
                    special_basis: (nine != "-").then(|| nine.parse().unwrap()),
                });
            }
            _ => panic!("{word:?} says nothing about a dataset"),
        }
    }
    if let Some(assessment) = &mut facts.privacy.assessment {
        assessment.is_signed = is_signed;
    }
    facts
}

pub(crate) fn terms() -> Terms {
    Terms {
        purposes: vec![Purpose::FineTuning, Purpose::Evaluation],
        recipients: Recipients::ResearchLicensees,
        valid_from: day("2026-01-01"),
        valid_until: day("2028-12-31"),
        evidence: Evidence {
            document_sha256: None,
            note: "besluit".into(),
        },
        duties: Duties {
            delete_within_days: 30,
            ..Duties::default()
        },
        on_withdrawal: OnWithdrawal::Retire,
        rule_set: RULE_SET,
        ..Terms::nothing()
    }
}

pub(crate) fn permissions_of(text: &str) -> Vec<Permission> {
    if text == "-" {
        return Vec::new();
    }
    text.split(" + ")
        .zip(1_u128..)
        .map(|(text, id)| permission(text, id))
        .collect()
}

fn permission(text: &str, id: u128) -> Permission {
    let mut permission = Permission {
        id: PermissionId(Uuid::from_u128(id)),
        version: None,
        layer: Layer::Copyright,
        terms: terms(),
        terms_sha256: "00".repeat(32),
        state: State::Given,
        decided_by: "iemand".into(),
        decided_at: moment("2026-01-01"),
    };
    let terms = &mut permission.terms;
    for word in words(text) {
        match word.split_once(':').unwrap_or((&word, "")) {
            ("C", _) => permission.layer = Layer::Copyright,
            ("P", _) => permission.layer = Layer::PersonalData,
            ("K", _) => permission.layer = Layer::Confidentiality,
            ("renewed", _) => permission.state = State::Renewed,
            ("withdrawn", _) => permission.state = State::Withdrawn,
            ("revoked", _) => permission.state = State::Revoked,
            ("refused", _) => permission.state = State::Refused,
            ("purposes", purposes) => terms.purposes = list(purposes),
            ("no", purposes) => terms.prohibited = list(purposes),
            ("to", circle) => terms.recipients = circle.parse().unwrap(),
            ("profit", _) => terms.allows_commercial_use = true,
            ("in", places) => terms.territories = list(places),
            ("at", places) => terms.processing_locations = list(places),
            ("for", families) => terms.model_families = list(families),
            ("from", from) => terms.valid_from = day(from),
            ("until", until) => terms.valid_until = day(until),
            ("signed", _) => terms.evidence.document_sha256 = Some("ab".repeat(32)),
            ("human", passage) => terms.needs_human.push(passage.to_owned()),
            ("rules", number) => terms.rule_set = number.parse().unwrap(),
            ("credit", name) => terms.duties.attribution = Some(name.to_owned()),
            ("report", _) => terms.duties.report_use = true,
            ("pay", _) => terms.duties.compensate = true,
            ("wipe", days) => terms.duties.delete_within_days = days.parse().unwrap(),
            ("keep", _) => terms.on_withdrawal = OnWithdrawal::Keep,
            ("retrain", _) => terms.on_withdrawal = OnWithdrawal::Retrain,
            ("retire", _) => terms.on_withdrawal = OnWithdrawal::Retire,
            _ => panic!("{word:?} says nothing about a permission"),
        }
    }
    permission
}

pub(crate) fn wanted_of(text: &str) -> Use {
    let mut wanted = Use {
        is_commercial: false,
        model_family: "gpt-nl".into(),
        processing_location: Territory::NETHERLANDS,
        purpose: Purpose::FineTuning,
        recipients: Recipients::Consortium,
        territory: Territory::NETHERLANDS,
    };
    for word in words(text) {
        if let Ok(purpose) = word.parse() {
            wanted.purpose = purpose;
        } else if let Ok(recipients) = word.parse() {
            wanted.recipients = recipients;
        } else {
            match word.split_once(':').unwrap_or((&word, "")) {
                ("profit", _) => wanted.is_commercial = true,
                ("in", place) => wanted.territory = place.parse().unwrap(),
                ("at", place) => wanted.processing_location = place.parse().unwrap(),
                ("with", family) => wanted.model_family = family.to_owned(),
                _ => panic!("{word:?} says nothing about a use"),
            }
        }
    }
    wanted
}

fn number(id: PermissionId) -> u128 {
    id.0.as_u128()
}

/// A verdict as the tables write it.
pub(crate) fn told(verdict: &Verdict) -> String {
    let mut told = String::from(if verdict.is_allowed { "yes" } else { "no" });
    for reason in &verdict.reasons {
        told.push(' ');
        told.push_str(reason.rule.name());
        match (reason.permission, reason.layer) {
            (Some(permission), _) => told.push_str(&format!("#{}", number(permission))),
            (None, Some(layer)) if reason.rule == Rule::NoPermission => {
                told.push_str(&format!("@{layer}"));
            }
            _ => {}
        }
    }
    told
}

/// Duties as the tables write them.
pub(crate) fn duties_told(duties: &[Obligation]) -> String {
    let told: Vec<_> = duties
        .iter()
        .map(|one| {
            let with = match &one.duty {
                Duty::Attribute { text: Some(text) } => format!(":{text:?}"),
                Duty::DeleteWithin { days } => format!(":{days}"),
                Duty::OnWithdrawal { models } => format!(":{models}"),
                Duty::Attribute { text: None }
                | Duty::ShareAlike
                | Duty::KeepNotice
                | Duty::ReportUse
                | Duty::Compensate => String::new(),
            };
            let whose = one
                .permission
                .map_or_else(|| "licence".to_owned(), |id| number(id).to_string());
            format!("{}{with}#{whose}", one.duty.name())
        })
        .collect();
    told.join(" ")
}
