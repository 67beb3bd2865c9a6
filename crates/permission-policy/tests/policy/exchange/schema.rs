//! The JSON Schema and the types take and refuse the same.

use permission_policy::{SCHEMA, Terms};
use proptest::prelude::{prop_assert, proptest};
use serde_json::{Value, json};

use super::{full, of_today};

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

proptest! {
    #[test]
    fn the_schema_takes_every_canonical_form(terms in of_today()) {
        let json: Value = serde_json::from_str(&terms.canonical().unwrap()).unwrap();
        prop_assert!(is_valid(&json));
    }
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
