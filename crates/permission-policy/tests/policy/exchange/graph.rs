//! Our ODRL as an independent library reads it, and the words that it is written in.

use oxjsonld::JsonLdParser;
use oxrdf::{Graph, NamedNode, Term, Triple};
use permission_policy::odrl::{self, Kind};
use serde_json::{Value, json};

use super::{NAMESPACE, US, envelope, full, today};

const ODRL: &str = "http://www.w3.org/ns/odrl/2/";

pub(super) fn graph(json: &Value) -> Graph {
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
