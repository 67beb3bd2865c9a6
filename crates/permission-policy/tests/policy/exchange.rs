//! Terms in other people's words: JSON Schema, ODRL, DUO, TDMRep.

use std::{collections::BTreeMap, fs, path::Path};

use oxjsonld::JsonLdParser;
use oxrdf::{Graph, NamedNode, Term, Triple};
use permission_policy::{
    Layer, OnWithdrawal, Purpose, Recipients, SCHEMA, State, TdmReservation, Terms, duo,
    odrl::{self, Envelope, ImportError, Kind, Party},
    tdmrep,
};
use proptest::{
    prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_assert_ne, proptest},
    sample::select,
};
use serde_json::{Value, json};

use crate::support::{permissions_of, terms};

const NAMESPACE: &str = "https://faculteit.example/ns/permission#";
const US: &str = "https://faculteit.example/institutions/tno";
const ODRL: &str = "http://www.w3.org/ns/odrl/2/";

/// Terms that use every field.
fn full() -> Terms {
    permissions_of(
        "C purposes:pretraining,fine_tuning,retrieval_index,redistribute_original no:synthetic_derivation,redistribute_curated \
         to:research_licensees in:NL,BE at:EU for:gpt-nl,smollm2 signed credit:\"Archief Waterland\" report pay wipe:14 \
         retrain human:\"niet voor concurrenten\"",
    )
    .remove(0)
    .terms
}

fn envelope(kind: Kind) -> Envelope {
    let party = |slug: &str, name: &str| Party {
        iri: format!("https://faculteit.example/institutions/{slug}"),
        name: name.into(),
    };
    Envelope {
        kind,
        profile: NAMESPACE.into(),
        uid: "https://faculteit.example/api/v1/permissions/1".into(),
        target: "https://faculteit.example/api/v1/datasets/7".into(),
        layer: Layer::Copyright,
        state: State::Given,
        decided_at: crate::arbitrary::noon(),
        assigner: (kind != Kind::Set).then(|| party("waterland", "Archief Waterland")),
        assignee: (kind == Kind::Agreement).then(|| party("tno", "TNO")),
    }
}

fn duo(terms: &Terms) -> duo::Export {
    let since = (State::Given, crate::arbitrary::noon());
    duo::export(terms, Layer::PersonalData, since)
}

/// Compares with the file; `UPDATE_GOLDEN=1` writes it, for who wants to read the difference.
fn golden(name: &str, found: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    let found = format!("{found:#}\n");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert_eq!(found, expected, "{name}");
}

fn graph(json: &Value) -> Graph {
    JsonLdParser::new()
        .for_slice(json.to_string().as_bytes())
        .map(|quad| {
            let quad = quad.unwrap();
            Triple::new(quad.subject, quad.predicate, quad.object)
        })
        .collect()
}

fn node(iri: &str) -> NamedNode {
    NamedNode::new(iri).unwrap()
}

/// The objects of a predicate, as text.
fn objects(graph: &Graph, predicate: &str) -> Vec<String> {
    let mut found: Vec<_> = graph
        .triples_for_predicate(&node(predicate))
        .map(|triple| match triple.object.into_owned() {
            Term::NamedNode(node) => node.into_string(),
            Term::Literal(literal) => literal.value().to_owned(),
            other @ Term::BlankNode(_) => other.to_string(),
        })
        .collect();
    found.sort();
    found
}

#[test]
fn exports_are_as_they_were() {
    golden(
        "terms.json",
        &serde_json::from_str(&full().canonical().unwrap()).unwrap(),
    );
    for kind in Kind::ALL {
        golden(
            &format!("odrl-{kind}.jsonld"),
            &odrl::export(&full(), &envelope(*kind)),
        );
    }
    golden(
        "odrl-plain.jsonld",
        &odrl::export(&terms(), &envelope(Kind::Offer)),
    );
    golden("duo.json", &serde_json::to_value(duo(&full())).unwrap());
    golden(
        "duo-plain.json",
        &serde_json::to_value(duo(&terms())).unwrap(),
    );
    golden("profile.jsonld", &odrl::profile(NAMESPACE));
}

