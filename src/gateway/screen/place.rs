//! Where the texts of a choice stand.

use serde_json::{Map, Value, json};

/// Where a text that comes in pieces stands within its choice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A field of the message, or `text` of a completion.
    Field(String),
    /// The arguments of a tool call.
    Tool(u64),
    /// The input of a call of a tool that takes any text.
    Custom(u64),
    /// The arguments of the predecessor of tool calls.
    Function,
}

impl Place {
    /// The name of the text, where it stands.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Field(name) => name,
            Self::Tool(_) | Self::Function => "arguments",
            Self::Custom(_) => "input",
        }
    }

    /// Appends to a text of a choice, which is made where it is not there.
    pub(super) fn add(&self, choice: &mut Value, is_chat: bool, rest: &str) {
        let Some(map) = choice.as_object_mut() else {
            return;
        };
        let target = if is_chat {
            let delta = map.entry("delta").or_insert_with(|| json!({}));
            if !delta.is_object() {
                *delta = json!({});
            }
            let Some(delta) = delta.as_object_mut() else {
                return;
            };
            delta
        } else {
            map
        };
        match self {
            Self::Field(name) => append(target, name, rest),
            Self::Function => self.append_in(target, "function_call", rest),
            Self::Tool(at) => self.append_to_call(target, *at, "function", rest),
            Self::Custom(at) => self.append_to_call(target, *at, "custom", rest),
        }
    }

    fn append_to_call(&self, delta: &mut Map<String, Value>, at: u64, of: &str, rest: &str) {
        let calls = delta.entry("tool_calls").or_insert_with(|| json!([]));
        let Some(calls) = calls.as_array_mut() else {
            return;
        };
        let is_it = |(place, call): &(usize, &mut Value)| {
            let own = call.get("index").and_then(Value::as_u64);
            own.unwrap_or(*place as u64) == at
        };
        if let Some((_, call)) = calls.iter_mut().enumerate().find(is_it) {
            if let Some(call) = call.as_object_mut() {
                self.append_in(call, of, rest);
            }
        } else {
            let mut call = Map::new();
            call.insert("index".to_owned(), json!(at));
            self.append_in(&mut call, of, rest);
            calls.push(Value::Object(call));
        }
    }

    fn append_in(&self, map: &mut Map<String, Value>, of: &str, rest: &str) {
        let inner = map.entry(of).or_insert_with(|| json!({}));
        if let Some(inner) = inner.as_object_mut() {
            append(inner, self.name(), rest);
        }
    }
}

fn append(map: &mut Map<String, Value>, name: &str, rest: &str) {
    match map.get_mut(name) {
        Some(Value::String(text)) => text.push_str(rest),
        _ => {
            map.insert(name.to_owned(), json!(rest));
        }
    }
}
