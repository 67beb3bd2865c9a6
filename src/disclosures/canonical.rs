//! The one text that stands for a value, and its hash. Pure.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// JSON without blanks, the names of each object in order of their bytes.
///
/// # Errors
/// Where the value cannot be written as JSON.
pub(super) fn canonical(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    write_canonical(&serde_json::to_value(value)?, &mut text)?;
    Ok(text)
}

fn write_canonical(value: &Value, into: &mut String) -> Result<(), serde_json::Error> {
    match value {
        Value::Array(items) => {
            into.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    into.push(',');
                }
                write_canonical(item, into)?;
            }
            into.push(']');
        }
        Value::Object(members) => {
            let mut names: Vec<_> = members.iter().collect();
            names.sort_unstable_by_key(|(name, _)| name.as_bytes());
            into.push('{');
            for (at, (name, member)) in names.into_iter().enumerate() {
                if at > 0 {
                    into.push(',');
                }
                into.push_str(&serde_json::to_string(name)?);
                into.push(':');
                write_canonical(member, into)?;
            }
            into.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            into.push_str(&serde_json::to_string(value)?);
        }
    }
    Ok(())
}

/// SHA-256 of a text, in lower-case hexadecimal.
#[must_use]
pub(super) fn sha256_hex(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_nothing_is_added() {
        let value = serde_json::json!({ "b": [1, 2.5], "a": { "é": null, "d": "x\"y" } });
        assert_eq!(
            canonical(&value).unwrap(),
            r#"{"a":{"d":"x\"y","é":null},"b":[1,2.5]}"#
        );
    }
}
