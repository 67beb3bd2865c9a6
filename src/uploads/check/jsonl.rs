//! One JSON object a line, in one of four shapes: a conversation, a prompt with its completion, a text, or a question
//! with a better and a worse answer.

use serde_json::{Map, Value};

use super::{BadLines, Counts, LONGEST_LINE, shown};
use crate::datasets::{LineProblem, Problem};

/// A pass over lines of JSON.
#[derive(Default)]
pub(super) struct Jsonl {
    line: Vec<u8>,
    is_too_long: bool,
    number: u64,
    counts: Counts,
    bad: BadLines,
}

impl Jsonl {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            if self.line.len() + text.len() > LONGEST_LINE {
                self.is_too_long = true;
                self.line.clear();
            }
            if !self.is_too_long {
                self.line.extend_from_slice(text);
            }
            if ends {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        self.number += 1;
        let outcome = if self.is_too_long {
            Err(LineProblem::TooLong {
                most_kib: (LONGEST_LINE / 1024) as u64,
            })
        } else if self.line.iter().all(u8::is_ascii_whitespace) {
            Ok(None)
        } else {
            characters_of_line(&self.line).map(Some)
        };
        match outcome {
            Ok(None) => {}
            Ok(Some(characters)) => {
                self.counts.documents += 1;
                self.counts.characters += characters;
            }
            Err(problem) => self.bad.add(self.number, problem),
        }
        self.line.clear();
        self.is_too_long = false;
    }

    pub(super) fn finish(mut self) -> Result<Counts, Problem> {
        if !self.line.is_empty() || self.is_too_long {
            self.end_line();
        }
        self.bad.into_result(self.counts)
    }
}

fn characters_of_line(line: &[u8]) -> Result<u64, LineProblem> {
    let value: Value = serde_json::from_slice(line).map_err(|error| LineProblem::NotJson {
        column: error.column() as u64,
    })?;
    let Value::Object(object) = value else {
        return Err(LineProblem::UnknownShape);
    };
    if let Some(messages) = object.get("messages") {
        conversation(messages)
    } else if object.contains_key("prompt") || object.contains_key("completion") {
        Ok(text_of(&object, "prompt")? + text_of(&object, "completion")?)
    } else if object.contains_key("text") {
        text_of(&object, "text")
    } else if object.contains_key("preferred_output") {
        preference(&object)
    } else {
        Err(LineProblem::UnknownShape)
    }
}

fn conversation(messages: &Value) -> Result<u64, LineProblem> {
    let messages = messages
        .as_array()
        .filter(|messages| !messages.is_empty())
        .ok_or_else(|| no_text("messages"))?;
    let (mut characters, mut has_answer) = (0, false);
    for message in messages {
        let message = message.as_object().ok_or(LineProblem::UnknownShape)?;
        match message.get("role") {
            Some(Value::String(role)) if matches!(role.as_str(), "system" | "user") => {}
            Some(Value::String(role)) if role == "assistant" => has_answer = true,
            Some(Value::String(role)) => {
                return Err(LineProblem::UnknownRole { role: shown(role) });
            }
            _ => return Err(no_text("role")),
        }
        characters += text_of(message, "content")?;
    }
    if has_answer {
        Ok(characters)
    } else {
        Err(LineProblem::NoAnswer)
    }
}

/// Each of the three may be messages or plain text.
fn preference(object: &Map<String, Value>) -> Result<u64, LineProblem> {
    let mut characters = 0;
    for field in ["input", "preferred_output", "non_preferred_output"] {
        let messages = match object.get(field) {
            Some(Value::Object(input)) if field == "input" => input.get("messages"),
            other => other,
        };
        characters += match messages {
            Some(Value::Array(messages)) if !messages.is_empty() => {
                messages.iter().map(turn).sum::<Result<u64, _>>()?
            }
            _ => text_of(object, field)?,
        };
    }
    Ok(characters)
}

fn turn(message: &Value) -> Result<u64, LineProblem> {
    let message = message.as_object().ok_or(LineProblem::UnknownShape)?;
    match message.get("role").and_then(Value::as_str) {
        Some("system" | "user" | "assistant") => text_of(message, "content"),
        Some(role) => Err(LineProblem::UnknownRole { role: shown(role) }),
        None => Err(no_text("role")),
    }
}

fn text_of(object: &Map<String, Value>, field: &str) -> Result<u64, LineProblem> {
    match object.get(field) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.chars().count() as u64),
        _ => Err(no_text(field)),
    }
}

fn no_text(field: &str) -> LineProblem {
    LineProblem::NoText {
        field: field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Counts, Problem> {
        let mut reader = Jsonl::default();
        reader.feed(text.as_bytes());
        reader.finish()
    }

    fn problem(line: &str) -> LineProblem {
        check(line).unwrap_err().lines.remove(0).problem
    }

    #[test]
    fn the_shapes_are_taken() {
        let counts = check(concat!(
            r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"ü"},{"role":"assistant","content":"a"}]}"#,
            "\n",
            r#"{"prompt":"ab","completion":"cd","id":7}"#,
            "\r\n\n",
            r#"{"text":"abc"}"#,
            "\n",
            r#"{"input":{"messages":[{"role":"user","content":"q"}]},"preferred_output":[{"role":"assistant","content":"j"}],"non_preferred_output":"n"}"#,
        ));
        assert_eq!(
            counts,
            Ok(Counts {
                documents: 4,
                characters: 13
            })
        );
    }

    #[test]
    fn each_fault_is_named() {
        assert_eq!(
            problem(r#"{"input":"q","preferred_output":"j"}"#),
            no_text("non_preferred_output")
        );
        assert_eq!(problem("[1]"), LineProblem::UnknownShape);
        assert_eq!(problem(r#"{"texts":"a"}"#), LineProblem::UnknownShape);
        assert_eq!(problem(r#"{"text":" "}"#), no_text("text"));
        assert_eq!(problem(r#"{"prompt":"a"}"#), no_text("completion"));
        assert_eq!(problem(r#"{"messages":[]}"#), no_text("messages"));
        assert_eq!(
            problem(r#"{"messages":[{"role":"user","content":"a"}]}"#),
            LineProblem::NoAnswer
        );
        assert_eq!(
            problem(r#"{"messages":[{"role":"assistant","content":["a"]}]}"#),
            no_text("content")
        );
        assert!(matches!(
            problem(r#"{"text":"a"} x"#),
            LineProblem::NotJson { column: 14 }
        ));
    }

    #[test]
    fn a_line_may_be_long_but_not_endless() {
        let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(LONGEST_LINE));
        assert_eq!(problem(&long), LineProblem::TooLong { most_kib: 1024 });
        let after = check(&format!("{long}\n{{\"text\":\"a\"}}\n{long}")).unwrap_err();
        let lines: Vec<_> = after.lines.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [1, 3]);
    }

    #[test]
    fn deep_nesting_is_refused_and_does_no_harm() {
        let deep = "[".repeat(100_000);
        assert!(matches!(problem(&deep), LineProblem::NotJson { .. }));
    }
}
