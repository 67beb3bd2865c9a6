//! Terms as codes of the Data Use Ontology (GA4GH), with our own terms for what text asks beyond them.
//!
//! DUO codes data on people's health: it knows places, periods and profit, but neither training nor weights. What
//! it knows is coded; everything else stands beside it in the words of our profile, so that nothing is lost.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{Layer, Purpose, Recipients, State, Terms, Territory};

/// A code of the ontology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Code {
    /// As the ontology writes it: `DUO:0000046`.
    pub id: &'static str,
    /// Where it is defined.
    pub iri: String,
    /// Its short name there.
    pub shorthand: &'static str,
    /// Its label there.
    pub label: &'static str,
    /// What it is limited to, for codes that take a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The field of the terms that it is made of.
    pub field: &'static str,
}

/// A term that DUO has no code for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProfileTerm {
    /// The field of the terms.
    pub field: &'static str,
    /// What it says.
    pub value: String,
}

/// Terms in DUO's words and ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Export {
    /// Which question the permission answers; DUO knows one alone.
    pub layer: Layer,
    /// How it stands.
    pub state: State,
    /// When that was decided.
    pub decided_at: DateTime<Utc>,
    /// What DUO can say.
    pub codes: Vec<Code>,
    /// What it cannot.
    pub profile: Vec<ProfileTerm>,
    /// Terms that nobody coded: whoever uses the data has to ask.
    pub needs_validation: Vec<String>,
}

fn code(
    number: &'static str,
    shorthand: &'static str,
    label: &'static str,
    field: &'static str,
    value: Option<String>,
) -> Code {
    Code {
        id: number,
        iri: format!(
            "http://purl.obolibrary.org/obo/{}",
            number.replace(':', "_")
        ),
        shorthand,
        label,
        value,
        field,
    }
}

/// Codes `terms` of a permission in `layer` that stands as `state` since `decided_at`.
#[must_use]
pub fn export(terms: &Terms, layer: Layer, (state, decided_at): (State, DateTime<Utc>)) -> Export {
    let terms = terms.normal();
    let mut codes = Vec::new();
    if !terms.purposes.is_empty() {
        codes.push(code(
            "DUO:0000042",
            "GRU",
            "general research use",
            "purposes",
            None,
        ));
        let research = Purpose::ALL.iter().filter(|one| !one.redistributes());
        if research.clone().any(|one| !terms.purposes.contains(one)) {
            let value = Some(names(&terms.purposes));
            codes.push(code(
                "DUO:0000012",
                "RS",
                "research specific restrictions",
                "purposes",
                value,
            ));
        }
    }
    if !terms.allows_commercial_use {
        codes.push(code(
            "DUO:0000046",
            "NCU",
            "non-commercial use only",
            "allows_commercial_use",
            None,
        ));
    }
    let recipients = Some(terms.recipients.name().to_owned());
    match terms.recipients {
        Recipients::Consortium => {
            codes.push(code(
                "DUO:0000028",
                "IS",
                "institution specific restriction",
                "recipients",
                recipients,
            ));
        }
        Recipients::ResearchLicensees | Recipients::ProfessionalLicensees => {
            codes.push(code(
                "DUO:0000026",
                "US",
                "user specific restriction",
                "recipients",
                recipients,
            ));
        }
        Recipients::Public => {}
    }
    if !terms.territories.is_empty() {
        let value = Some(places(&terms.territories));
        codes.push(code(
            "DUO:0000022",
            "GS",
            "geographical restriction",
            "territories",
            value,
        ));
    }
    let period = Some(format!("{}/{}", terms.valid_from, terms.valid_until));
    codes.push(code(
        "DUO:0000025",
        "TS",
        "time limit on use",
        "valid_until",
        period,
    ));
    if !terms.model_families.is_empty() {
        let value = Some(terms.model_families.join(", "));
        codes.push(code(
            "DUO:0000027",
            "PS",
            "project specific restriction",
            "model_families",
            value,
        ));
    }
    Export {
        layer,
        state,
        decided_at,
        codes,
        profile: profile(&terms),
        needs_validation: terms.needs_human,
    }
}

fn profile(terms: &Terms) -> Vec<ProfileTerm> {
    let mut all = Vec::new();
    let mut say = |field, value: String| all.push(ProfileTerm { field, value });
    for purpose in &terms.purposes {
        say("purposes", purpose.to_string());
    }
    for purpose in &terms.prohibited {
        say("prohibited", purpose.to_string());
    }
    if !terms.processing_locations.is_empty() {
        say("processing_locations", places(&terms.processing_locations));
    }
    if let Some(text) = &terms.duties.attribution {
        say("duties.attribution", text.clone());
    }
    if terms.duties.report_use {
        say("duties.report_use", "true".into());
    }
    if terms.duties.compensate {
        say("duties.compensate", "true".into());
    }
    say(
        "duties.delete_within_days",
        terms.duties.delete_within_days.to_string(),
    );
    say("on_withdrawal", terms.on_withdrawal.to_string());
    say("evidence.note", terms.evidence.note.clone());
    if let Some(sha256) = &terms.evidence.document_sha256 {
        say("evidence.document_sha256", sha256.clone());
    }
    say("rule_set", terms.rule_set.to_string());
    all
}

fn names(purposes: &[Purpose]) -> String {
    let names: Vec<_> = purposes.iter().map(|one| one.name()).collect();
    names.join(", ")
}

fn places(territories: &[Territory]) -> String {
    let codes: Vec<_> = territories.iter().map(Territory::to_string).collect();
    codes.join(", ")
}