#[test]
fn an_independent_library_reads_the_odrl_as_what_was_meant() {
    let graph = graph(&odrl::export(&full(), &envelope(Kind::Agreement)));
    let odrl = |name: &str| format!("{ODRL}{name}");
    let faculty = |name: &str| format!("{NAMESPACE}{name}");
    assert_eq!(
        objects(&graph, "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"),
        [odrl("Agreement"), odrl("Party"), odrl("Party")]
    );
    let mut actions = [
        odrl("index"),
        odrl("distribute"),
        odrl("attribute"),
        odrl("inform"),
        odrl("compensate"),
        odrl("delete"),
        faculty("pretraining"),
        faculty("fine_tuning"),
        faculty("synthetic_derivation"),
        faculty("redistribute_curated"),
        faculty("retrainModels"),
    ];
    actions.sort();
    assert_eq!(objects(&graph, &odrl("action")), actions);
    assert_eq!(objects(&graph, &odrl("permission")).len(), 1);
    assert_eq!(objects(&graph, &odrl("prohibition")).len(), 1);
    let right = objects(&graph, &odrl("rightOperand"));
    for value in [
        "2026-01-01",
        "2028-12-31",
        "NL",
        "BE",
        "EU",
        "gpt-nl",
        "smollm2",
        "P14D",
    ] {
        assert!(right.iter().any(|one| one == value), "{value} in {right:?}");
    }
    assert!(
        right.contains(&faculty("nonCommercialUse")) && !right.contains(&faculty("commercialUse"))
    );
    assert_eq!(
        objects(&graph, &faculty("needsHuman")),
        ["niet voor concurrenten"]
    );
    assert_eq!(objects(&graph, &faculty("text")), ["Archief Waterland"]);
    assert_eq!(
        objects(&graph, &odrl("profile")),
        ["https://faculteit.example/ns/permission"]
    );
    assert_eq!(
        objects(&graph, "http://www.w3.org/2006/vcard/ns#fn"),
        ["Archief Waterland", "TNO"]
    );
}

/// ODRL Vocabulary 2.2: whatever the export takes from it is in it.
#[test]
fn every_word_of_odrl_that_is_used_is_one_of_odrl() {
    const KNOWN: [&str; 36] = [
        "Set",
        "Offer",
        "Agreement",
        "Party",
        "profile",
        "target",
        "action",
        "assigner",
        "assignee",
        "permission",
        "prohibition",
        "duty",
        "constraint",
        "leftOperand",
        "operator",
        "rightOperand",
        "recipient",
        "purpose",
        "spatial",
        "product",
        "dateTime",
        "event",
        "elapsedTime",
        "isAnyOf",
        "eq",
        "gteq",
        "lteq",
        "distribute",
        "index",
        "attribute",
        "inform",
        "compensate",
        "delete",
        "use",
        "includedIn",
        "Action",
    ];
    for json in [
        odrl::export(&full(), &envelope(Kind::Agreement)),
        odrl::profile(NAMESPACE),
    ] {
        for triple in &graph(&json) {
            let mut iris = vec![triple.predicate.as_str().to_owned()];
            if let Term::NamedNode(object) = triple.object.into_owned() {
                iris.push(object.into_string());
            }
            for iri in iris {
                if let Some(word) = iri.strip_prefix(ODRL) {
                    let is_known =
                        KNOWN.contains(&word) || ["LeftOperand", "RightOperand"].contains(&word);
                    assert!(is_known, "{word}");
                }
            }
        }
    }
}

#[test]
fn every_word_of_ours_that_is_used_is_in_the_profile() {
    let profile = graph(&odrl::profile(NAMESPACE));
    let used = graph(&odrl::export(&full(), &envelope(Kind::Agreement)));
    let defined = |iri: &str| profile.triples_for_subject(&node(iri)).count() > 0;
    for triple in &used {
        let mut iris = vec![triple.predicate.as_str().to_owned()];
        if let Term::NamedNode(object) = triple.object.into_owned() {
            iris.push(object.into_string());
        }
        for iri in iris.iter().filter(|iri| iri.starts_with(NAMESPACE)) {
            assert!(defined(iri), "{iri}");
        }
    }
}

