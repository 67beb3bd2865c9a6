use serde_json::{Value, json};

use super::{machine::Machine, *};

fn machine(schema: &Value) -> Machine {
    Machine::new(Arc::new(Schema::parse(schema).unwrap()))
}

fn takes(schema: &Value, text: &str) -> bool {
    let end = text
        .bytes()
        .fold(machine(schema), |machine, byte| machine.step(byte));
    end.may_end()
}

fn person() -> Value {
    json!({
        "type": "object",
        "properties": {
            "age": {"type": "integer"},
            "name": {"type": "string", "maxLength": 5},
            "tags": {"type": "array", "items": {"enum": ["a", "b c"]}, "minItems": 1, "maxItems": 2},
            "wish": {"type": ["string", "null"]}
        },
        "required": ["name", "tags"],
        "additionalProperties": false
    })
}

#[test]
fn texts_that_follow_the_schema_are_taken_and_no_others() {
    let schema = person();
    for right in [
        r#"{"age":12,"name":"Jan","tags":["a"],"wish":null}"#,
        r#"{"name": "J\u00e9é\n", "tags": ["b c", "a"], "wish": "x"}"#,
        r#"{"age": -0, "name": "", "tags": ["a"]}"#,
    ] {
        assert!(takes(&schema, right), "{right}");
        assert!(serde_json::from_str::<Value>(right).is_ok());
    }
    for wrong in [
        r#"{"age":12,"tags":["a"]}"#,
        r#"{"age":012,"name":"Jan","tags":["a"]}"#,
        r#"{"age":1.5,"name":"Jan","tags":["a"]}"#,
        r#"{"name":"Johanna","tags":["a"]}"#,
        r#"{"name":"Jan","tags":[]}"#,
        r#"{"name":"Jan","tags":["a","a","a"]}"#,
        r#"{"name":"Jan","tags":["c"]}"#,
        r#"{"name":"Jan","tags":["a"],}"#,
        r#"{"name":"Jan","tags":["a"]} "#,
        "{\"name\":\"J\n\",\"tags\":[\"a\"]}",
    ] {
        assert!(!takes(&schema, wrong), "{wrong}");
    }
}

#[test]
fn whatever_is_taken_as_any_value_is_json() {
    for text in [
        r#"{"a": [1, -2.5e+3, {"b": null}], "c": {}}"#,
        "[]",
        "true",
        "-0.1",
        r#""\u12aF""#,
    ] {
        assert!(takes(&json!({}), text), "{text}");
    }
    for text in [
        "[1,]",
        "{\"a\"}",
        "tru",
        "01",
        "1.",
        "\"\u{1}\"",
        "{\"a\":1,}",
        "[,1]",
        "1e",
        "--1",
    ] {
        assert!(!takes(&json!({}), text), "{text}");
    }
}

#[test]
fn broken_characters_cannot_come() {
    let start = machine(&json!({"type": "string"})).step(b'"');
    for bytes in [
        &[0xc0u8, 0x80][..],
        &[0xed, 0xa0],
        &[0xf5],
        &[0x80],
        &[0xe2, 0x82, b'"'],
    ] {
        let end = bytes
            .iter()
            .fold(start.clone(), |machine, byte| machine.step(*byte));
        assert!(end.is_dead(), "{bytes:x?}");
    }
}

#[test]
fn schemas_may_refer_to_themselves_and_to_each_other() {
    let schema = json!({
        "$defs": {"tree": {
            "type": "object",
            "properties": {"left": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]}, "value": {"type": "number"}},
            "required": ["left", "value"]
        }},
        "$ref": "#/$defs/tree"
    });
    assert!(takes(
        &schema,
        r#"{"left":{"left":null,"value":1},"value":2.5}"#
    ));
    assert!(!takes(&schema, r#"{"left":{"left":null},"value":2.5}"#));
    let endless = json!({"$ref": "#"});
    assert!(Schema::parse(&endless).is_err());
    let twice = json!({"anyOf": [{"$ref": "#"}, {"type": "null"}, {"type": "null"}]});
    assert!(takes(&twice, "null"));
}

#[test]
fn keywords_that_would_be_ignored_are_refused() {
    for (schema, expected) in [
        (json!({"type": "string", "pattern": "a+"}), "pattern"),
        (json!({"type": "integer", "minimum": 3}), "minimum"),
        (json!({"oneOf": [{}]}), "oneOf"),
        (json!({"type": "object", "required": ["a"]}), "\"a\""),
        (json!({"$ref": "https://example.org/x"}), "example.org"),
        (json!({"type": "date"}), "date"),
    ] {
        let error = Schema::parse(&schema).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(Schema::parse(&json!({"type": "string", "description": "x"})).is_ok());
}

#[test]
fn tokens_are_allowed_exactly_where_their_bytes_can_come() {
    let mut tokens: Vec<Vec<u8>> = [
        "",
        "{",
        "{\"",
        "name",
        "\"name\":",
        "\"",
        "\":",
        " ",
        ",",
        "}",
        "]",
        "[\"",
        "a",
        "a\"]",
        "\"Jan\"",
        "é",
        "Jan",
        "\\",
        "\\u",
        "0",
        "12",
        "-",
        "null",
        "nul",
        "ag",
        "age",
        "age\":",
        "\"tags\":[\"a\"]}",
        "\n",
        "abcdef",
    ]
    .iter()
    .map(|token| token.as_bytes().to_vec())
    .collect();
    tokens.push(vec![0xc3]);
    tokens.push(vec![0xa9, b'"']);
    let words = Words::of(tokens.clone().into_iter());
    let schemas = [
        person(),
        json!({"type": "object"}),
        json!({"type": "string"}),
    ];
    for schema in schemas {
        for start in [
            "",
            "{",
            "{\"",
            "{\"name\":",
            "{\"name\": \"J",
            "\"",
            "\"é",
            "{\"age\":1",
            "{\"x\": {\"y\": \"",
            "{\"name\":\"\",\"tags\":[\"a\"",
        ] {
            let machine = start
                .bytes()
                .fold(machine(&schema), |machine, byte| machine.step(byte));
            if machine.is_dead() {
                continue;
            }
            let allowed = words.allowed(&machine);
            for (token, bytes) in tokens.iter().enumerate() {
                let end = bytes
                    .iter()
                    .fold(machine.clone(), |machine, byte| machine.step(*byte));
                let expected = !bytes.is_empty() && !end.is_dead();
                let shown = String::from_utf8_lossy(bytes);
                assert_eq!(allowed[token], expected, "{shown:?} after {start:?}");
            }
        }
    }
}
