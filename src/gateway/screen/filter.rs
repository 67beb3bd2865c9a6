//! Masks personal data in an answer, piece by piece.

use std::collections::BTreeMap;

use personal_data::{JsonRedactor, Redactor, redact};
use serde_json::{Map, Value, json};

/// One answer's texts, each with what is held back of it.
pub(super) struct Filter {
    is_json: bool,
    choices: BTreeMap<u64, Choice>,
}

#[derive(Default)]
struct Choice {
    is_chat: bool,
    texts: BTreeMap<Place, Masker>,
}

/// Where a text that comes in pieces stands within its choice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// A field of the message, or `text` of a completion.
    Field(String),
    /// The arguments of a tool call.
    Tool(u64),
    /// Those of its predecessor.
    Function,
}

enum Masker {
    Text(Redactor),
    Json(JsonRedactor),
}

impl Masker {
    fn push(&mut self, piece: &str) -> String {
        match self {
            Self::Text(redactor) => redactor.push(piece),
            Self::Json(redactor) => redactor.push(piece),
        }
    }

    fn finish(&mut self) -> String {
        match self {
            Self::Text(redactor) => redactor.finish(),
            Self::Json(redactor) => redactor.finish(),
        }
    }
}

impl Choice {
    /// Masks a piece of a text; whether it is another now.
    fn mask(&mut self, place: Place, is_json: bool, piece: &mut String) -> bool {
        let masker = self.texts.entry(place).or_insert_with(|| {
            if is_json {
                Masker::Json(JsonRedactor::default())
            } else {
                Masker::Text(Redactor::default())
            }
        });
        let masked = masker.push(piece);
        let is_changed = masked != *piece;
        *piece = masked;
        is_changed
    }
}

impl Filter {
    /// For an answer whose content is JSON, or is not.
    pub(super) fn new(is_json: bool) -> Self {
        Self {
            is_json,
            choices: BTreeMap::new(),
        }
    }

    /// Masks a chunk; whether it is another now.
    pub(super) fn chunk(&mut self, chunk: &mut Value) -> bool {
        let mut is_changed = without_tokens(chunk);
        let choices = chunk.get_mut("choices").and_then(Value::as_array_mut);
        for choice in choices.into_iter().flatten() {
            is_changed |= self.choice(choice, "delta");
            let is_last = choice
                .get("finish_reason")
                .is_some_and(|reason| !reason.is_null());
            if is_last {
                is_changed |= self.end(choice);
            }
        }
        is_changed
    }

    /// Masks a whole answer.
    pub(super) fn whole(&mut self, answer: &mut Value) {
        without_tokens(answer);
        let choices = answer.get_mut("choices").and_then(Value::as_array_mut);
        for choice in choices.into_iter().flatten() {
            self.choice(choice, "message");
            // Ends are written as pieces are.
            rename(choice, "message", "delta");
            self.end(choice);
            rename(choice, "delta", "message");
        }
    }

    fn choice(&mut self, choice: &mut Value, of_chat: &str) -> bool {
        let mut is_changed = without_tokens(choice);
        let state = self.choices.entry(index(choice)).or_default();
        if let Some(Value::String(text)) = choice.get_mut("text") {
            is_changed |= state.mask(Place::Field("text".to_owned()), self.is_json, text);
        }
        let Some(Value::Object(delta)) = choice.get_mut(of_chat) else {
            return is_changed;
        };
        state.is_chat = true;
        for (name, value) in delta {
            is_changed |= match (name.as_str(), value) {
                ("role", _) => false,
                ("tool_calls", Value::Array(calls)) => {
                    let mut is_any = false;
                    for (at, call) in calls.iter_mut().enumerate() {
                        let at = call
                            .get("index")
                            .and_then(Value::as_u64)
                            .unwrap_or(at as u64);
                        if let Some(arguments) = arguments(call.get_mut("function")) {
                            is_any |= state.mask(Place::Tool(at), true, arguments);
                        }
                    }
                    is_any
                }
                ("function_call", call) => match arguments(Some(call)) {
                    Some(arguments) => state.mask(Place::Function, true, arguments),
                    None => false,
                },
                (name, Value::String(text)) => {
                    let is_json = self.is_json && name == "content";
                    state.mask(Place::Field(name.to_owned()), is_json, text)
                }
                (_, value) => mask_all(value),
            };
        }
        is_changed
    }

    /// Adds to a choice what was held back of its texts.
    fn end(&mut self, choice: &mut Value) -> bool {
        let Some(mut state) = self.choices.remove(&index(choice)) else {
            return false;
        };
        let mut is_changed = false;
        for (place, masker) in &mut state.texts {
            let rest = masker.finish();
            if !rest.is_empty() {
                add(choice, state.is_chat, place, &rest);
                is_changed = true;
            }
        }
        is_changed
    }

    /// What is held back of texts that have not ended, as choices of a chunk.
    pub(super) fn rest(&mut self) -> Vec<Value> {
        let open: Vec<_> = self
            .choices
            .iter()
            .map(|(index, state)| (*index, state.is_chat))
            .collect();
        let mut rest = Vec::new();
        for (index, is_chat) in open {
            let mut choice = if is_chat {
                json!({"index": index, "delta": {}, "finish_reason": null})
            } else {
                json!({"index": index, "text": "", "logprobs": null, "finish_reason": null})
            };
            if self.end(&mut choice) {
                rest.push(choice);
            }
        }
        rest
    }
}

fn index(choice: &Value) -> u64 {
    choice.get("index").and_then(Value::as_u64).unwrap_or(0)
}

