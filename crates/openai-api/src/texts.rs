//! The texts of a prompt, wherever in the request they stand.

use serde_json::{Map, Value};

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    Text,
    /// JSON that is sent as a text: the arguments of a tool call.
    Json,
}

/// Looks at a text; answers what it becomes, where it changes.
pub(crate) type Look<'a> = dyn FnMut(TextKind, &str) -> Option<String> + 'a;

/// Fields with texts of people in them.
const FIELDS: [&str; 12] = [
    "messages",
    "prompt",
    "input",
    "suffix",
    "tools",
    "functions",
    "documents",
    "prediction",
    "user",
    "safety_identifier",
    "metadata",
    "chat_template_kwargs",
];

/// Inside these, what steers and is no text.
const STRUCTURE: [&str; 5] = ["role", "type", "id", "tool_call_id", "name"];

/// Shows every text of a request to `look`.
pub(crate) fn look(raw: &mut Map<String, Value>, look: &mut Look<'_>) {
    for field in FIELDS {
        if let Some(value) = raw.get_mut(field) {
            walk("", value, look);
        }
    }
}

fn walk(name: &str, value: &mut Value, look: &mut Look<'_>) {
    match value {
        Value::String(text) => {
            let kind = if name == "arguments" {
                TextKind::Json
            } else {
                TextKind::Text
            };
            if let Some(new) = look(kind, text) {
                *text = new;
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|one| walk(name, one, look)),
        Value::Object(map) => {
            for (name, value) in map {
                if !(value.is_string() && STRUCTURE.contains(&name.as_str())) {
                    walk(name, value, look);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
