//! Masks personal data in an answer, piece by piece.

use std::collections::BTreeMap;

use personal_data::{JsonRedactor, Redactor, redact};
use serde_json::{Value, json};

use super::{place::Place, prompt::redact_json};

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

    /// Masks a call of a tool, or the piece of one; `at` is its place in the list.
    fn call(&mut self, at: usize, call: &mut Value) -> bool {
        let at = call
            .get("index")
            .and_then(Value::as_u64)
            .unwrap_or(at as u64);
        let Value::Object(map) = call else {
            return mask_json(call);
        };
        let mut is_changed = false;
        for (name, value) in map {
            is_changed |= match name.as_str() {
                // What ties a call to its answer, and says what it is.
                "id" | "type" | "index" => false,
                "function" => self.called(&Place::Tool(at), value),
                "custom" => self.called(&Place::Custom(at), value),
                _ => mask_json(value),
            };
        }
        is_changed
    }

    /// Masks what is called: what it is called with comes in pieces where it is a text, all else whole. A name must
    /// not be held back, for clients take it from the first piece.
    fn called(&mut self, place: &Place, called: &mut Value) -> bool {
        let Value::Object(map) = called else {
            return mask_json(called);
        };
        let is_json = !matches!(place, Place::Custom(_));
        let mut is_changed = false;
        for (name, value) in map {
            is_changed |= match value {
                Value::String(piece) if name == place.name() => {
                    self.mask(place.clone(), is_json, piece)
                }
                value => mask_json(value),
            };
        }
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
                ("tool_calls", Value::Array(calls)) => calls
                    .iter_mut()
                    .enumerate()
                    .fold(false, |any, (at, call)| state.call(at, call) | any),
                ("function_call", call) => state.called(&Place::Function, call),
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
                place.add(choice, state.is_chat, &rest);
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

/// Masks JSON that comes whole, as it is where it is sent as a text: its names and numbers too.
fn mask_json(value: &mut Value) -> bool {
    let text = value.to_string();
    let masked = redact_json(&text);
    let is_changed = masked != text;
    if is_changed {
        *value = serde_json::from_str(&masked).unwrap_or_default();
    }
    is_changed
}

fn rename(choice: &mut Value, from: &str, to: &str) {
    if let Some(map) = choice.as_object_mut()
        && let Some(value) = map.remove(from)
    {
        map.insert(to.to_owned(), value);
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
    fn all_of_a_call_is_masked_but_what_ties_it_to_its_answer() {
        let mut answer = json!({"choices": [{"index": 0, "finish_reason": "stop", "message": {
            "tool_calls": [
                {"id": "a@b.nl", "type": "function", "function": {
                    "name": "j@example.nl", "arguments": {"id": "j@example.nl", "bsn": [111_222_333, 7]},
                }},
                {"id": "c", "type": "custom", "custom": {"name": "f", "input": "bel 06 1234 5678"}},
            ],
            "function_call": {"name": "j@example.nl", "arguments": ["j@example.nl"]},
        }}]});
        Filter::new(false).whole(&mut answer);
        assert_eq!(
            answer["choices"][0]["message"],
            json!({
                "tool_calls": [
                    {"id": "a@b.nl", "type": "function", "function": {
                        "name": "[e-mail]", "arguments": {"id": "[e-mail]", "bsn": ["[BSN]", 7]},
                    }},
                    {"id": "c", "type": "custom", "custom": {"name": "f", "input": "bel [tel]"}},
                ],
                "function_call": {"name": "[e-mail]", "arguments": ["[e-mail]"]},
            })
        );
    }

    #[test]
    fn the_input_of_a_tool_may_come_in_pieces() {
        let mut filter = Filter::new(false);
        let mut out = Vec::new();
        for (piece, finish) in [("bel 06 12", None), ("34 5678", None), ("", Some("stop"))] {
            let call = json!({"index": 0, "custom": {"input": piece}});
            let mut one = chunk(&json!({"tool_calls": [call]}), finish);
            filter.chunk(&mut one);
            out.push(one);
        }
        let text = joined(&out, "/choices/0/delta/tool_calls/0/custom/input");
        assert_eq!(text, "bel [tel]");
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
