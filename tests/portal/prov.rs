//! The golden files of the lineage as JSON and as PROV-O, and what libraries that are not ours read in them.

use chrono::{TimeZone as _, Utc};
use oxrdf::Triple;
use uuid::Uuid;
use virtual_faculty::lineage::{Edge, Graph, Kind, Node, as_json, as_json_ld, as_turtle, triples};

fn graph() -> Graph {
    let at = |hour| Utc.with_ymd_and_hms(2026, 11, 25, hour, 0, 0).unwrap();
    let harderwijk = (Uuid::from_u128(0xa), "Universiteit Harderwijk".to_owned());
    let waterland = (Uuid::from_u128(0xb), "Archief \"Waterland\"\n\\".to_owned());
    let node = |number: u128, kind, label: Option<&str>, institution: &(Uuid, String)| Node {
        kind,
        id: Uuid::from_u128(number),
        label: label.map(str::to_owned),
        institution: institution.clone(),
        status: None,
        page: None,
        is_marked: false,
        created_at: at(u32::try_from(number).unwrap()),
    };
    let edge = |from, to| Edge {
        from: Uuid::from_u128(from),
        to: Uuid::from_u128(to),
        at: at(9),
    };
    Graph {
        roots: vec![Uuid::from_u128(6)],
        nodes: vec![
            node(1, Kind::DatasetVersion, Some("Notulen v1"), &waterland),
            node(2, Kind::CurationRun, Some("exclusion"), &waterland),
            node(3, Kind::DatasetVersion, Some("Notulen v2"), &waterland),
            node(4, Kind::Model, Some("smollm2"), &harderwijk),
            node(5, Kind::Job, Some("Proef"), &harderwijk),
            node(6, Kind::Model, Some("ft:smollm2:harderwijk"), &harderwijk),
            node(7, Kind::Deployment, None, &harderwijk),
            node(8, Kind::Key, None, &harderwijk),
        ],
        edges: vec![
            edge(1, 2),
            edge(2, 3),
            edge(3, 5),
            edge(4, 5),
            edge(5, 6),
            edge(4, 6),
            edge(6, 7),
            edge(7, 8),
            edge(6, 8),
        ],
        ..Graph::default()
    }
}

#[test]
fn the_json_is_as_written_down() {
    let mut graph = graph();
    graph.upstream = (1..6).map(Uuid::from_u128).collect();
    graph.nodes[3].is_marked = true;
    graph.nodes[5].status = Some("released".into());
    let text = serde_json::to_string_pretty(&as_json(&graph)).unwrap();
    insta::assert_snapshot!("lineage_json", text);
}

#[test]
fn the_json_ld_is_as_written_down() {
    let text = serde_json::to_string_pretty(&as_json_ld(&graph())).unwrap();
    insta::assert_snapshot!("prov_jsonld", text);
}

#[test]
fn the_turtle_is_as_written_down() {
    insta::assert_snapshot!("prov_ttl", as_turtle(&graph()));
}

#[test]
fn both_forms_say_what_the_graph_says_and_no_more() {
    let text = as_turtle(&graph());
    let turtle: Vec<Triple> = oxttl::TurtleParser::new()
        .for_slice(text.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    let text = as_json_ld(&graph()).to_string();
    let json: Vec<oxrdf::Quad> = oxjsonld::JsonLdParser::new()
        .for_slice(text.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    let mut one: Vec<_> = turtle.iter().map(ToString::to_string).collect();
    let mut other: Vec<_> = json
        .into_iter()
        .map(|quad| Triple::from(quad).to_string())
        .collect();
    one.sort();
    other.sort();
    assert_eq!(one, other);
    assert_eq!(one.len(), triples(&graph()).len());
    assert!(
        one.iter()
            .any(|line| line.contains("Archief \\\"Waterland\\\"\\n\\\\"))
    );
}

#[test]
fn an_empty_graph_is_still_rdf() {
    let text = as_turtle(&Graph::default());
    assert_eq!(
        oxttl::TurtleParser::new()
            .for_slice(text.as_bytes())
            .count(),
        0
    );
}
