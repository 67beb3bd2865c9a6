//! Offers of others: what is read of them, and what is left to people.

use std::collections::BTreeMap;

use permission_policy::{
    Purpose, Recipients, TdmReservation,
    odrl::{self, ImportError},
    tdmrep,
};
use serde_json::json;

use super::{US, today};

#[test]
fn an_offer_to_mine_for_research_becomes_terms_that_ask_a_person_for_the_rest() {
    // The example of the TDM Reservation Protocol, section 7, in its own words.
    let offer = json!({
        "@context": ["http://www.w3.org/ns/odrl.jsonld", { "tdm": "http://www.w3.org/ns/tdmrep#" }],
        "@type": "Offer",
        "profile": "http://www.w3.org/ns/tdmrep",
        "uid": "https://provider.com/policies/policy.json",
        "assigner": { "uid": "https://provider.com", "vcard:fn": "Provider", "vcard:hasEmail": "mailto:contact@provider.com" },
        "permission": [{
            "target": "https://provider.com/research-papers",
            "action": "tdm:mine",
            "duty": [{ "action": "obtainConsent" }, { "action": "compensate" }],
            "constraint": [{ "leftOperand": "purpose", "operator": "eq", "rightOperand": { "@id": "tdm:research" } }],
        }],
    });
    let imported = odrl::import(&offer, today(), US).unwrap();
    assert_eq!(
        imported.about.target.as_deref(),
        Some("https://provider.com/research-papers")
    );
    assert_eq!(
        imported.about.assigner.as_deref(),
        Some("https://provider.com")
    );
    let terms = imported.terms;
    assert_eq!(
        terms.purposes,
        [
            Purpose::Pretraining,
            Purpose::ContinuedPretraining,
            Purpose::FineTuning,
            Purpose::Evaluation,
            Purpose::SafetyTesting
        ]
    );
    assert_eq!(
        (terms.recipients, terms.allows_commercial_use),
        (Recipients::ResearchLicensees, false)
    );
    assert!(terms.duties.compensate);
    assert_eq!(terms.needs_human, [r#"duty: {"action":"obtainConsent"}"#]);
    assert_eq!(
        imported.assumed,
        [
            "valid_from",
            "valid_until",
            "delete_within_days",
            "on_withdrawal"
        ]
    );
    assert_eq!(terms.valid_until.to_string(), "2027-11-25");
}

#[test]
fn what_cannot_be_expressed_is_listed_and_never_dropped() {
    for (policy, listed) in [
        (
            json!({ "permission": [{ "action": "use" }] }),
            "permission action: \"use\"",
        ),
        (
            json!({ "permission": [{ "action": "play" }] }),
            "permission action: \"play\"",
        ),
        (
            json!({ "permission": [{ "action": { "rdf:value": { "@id": "odrl:distribute" }, "refinement": [] } }] }),
            "permission action: ",
        ),
        (
            json!({ "permission": [{ "action": "index", "constraint": [{ "leftOperand": "count", "operator": "lteq", "rightOperand": 5 }] }] }),
            "constraint: ",
        ),
        (
            json!({ "permission": [{ "action": "index", "constraint": [{ "leftOperand": "spatial", "operator": "neq", "rightOperand": "US" }] }] }),
            "constraint: ",
        ),
        (
            json!({ "permission": [{ "action": "index", "constraint": [{ "leftOperand": "spatial", "operator": "eq", "rightOperand": "Atlantis" }] }] }),
            "constraint: ",
        ),
        (
            json!({ "permission": [{ "action": "index", "constraint": [{ "leftOperand": "dateTime", "operator": "lteq", "rightOperand": "2027-01-01T10:00:00Z" }] }] }),
            "constraint: ",
        ),
        (
            json!({ "permission": [{ "action": "index", "constraint": [{ "leftOperand": "purpose", "operator": "eq", "rightOperand": "tdm:non-research" }] }] }),
            "constraint: ",
        ),
        (
            json!({ "permission": [{ "action": "index", "constraint": [{ "and": [] }] }] }),
            "constraint: ",
        ),
        (
            json!({ "permission": [{ "action": "index", "constraint": [{ "leftOperand": "recipient", "operator": "eq", "rightOperand": "faculty:public" }] }] }),
            "constraint: ",
        ),
        (
            json!({ "permission": [{ "action": "index", "duty": [{ "action": "attribute", "consequence": [] }] }] }),
            "duty: ",
        ),
        (
            json!({ "permission": [{ "action": "index", "duty": [{ "action": "reviewPolicy" }] }] }),
            "duty: ",
        ),
        (
            json!({ "permission": [{ "action": "index", "duty": [{ "action": "delete" }] }] }),
            "duty: ",
        ),
        (
            json!({ "permission": [{ "action": "index", "remedy": [] }] }),
            "permission remedy: ",
        ),
        (
            json!({ "permission": [{ "action": "index" }, { "action": "distribute", "duty": [{ "action": "inform" }] }] }),
            "permission: ",
        ),
        (
            json!({ "permission": [{ "action": "index", "target": "a" }, { "action": "distribute", "target": "b" }] }),
            "target: ",
        ),
        (
            json!({ "permission": [{ "action": "index", "target": { "@id": "a", "refinement": [] } }] }),
            "target: ",
        ),
        (
            json!({ "permission": [], "target": { "source": "a", "uid": "b" } }),
            "target: ",
        ),
        (
            json!({ "permission": [], "target": ["a", "b"] }),
            "target: ",
        ),
        (
            json!({ "permission": [], "assignee": "https://ander.example" }),
            "assignee: \"https://ander.example\"",
        ),
        (
            json!({ "permission": [{ "action": "index", "assignee": { "uid": US, "refinement": [] } }] }),
            "assignee: ",
        ),
        (
            json!({ "permission": [], "assignee": [US, "https://ander.example"] }),
            "assignee: ",
        ),
        (
            json!({ "permission": [{ "action": "index", "assigner": "b" }], "assigner": "a" }),
            "assigner: ",
        ),
        (
            json!({ "permission": [], "assigner": { "source": "x" } }),
            "assigner: ",
        ),
        (
            json!({ "permission": [], "faculty:state": "faculty:withdrawn" }),
            "faculty:state: ",
        ),
        (
            json!({ "prohibition": [{ "action": "derive" }] }),
            "prohibition action: \"derive\"",
        ),
        (
            json!({ "prohibition": [{ "action": "index", "constraint": [] }] }),
            "prohibition: ",
        ),
        (json!({ "prohibition": ["index"] }), "prohibition: "),
        (
            json!({ "permission": [], "inheritFrom": "https://x.example/p" }),
            "inheritFrom: ",
        ),
        (
            json!({ "permission": [], "conflict": "perm" }),
            "conflict: ",
        ),
        (
            json!({ "permission": [], "faculty:ruleSet": 9 }),
            "faculty:ruleSet: 9",
        ),
        (
            json!({ "obligation": [{ "action": "nextPolicy" }] }),
            "duty: ",
        ),
    ] {
        let imported = odrl::import(&policy, today(), US).unwrap();
        let found = &imported.terms.needs_human;
        assert!(
            found.iter().any(|one| one.starts_with(listed)),
            "{policy}: {found:?}"
        );
    }
}

#[test]
fn common_offers_are_read_whatever_way_they_are_written() {
    let long = json!({
        "http://www.w3.org/ns/odrl/2/permission": {
            "odrl:action": { "@id": "http://www.w3.org/ns/odrl/2/distribute" },
            "odrl:constraint": { "odrl:leftOperand": { "@id": "odrl:spatial" }, "odrl:operator": { "@id": "odrl:isAnyOf" }, "odrl:rightOperand": ["NL", "BE"] },
            "odrl:duty": { "action": "odrl:attribute" },
        },
        "odrl:prohibition": [{ "action": "http://creativecommons.org/ns#CommercialUse" }, { "action": "tdm:mine" }],
        "conflict": "odrl:prohibit",
    });
    let terms = odrl::import(&long, today(), US).unwrap().terms;
    assert_eq!(terms.needs_human, Vec::<String>::new());
    assert_eq!(terms.purposes, [Purpose::RedistributeOriginal]);
    assert_eq!(terms.prohibited.len(), 7, "all but passing on");
    assert_eq!(terms.territories.len(), 2);
    assert_eq!(terms.duties.attribution.as_deref(), Some(""));
    let dates = json!({ "permission": [{ "action": "index", "constraint": [
        { "leftOperand": "dateTime", "operator": "gt", "rightOperand": "2026-12-31" },
        { "leftOperand": "dateTime", "operator": "lt", "rightOperand": { "@value": "2028-01-01", "@type": "xsd:date" } },
    ] }] });
    let terms = odrl::import(&dates, today(), US).unwrap().terms;
    assert_eq!(
        (terms.valid_from.to_string(), terms.valid_until.to_string()),
        ("2027-01-01".into(), "2027-12-31".into())
    );
}

#[test]
fn what_is_no_policy_is_refused() {
    assert_eq!(
        odrl::import(&json!([]), today(), US),
        Err(ImportError::NotAnObject)
    );
    assert_eq!(
        odrl::import(&json!({ "uid": "x" }), today(), US),
        Err(ImportError::NotAPolicy)
    );
}

#[test]
fn a_sites_reservations_come_with_their_offers() {
    let file = json!([
        { "location": "/open/*", "tdm-reservation": 0 },
        { "location": "/krant/*", "tdm-reservation": 1, "tdm-policy": "https://krant.example/offer.json" },
        { "location": "/boek/*", "tdm-reservation": 1, "tdm-policy": "https://boek.example/offer.json" },
        { "location": "/", "tdm-reservation": 1 },
    ]);
    let offer =
        json!({ "permission": [{ "action": "tdm:mine", "duty": [{ "action": "compensate" }] }] });
    let policies = BTreeMap::from([("https://krant.example/offer.json".to_owned(), offer)]);
    let read = tdmrep::import(&file, &policies, today(), US).unwrap();
    assert_eq!(read[0].rule.reservation, TdmReservation::NotReserved);
    assert!(read[0].offer.is_none() && read[3].offer.is_none());
    assert!(read[1].offer.as_ref().unwrap().terms.duties.compensate);
    let unread = &read[2].offer.as_ref().unwrap().terms;
    assert_eq!(unread.purposes, []);
    assert_eq!(
        unread.needs_human,
        ["tdm-policy: https://boek.example/offer.json"]
    );
}