#[test]
fn words_of_the_profile_that_terms_cannot_say_go_to_people_wherever_they_stand() {
    let profile = graph(&odrl::profile(NAMESPACE));
    for (name, kind, ..) in odrl::FOR_PEOPLE {
        let iri = format!("{NAMESPACE}{name}");
        assert!(
            profile.triples_for_subject(&node(&iri)).count() > 0,
            "{iri}"
        );
        for word in [iri, format!("faculty:{name}")] {
            let policies = if kind == "odrl:Action" {
                vec![
                    json!({ "permission": [{ "action": word }] }),
                    json!({ "prohibition": [{ "action": word }] }),
                    json!({ "permission": [{ "action": "index", "duty": [{ "action": word }] }] }),
                ]
            } else {
                let constraint =
                    json!({ "leftOperand": word, "operator": "eq", "rightOperand": "x" });
                vec![json!({ "permission": [{ "action": "index", "constraint": [constraint] }] })]
            };
            for policy in policies {
                let read = odrl::import(&policy, today(), US).unwrap();
                assert!(
                    read.terms.needs_human.iter().any(|one| one.contains(&word)),
                    "{policy}: {:?}",
                    read.terms.needs_human
                );
            }
        }
    }
}

fn today() -> chrono::NaiveDate {
    crate::arbitrary::noon().date_naive()
}

/// Terms of today's rule set with a purpose, and days of four-digit years. Made so, not picked out: of many cases too
/// many would be thrown away.
fn of_today() -> impl Strategy<Value = Terms> {
    use chrono::Datelike as _;
    (crate::arbitrary::terms(), select(Purpose::ALL)).prop_map(|(mut terms, purpose)| {
        terms.rule_set = 2;
        if terms.purposes.is_empty() {
            terms.purposes.push(purpose);
        }
        for day in [&mut terms.valid_from, &mut terms.valid_until] {
            if !(0..=9999).contains(&day.year()) {
                *day = today();
            }
        }
        terms
    })
}

proptest! {
    #[test]
    fn what_odrl_can_say_comes_back_as_it_went(terms in of_today(), kind in 0..3_usize) {
        let exported = odrl::export(&terms, &envelope(Kind::ALL[kind]));
        let imported = odrl::import(&exported, today(), US).unwrap();
        prop_assert_eq!(&imported.terms, &terms.normal());
        prop_assert_eq!(imported.layer, Some(Layer::Copyright));
        prop_assert!(imported.assumed.is_empty(), "{:?}", imported.assumed);
        graph(&exported);
    }

    #[test]
    fn every_field_changes_the_codes(terms in crate::arbitrary::terms()) {
        let plain = serde_json::to_string(&duo(&terms)).unwrap();
        for changed in changes(&terms) {
            prop_assert_ne!(&serde_json::to_string(&duo(&changed)).unwrap(), &plain);
        }
    }

    #[test]
    fn the_schema_takes_every_canonical_form(terms in of_today()) {
        let json: Value = serde_json::from_str(&terms.canonical().unwrap()).unwrap();
        prop_assert!(is_valid(&json));
    }

    #[test]
    fn no_json_makes_an_import_panic(text in any::<String>(), left in any::<String>()) {
        for value in [json!(text), json!({ "permission": text }), json!({ "permission": [{ "action": text }] }),
            json!({ "prohibition": { "constraint": [left], &text: left } }), json!([{ "location": text }])] {
            let _ = odrl::import(&value, today(), US);
            let _ = tdmrep::import(&value, &BTreeMap::new(), today(), US);
        }
    }
}

