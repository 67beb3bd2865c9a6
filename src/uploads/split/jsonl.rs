//! One document a line.

use serde_json::{Map, Value};

use super::{Document, DocumentHash, Found, LONGEST_RECORD, signed, text_hash::TextHash};

/// A pass over lines of JSON.
#[derive(Default)]
pub(super) struct Jsonl {
    line: Vec<u8>,
    is_too_long: bool,
    number: u64,
    /// Where the present line begins, and how much of it came.
    offset: u64,
    size: u64,
}

impl Jsonl {
    pub(super) fn feed(&mut self, bytes: &[u8], found: &mut Vec<Found>) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.size += piece.len() as u64;
            if self.line.len() + piece.len() > LONGEST_RECORD + 1 {
                self.is_too_long = true;
                self.line.clear();
            }
            if !self.is_too_long {
                self.line.extend_from_slice(piece);
            }
            if piece.ends_with(b"\n") {
                self.end_line(found);
            }
        }
    }

    fn end_line(&mut self, found: &mut Vec<Found>) {
        self.number += 1;
        let line = std::mem::take(&mut self.line);
        let number = signed(self.number);
        if let (false, Some((text, sha256))) = (self.is_too_long, read(&line)) {
            found.push(Found::Text { number, text });
            found.push(Found::Document(Document {
                number,
                offset_bytes: signed(self.offset),
                size_bytes: signed(self.size),
                sha256,
            }));
        }
        self.is_too_long = false;
        self.offset += self.size;
        self.size = 0;
    }

    pub(super) fn finish(mut self, found: &mut Vec<Found>) {
        if self.size > 0 {
            self.end_line(found);
        }
    }
}

/// All text of a line, and the hash of what a model reads of it.
fn read(line: &[u8]) -> Option<(String, DocumentHash)> {
    let Value::Object(object) = serde_json::from_slice(line).ok()? else {
        return None;
    };
    let mut hash = TextHash::default();
    for text in for_models(&object)? {
        hash.push(text);
        hash.part();
    }
    let mut all = String::new();
    for value in object.values() {
        collect(value, &mut all);
    }
    Some((all, hash.finish()))
}

/// The shapes that are accepted, as `check` reads them.
fn for_models(object: &Map<String, Value>) -> Option<Vec<&str>> {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    if let Some(messages) = object.get("messages") {
        contents(messages.as_array()?)
    } else if object.contains_key("prompt") || object.contains_key("completion") {
        Some(vec![text("prompt")?, text("completion")?])
    } else if object.contains_key("preferred_output") {
        let mut texts = Vec::new();
        for field in ["input", "preferred_output", "non_preferred_output"] {
            match object.get(field)? {
                Value::String(text) => texts.push(text.as_str()),
                Value::Array(messages) => texts.extend(contents(messages)?),
                Value::Object(input) => {
                    texts.extend(contents(input.get("messages")?.as_array()?)?);
                }
                _ => return None,
            }
        }
        Some(texts)
    } else {
        Some(vec![text("text")?])
    }
}

fn contents(messages: &[Value]) -> Option<Vec<&str>> {
    messages
        .iter()
        .map(|message| message.get("content").and_then(Value::as_str))
        .collect()
}

fn collect(value: &Value, into: &mut String) {
    match value {
        Value::String(text) => {
            into.push_str(text);
            into.push('\n');
        }
        Value::Number(number) => {
            into.push_str(&number.to_string());
            into.push('\n');
        }
        Value::Array(values) => values.iter().for_each(|one| collect(one, into)),
        Value::Object(object) => object.values().for_each(|one| collect(one, into)),
        Value::Null | Value::Bool(_) => {}
    }
}
