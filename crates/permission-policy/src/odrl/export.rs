//! From terms to ODRL.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::{ODRL, action};
use crate::{Layer, OnWithdrawal, Purpose, Recipients, State, Terms, Territory, word::words};

words! {
    /// Which kind of policy.
    Kind {
        /// The terms alone.
        Set = "set",
        /// What the right holder offers.
        Offer = "offer",
        /// What both sides agreed on.
        Agreement = "agreement",
    }
}

/// Somebody in a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Its IRI.
    pub iri: String,
    /// Its name.
    pub name: String,
}

/// What surrounds the terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Which kind; an offer needs an assigner, an agreement both parties.
    pub kind: Kind,
    /// The namespace of the profile; ends with [`super::PROFILE`].
    pub profile: String,
    /// IRI of the policy.
    pub uid: String,
    /// IRI of the dataset.
    pub target: String,
    /// Which question it answers.
    pub layer: Layer,
    /// How the permission stands.
    pub state: State,
    /// When that was decided.
    pub decided_at: DateTime<Utc>,
    /// The right holder.
    pub assigner: Option<Party>,
    /// Who may use the data.
    pub assignee: Option<Party>,
}

/// The policy as JSON-LD, with its context inside.
#[must_use]
pub fn export(terms: &Terms, envelope: &Envelope) -> Value {
    let terms = terms.normal();
    let mut policy = Map::new();
    let mut put = |key: &str, value: Value| policy.insert(key.to_owned(), value);
    put("@context", context(&envelope.profile));
    put(
        "type",
        match envelope.kind {
            Kind::Set => "odrl:Set",
            Kind::Offer => "odrl:Offer",
            Kind::Agreement => "odrl:Agreement",
        }
        .into(),
    );
    put("uid", envelope.uid.as_str().into());
    put("profile", envelope.profile.trim_end_matches('#').into());
    if let Some(assigner) = &envelope.assigner {
        put("assigner", party(assigner));
    }
    if let Some(assignee) = &envelope.assignee {
        put("assignee", party(assignee));
    }
    put("faculty:layer", one(envelope.layer.name()));
    put("faculty:state", one(envelope.state.name()));
    put(
        "dcterms:modified",
        json!({
            "@value": envelope.decided_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            "@type": "xsd:dateTime",
        }),
    );
    put("faculty:ruleSet", terms.rule_set.into());
    put("faculty:evidence", evidence(&terms));
    if !terms.needs_human.is_empty() {
        put("faculty:needsHuman", json!(terms.needs_human));
    }
    if !terms.purposes.is_empty() {
        put(
            "permission",
            json!([{
                "target": envelope.target,
                "action": actions(&terms.purposes),
                "constraint": constraints(&terms),
                "duty": duties(&terms),
            }]),
        );
    }
    if !terms.prohibited.is_empty() {
        put(
            "prohibition",
            json!([{ "target": envelope.target, "action": actions(&terms.prohibited) }]),
        );
    }
    Value::Object(policy)
}

/// The context: short names for what the policy uses, so that nothing has to be fetched to read it.
fn context(profile: &str) -> Value {
    let iri = |term: &str| json!({ "@id": format!("odrl:{term}"), "@type": "@id" });
    json!({
        "odrl": ODRL,
        "faculty": profile,
        "dcterms": "http://purl.org/dc/terms/",
        "vcard": "http://www.w3.org/2006/vcard/ns#",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
        "type": "@type",
        "uid": "@id",
        "profile": iri("profile"),
        "target": iri("target"),
        "action": iri("action"),
        "leftOperand": iri("leftOperand"),
        "operator": iri("operator"),
        "assigner": "odrl:assigner",
        "assignee": "odrl:assignee",
        "permission": "odrl:permission",
        "prohibition": "odrl:prohibition",
        "duty": "odrl:duty",
        "constraint": "odrl:constraint",
        "rightOperand": "odrl:rightOperand",
    })
}

fn party(party: &Party) -> Value {
    json!({ "uid": party.iri, "type": "odrl:Party", "vcard:fn": party.name })
}

fn one(name: &str) -> Value {
    json!({ "@id": format!("faculty:{name}") })
}

fn evidence(terms: &Terms) -> Value {
    let mut evidence = json!({ "faculty:note": terms.evidence.note });
    if let Some(sha256) = &terms.evidence.document_sha256 {
        evidence["faculty:documentSha256"] = sha256.as_str().into();
    }
    evidence
}

fn actions(purposes: &[Purpose]) -> Vec<String> {
    purposes.iter().map(|purpose| action(*purpose)).collect()
}

fn constraint(left: &str, operator: &str, right: Value) -> Value {
    json!({ "leftOperand": left, "operator": format!("odrl:{operator}"), "rightOperand": right })
}

fn constraints(terms: &Terms) -> Vec<Value> {
    let circles: Vec<_> = Recipients::ALL
        .iter()
        .filter(|circle| **circle <= terms.recipients)
        .map(|circle| one(circle.name()))
        .collect();
    let mut profit = vec![one("nonCommercialUse")];
    if terms.allows_commercial_use {
        profit.push(one("commercialUse"));
    }
    let mut all = vec![
        constraint("odrl:recipient", "isAnyOf", circles.into()),
        constraint("odrl:purpose", "isAnyOf", profit.into()),
    ];
    for (left, places) in [
        ("odrl:spatial", &terms.territories),
        ("faculty:processingLocation", &terms.processing_locations),
    ] {
        if !places.is_empty() {
            let codes: Vec<_> = places.iter().map(Territory::to_string).collect();
            all.push(constraint(left, "isAnyOf", json!(codes)));
        }
    }
    if !terms.model_families.is_empty() {
        all.push(constraint(
            "odrl:product",
            "isAnyOf",
            json!(terms.model_families),
        ));
    }
    let day = |day: chrono::NaiveDate| json!({ "@value": day.to_string(), "@type": "xsd:date" });
    all.push(constraint("odrl:dateTime", "gteq", day(terms.valid_from)));
    all.push(constraint("odrl:dateTime", "lteq", day(terms.valid_until)));
    all
}

fn duties(terms: &Terms) -> Vec<Value> {
    let withdrawn = constraint("odrl:event", "eq", one("withdrawal"));
    let mut all = Vec::new();
    if let Some(text) = &terms.duties.attribution {
        all.push(json!({ "action": "odrl:attribute", "faculty:text": text }));
    }
    if terms.duties.report_use {
        all.push(json!({ "action": "odrl:inform" }));
    }
    if terms.duties.compensate {
        all.push(json!({ "action": "odrl:compensate" }));
    }
    let days = json!({
        "@value": format!("P{}D", terms.duties.delete_within_days),
        "@type": "xsd:duration",
    });
    all.push(json!({
        "action": "odrl:delete",
        "constraint": [withdrawn.clone(), constraint("odrl:elapsedTime", "lteq", days)],
    }));
    let models = match terms.on_withdrawal {
        OnWithdrawal::Keep => "faculty:keepModels",
        OnWithdrawal::Retrain => "faculty:retrainModels",
        OnWithdrawal::Retire => "faculty:retireModels",
    };
    all.push(json!({ "action": models, "constraint": [withdrawn] }));
    all
}
