//! The graph as PROV-O (W3C, <https://www.w3.org/TR/prov-o/>), in JSON-LD 1.1 and in Turtle. Pure.

use std::{collections::BTreeMap, fmt::Write as _};

use chrono::SecondsFormat;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::graph::{Graph, Kind, Node};

const PREFIXES: [(&str, &str); 4] = [
    ("faculty", "urn:gptnl:virtual-faculty:lineage#"),
    ("prov", "http://www.w3.org/ns/prov#"),
    ("rdfs", "http://www.w3.org/2000/01/rdf-schema#"),
    ("xsd", "http://www.w3.org/2001/XMLSchema#"),
];

/// What is said of a subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// Another node.
    Node(Uuid),
    /// A class, as prefix and name.
    Class(&'static str),
    /// A text.
    Text(String),
    /// A moment, RFC 3339.
    Moment(String),
}

/// One statement about a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Triple {
    pub subject: Uuid,
    /// As prefix and name; `rdf:type` as `a`.
    pub predicate: &'static str,
    pub object: Object,
}

/// Everything that the graph says, sorted and without doubles.
#[must_use]
pub fn triples(graph: &Graph) -> Vec<Triple> {
    let mut said = Vec::new();
    let mut say = |subject, predicate, object| {
        said.push(Triple {
            subject,
            predicate,
            object,
        });
    };
    let kinds: BTreeMap<Uuid, Kind> = graph
        .nodes
        .iter()
        .map(|node| (node.id, node.kind))
        .collect();
    for node in &graph.nodes {
        let (class, by) = match node.kind {
            Kind::Dataset | Kind::DatasetVersion | Kind::Model | Kind::Key => {
                ("prov:Entity", "prov:wasAttributedTo")
            }
            Kind::CurationRun | Kind::Job | Kind::Deployment => {
                ("prov:Activity", "prov:wasAssociatedWith")
            }
        };
        say(node.id, "a", Object::Class(class));
        say(
            node.id,
            "faculty:kind",
            Object::Text(node.kind.name().into()),
        );
        if let Some(label) = &node.label {
            say(node.id, "rdfs:label", Object::Text(label.clone()));
        }
        say(
            node.id,
            time_of(node),
            Object::Moment(moment(node.created_at)),
        );
        let (institution, name) = &node.institution;
        say(node.id, by, Object::Node(*institution));
        say(*institution, "a", Object::Class("prov:Organization"));
        say(*institution, "rdfs:label", Object::Text(name.clone()));
    }
    for edge in &graph.edges {
        let (Some(from), Some(to)) = (kinds.get(&edge.from), kinds.get(&edge.to)) else {
            continue;
        };
        let (subject, predicate, object) = match (from, to) {
            (_, Kind::Job | Kind::CurationRun | Kind::Deployment) => {
                (edge.to, "prov:used", edge.from)
            }
            (Kind::Job | Kind::CurationRun, _) => (edge.to, "prov:wasGeneratedBy", edge.from),
            (Kind::Model, Kind::Model) => (edge.to, "prov:wasDerivedFrom", edge.from),
            _ => (edge.to, "prov:wasInfluencedBy", edge.from),
        };
        say(subject, predicate, Object::Node(object));
    }
    said.sort();
    said.dedup();
    said
}

fn time_of(node: &Node) -> &'static str {
    match node.kind {
        Kind::CurationRun | Kind::Job | Kind::Deployment => "prov:startedAtTime",
        Kind::Dataset | Kind::DatasetVersion | Kind::Model | Kind::Key => "prov:generatedAtTime",
    }
}

fn moment(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// JSON-LD with the context inside, so that it can be read without fetching anything.
#[must_use]
pub fn as_json_ld(graph: &Graph) -> Value {
    let mut nodes: BTreeMap<Uuid, Map<String, Value>> = BTreeMap::new();
    for triple in triples(graph) {
        let node = nodes.entry(triple.subject).or_default();
        let (key, value) = match (triple.predicate, &triple.object) {
            ("a", Object::Class(class)) => ("@type", json!(class)),
            (predicate, Object::Class(class)) => (predicate, json!({ "@id": class })),
            (predicate, Object::Node(id)) => {
                (predicate, json!({ "@id": format!("urn:uuid:{id}") }))
            }
            (predicate, Object::Text(text)) => (predicate, json!(text)),
            (predicate, Object::Moment(at)) => {
                (predicate, json!({ "@type": "xsd:dateTime", "@value": at }))
            }
        };
        match node.get_mut(key) {
            Some(Value::Array(values)) => values.push(value),
            Some(one) => *one = json!([one.clone(), value]),
            None => {
                node.insert(key.to_owned(), value);
            }
        }
    }
    let context: Map<String, Value> = PREFIXES
        .iter()
        .map(|(prefix, iri)| ((*prefix).to_owned(), json!(iri)))
        .collect();
    let nodes: Vec<Value> = nodes
        .into_iter()
        .map(|(id, mut node)| {
            node.insert("@id".into(), json!(format!("urn:uuid:{id}")));
            Value::Object(node)
        })
        .collect();
    json!({ "@context": context, "@graph": nodes })
}

/// The same statements in Turtle.
#[must_use]
pub fn as_turtle(graph: &Graph) -> String {
    let mut text = String::new();
    for (prefix, iri) in PREFIXES {
        let _ = writeln!(text, "@prefix {prefix}: <{iri}> .");
    }
    let mut last = None;
    for triple in triples(graph) {
        if last == Some(triple.subject) {
            text.push_str(" ;\n   ");
        } else {
            if last.is_some() {
                text.push_str(" .\n");
            }
            let _ = write!(text, "\n<urn:uuid:{}>", triple.subject);
            last = Some(triple.subject);
        }
        let _ = write!(text, " {} ", triple.predicate);
        match &triple.object {
            Object::Node(id) => {
                let _ = write!(text, "<urn:uuid:{id}>");
            }
            Object::Class(class) => text.push_str(class),
            Object::Text(value) => quote(&mut text, value),
            Object::Moment(at) => {
                let _ = write!(text, "\"{at}\"^^xsd:dateTime");
            }
        }
    }
    if last.is_some() {
        text.push_str(" .\n");
    }
    text
}

/// A Turtle string: nothing in it may end it or break the line.
fn quote(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(text, "\\u{:04X}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
}
