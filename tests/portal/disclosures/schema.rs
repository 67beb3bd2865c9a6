//! The part of JSON Schema (2020-12) that the published schema uses.

use serde_json::Value;

/// Whatever in `value` is not as `schema` says; `root` is where its references lead.
pub(super) fn problems(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    let known = [
        "$ref",
        "$schema",
        "$id",
        "$defs",
        "title",
        "description",
        "type",
        "const",
        "enum",
        "required",
        "properties",
        "additionalProperties",
        "items",
        "minItems",
        "minLength",
        "minimum",
        "pattern",
        "format",
        "oneOf",
    ];
    for word in schema.as_object().unwrap().keys() {
        assert!(
            known.contains(&word.as_str()),
            "this check does not know {word}"
        );
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.strip_prefix("#/$defs/").unwrap();
        found.extend(problems(root, &root["$defs"][name], value, at));
    }
    let is_type = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some(other) => panic!("this check does not know the type {other}"),
        None => true,
    };
    if !is_type {
        found.push(format!("{at} is no {}", schema["type"]));
    }
    if !schema["const"].is_null() && schema["const"] != *value {
        found.push(format!("{at} is not {}", schema["const"]));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        found.push(format!("{at} is {value}"));
    }
    if let (Some(least), Some(text)) = (schema["minLength"].as_u64(), value.as_str())
        && (text.chars().count() as u64) < least
    {
        found.push(format!("{at} is too short"));
    }
    if let (Some(least), Some(number)) = (schema["minimum"].as_i64(), value.as_i64())
        && number < least
    {
        found.push(format!("{at} is too small"));
    }
    if let Some(members) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !members.contains_key(name.as_str().unwrap()) {
                found.push(format!("{at} has no {name}"));
            }
        }
        for (name, member) in members {
            match schema["properties"].get(name) {
                Some(inner) => found.extend(problems(root, inner, member, &format!("{at}/{name}"))),
                None if schema["additionalProperties"] == false => {
                    found.push(format!("{at} has {name}"));
                }
                None => {}
            }
        }
    }
    if let Some(items) = value.as_array() {
        if (items.len() as u64) < schema["minItems"].as_u64().unwrap_or(0) {
            found.push(format!("{at} is too short"));
        }
        if !schema["items"].is_null() {
            for (n, item) in items.iter().enumerate() {
                found.extend(problems(root, &schema["items"], item, &format!("{at}/{n}")));
            }
        }
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fitting = choices
            .iter()
            .filter(|choice| problems(root, choice, value, at).is_empty())
            .count();
        if fitting != 1 {
            found.push(format!("{at} fits {fitting} of the choices: {value}"));
        }
    }
    found
}