/// The same terms with one field changed, for every field.
fn changes(terms: &Terms) -> Vec<Terms> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Terms)| {
        let mut changed = terms.clone();
        change(&mut changed);
        all.push(changed);
    };
    let other = |list: &[Purpose]| {
        Purpose::ALL
            .iter()
            .copied()
            .find(|one| !list.contains(one))
            .map_or_else(Vec::new, |more| {
                let mut longer = list.to_vec();
                longer.push(more);
                longer
            })
    };
    with(&|t| t.purposes = other(&t.purposes));
    with(&|t| t.prohibited = other(&t.prohibited));
    with(&|t| {
        t.recipients = if t.recipients == Recipients::Public {
            Recipients::Consortium
        } else {
            Recipients::Public
        };
    });
    with(&|t| t.allows_commercial_use = !t.allows_commercial_use);
    with(&|t| t.territories.push("JP".parse().unwrap()));
    with(&|t| t.processing_locations.push("JP".parse().unwrap()));
    with(&|t| t.model_families.push("nog een".into()));
    with(&|t| t.valid_from = "1999-05-05".parse().unwrap());
    with(&|t| t.valid_until = "2199-05-05".parse().unwrap());
    with(&|t| t.evidence.note.push('!'));
    with(&|t| {
        t.evidence.document_sha256 = t
            .evidence
            .document_sha256
            .as_ref()
            .map_or(Some("cd".repeat(32)), |_| None);
    });
    with(&|t| {
        t.duties.attribution = t
            .duties
            .attribution
            .as_ref()
            .map_or(Some("zo".into()), |_| None);
    });
    with(&|t| t.duties.report_use = !t.duties.report_use);
    with(&|t| t.duties.compensate = !t.duties.compensate);
    with(&|t| t.duties.delete_within_days = t.duties.delete_within_days.wrapping_add(1));
    with(&|t| {
        t.on_withdrawal = if t.on_withdrawal == OnWithdrawal::Keep {
            OnWithdrawal::Retire
        } else {
            OnWithdrawal::Keep
        };
    });
    with(&|t| t.needs_human.push("nog een voorwaarde".into()));
    with(&|t| t.rule_set += 1);
    all
}

fn is_valid(json: &Value) -> bool {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.enable_format_assertions();
    compiler
        .add_resource("terms.json", serde_json::from_str(SCHEMA).unwrap())
        .unwrap();
    let schema = compiler.compile("terms.json", &mut schemas).unwrap();
    schemas.validate(json, schema).is_ok()
}

#[test]
fn the_schema_refuses_what_the_types_refuse() {
    let good: Value = serde_json::from_str(&full().canonical().unwrap()).unwrap();
    assert!(is_valid(&good) && Terms::parse(&good.to_string()).is_ok());
    let mut wrong = Vec::new();
    for key in good.as_object().unwrap().keys() {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(key);
        wrong.push(without);
        for value in [json!(17.5), json!({ "x": 1 }), json!(["nonsense", 3])] {
            let mut other = good.clone();
            other[key] = value;
            wrong.push(other);
        }
    }
    for inner in ["duties", "evidence"] {
        for key in good[inner].as_object().unwrap().keys() {
            // Optional texts may be left out by who writes by hand; the canonical form has them.
            if !["attribution", "document_sha256"].contains(&key.as_str()) {
                let mut without = good.clone();
                without[inner].as_object_mut().unwrap().remove(key);
                wrong.push(without);
            }
            let mut other = good.clone();
            other[inner][key] = json!({});
            wrong.push(other);
        }
        let mut more = good.clone();
        more[inner]["more"] = json!(1);
        wrong.push(more);
    }
    let mut more = good.clone();
    more["more"] = json!(1);
    wrong.push(more);
    for (key, value) in [
        ("territories", "UK"),
        ("purposes", "train"),
        ("valid_from", "2026-02-30"),
        ("recipients", "all"),
        ("on_withdrawal", "forget"),
    ] {
        let mut other = good.clone();
        other[key] = if good[key].is_array() {
            json!([value])
        } else {
            json!(value)
        };
        wrong.push(other);
    }
    for json in wrong {
        assert!(!is_valid(&json), "the schema takes {json}");
        assert!(
            Terms::parse(&json.to_string()).is_err(),
            "the types take {json}"
        );
    }
}

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
