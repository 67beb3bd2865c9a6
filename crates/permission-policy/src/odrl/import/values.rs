//! What a JSON value says, in whichever of its forms JSON-LD allows.

use chrono::NaiveDate;
use serde_json::{Map, Value};

use super::names::{name_of, odrl};

/// A value as a list, whatever it is.
pub(super) fn list(value: &Value) -> Vec<&Value> {
    value
        .as_array()
        .map_or_else(|| vec![value], |many| many.iter().collect())
}

/// A string, an `{"@id"}` or an `{"@value"}`.
pub(super) fn text(value: &Value) -> Option<String> {
    let found = value.as_object().map_or(Some(value), |object| {
        ["@id", "uid", "id", "@value"]
            .iter()
            .find_map(|key| object.get(*key))
    });
    found.and_then(Value::as_str).map(str::to_owned)
}

/// What names a thing or a party and says no more of it than what it is called.
pub(super) fn plain(value: &Value) -> Option<String> {
    let says_more = |key: &String| {
        !matches!(
            key.as_str(),
            "@id" | "uid" | "id" | "@type" | "type" | "name"
        ) && !key.starts_with("vcard:")
            && !key.starts_with("http://www.w3.org/2006/vcard/ns#")
    };
    let is_plain = value
        .as_object()
        .is_none_or(|object| !object.keys().any(says_more));
    text(value).filter(|_| is_plain)
}

pub(super) fn all<T: std::str::FromStr>(value: &Value) -> Option<Vec<T>> {
    let found: Option<Vec<T>> = list(value)
        .into_iter()
        .map(|one| name_of(&text(one)?).parse().ok())
        .collect();
    found.filter(|list| !list.is_empty())
}

pub(super) fn day(value: &Value) -> Option<NaiveDate> {
    text(value)?.parse().ok()
}

/// Left operand, operator's short name and right operand of a constraint with nothing else to it.
pub(super) fn parts(value: &Value) -> Option<(String, String, &Value)> {
    let object: &Map<String, Value> = value.as_object()?;
    let (mut left, mut operator, mut right) = (None, None, None);
    for (key, part) in object {
        match odrl(key) {
            "leftOperand" => left = text(part),
            "operator" => operator = text(part),
            "rightOperand" => right = Some(part),
            "uid" | "@id" => {}
            _ => return None,
        }
    }
    Some((left?, name_of(&operator?).to_owned(), right?))
}

/// An action with conditions of its own (`rdf:value` and `refinement`).
pub(super) fn has_refinement(value: &Value) -> bool {
    value.as_object().is_some_and(|object| {
        object
            .keys()
            .any(|key| !["@id", "uid", "id"].contains(&key.as_str()))
    })
}