fn arguments(function: Option<&mut Value>) -> Option<&mut String> {
    match function?.get_mut("arguments")? {
        Value::String(arguments) => Some(arguments),
        _ => None,
    }
}

/// Takes out what tells of the words of prompt or answer one by one.
fn without_tokens(of: &mut Value) -> bool {
    let Some(map) = of.as_object_mut() else {
        return false;
    };
    let mut is_changed = false;
    for name in [
        "logprobs",
        "prompt_logprobs",
        "token_ids",
        "prompt_token_ids",
    ] {
        if let Some(value) = map.get_mut(name).filter(|value| !value.is_null()) {
            *value = Value::Null;
            is_changed = true;
        }
    }
    is_changed
}

/// Masks every text of something that comes whole.
fn mask_all(value: &mut Value) -> bool {
    match value {
        Value::String(text) => {
            let masked = redact(text);
            let is_changed = masked != *text;
            *text = masked;
            is_changed
        }
        Value::Array(list) => list.iter_mut().fold(false, |any, one| mask_all(one) | any),
        Value::Object(map) => map.values_mut().fold(false, |any, one| mask_all(one) | any),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn rename(choice: &mut Value, from: &str, to: &str) {
    if let Some(map) = choice.as_object_mut()
        && let Some(value) = map.remove(from)
    {
        map.insert(to.to_owned(), value);
    }
}

/// Appends to a text of a choice, which is made where it is not there.
fn add(choice: &mut Value, is_chat: bool, place: &Place, rest: &str) {
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
    match place {
        Place::Field(name) => append(target, name, rest),
        Place::Function => append_arguments(target.entry("function_call"), rest),
        Place::Tool(at) => {
            let calls = target.entry("tool_calls").or_insert_with(|| json!([]));
            let Some(calls) = calls.as_array_mut() else {
                return;
            };
            let is_it = |(place, call): &(usize, &mut Value)| {
                let own = call.get("index").and_then(Value::as_u64);
                own.unwrap_or(*place as u64) == *at
            };
            if let Some((_, call)) = calls.iter_mut().enumerate().find(is_it) {
                if let Some(call) = call.as_object_mut() {
                    append_arguments(call.entry("function"), rest);
                }
            } else {
                calls.push(json!({"index": at, "function": {"arguments": rest}}));
            }
        }
    }
}

fn append_arguments(entry: serde_json::map::Entry<'_>, rest: &str) {
    let function = entry.or_insert_with(|| json!({}));
    if let Some(function) = function.as_object_mut() {
        append(function, "arguments", rest);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(delta: &Value, finish: Option<&str>) -> Value {
        json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    }

    /// The texts of chunks, joined.
    fn joined(chunks: &[Value], path: &str) -> String {
        let texts = chunks.iter().filter_map(|chunk| chunk.pointer(path));
        texts.filter_map(Value::as_str).collect()
    }

    #[test]
    fn a_text_that_is_cut_anywhere_is_masked_whole() {
        let mut filter = Filter::new(false);
        let mut out = Vec::new();
        for piece in [
            "Bel ",
            "06-12",
            "345678 of mail j@exam",
            "ple.nl, BSN 1112",
            "22333",
        ] {
            let mut one = chunk(&json!({"content": piece}), None);
            filter.chunk(&mut one);
            out.push(one);
        }
        let mut last = chunk(&json!({}), Some("stop"));
        assert!(filter.chunk(&mut last));
        out.push(last);
        let text = joined(&out, "/choices/0/delta/content");
        assert_eq!(text, "Bel [tel] of mail [e-mail], BSN [BSN]");
        assert!(filter.rest().is_empty());
    }

    #[test]
    fn arguments_of_tools_stay_json() {
        let mut filter = Filter::new(false);
        let mut out = Vec::new();
        for piece in ["{\"bsn\": 1112", "22333, \"to\": \"j@exa", "mple.nl\"}"] {
            let delta = json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]});
            let mut one = chunk(&delta, None);
            filter.chunk(&mut one);
            out.push(one);
        }
        let text = joined(&out, "/choices/0/delta/tool_calls/0/function/arguments");
        let arguments: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(arguments, json!({"bsn": "[BSN]", "to": "[e-mail]"}));
    }

    #[test]
    fn what_has_nothing_in_it_is_not_touched() {
        let mut filter = Filter::new(false);
        let mut one = chunk(&json!({"role": "assistant", "content": "Hallo. "}), None);
        let before = one.clone();
        assert!(!filter.chunk(&mut one));
        assert_eq!(one, before);
    }

    #[test]
    fn a_whole_answer_is_masked_and_tells_no_words_one_by_one() {
        let mut answer = json!({"choices": [{
            "index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": "NL91 ABNA 0417 1643 00", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"a\":111222333}"}},
            ]},
            "logprobs": {"content": []},
        }], "usage": {"total_tokens": 7}});
        Filter::new(false).whole(&mut answer);
        assert_eq!(
            answer,
            json!({"choices": [{
                "index": 0, "finish_reason": "stop",
                "message": {"role": "assistant", "content": "[IBAN]", "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"a\":\"[BSN]\"}"}},
                ]},
                "logprobs": null,
            }], "usage": {"total_tokens": 7}})
        );
    }

    #[test]
    fn what_breaks_off_is_told_as_one_more_chunk() {
        let mut filter = Filter::new(false);
        let mut one =
            json!({"choices": [{"index": 1, "text": "mail a@b.nl", "finish_reason": null}]});
        filter.chunk(&mut one);
        assert_eq!(one["choices"][0]["text"], "mail ");
        let rest = filter.rest();
        assert_eq!(
            (&rest[0]["index"], &rest[0]["text"]),
            (&json!(1), &json!("[e-mail]"))
        );
    }
}
