//! One JSON object a line, in one of four shapes: a conversation, a prompt with its completion, a text, or a question
//! with a better and a worse answer.

use serde_json::{Map, Value};
use training_examples::Lines;

use super::{BadLines, Counts, LONGEST_LINE, shown};
use crate::datasets::{LineProblem, Problem};

/// A pass over lines of JSON.
pub(super) struct Jsonl {
    lines: Lines,
    counts: Counts,
    bad: BadLines,
}

impl Default for Jsonl {
    fn default() -> Self {
        Self {
            lines: Lines::of_at_most(LONGEST_LINE),
            counts: Counts::default(),
            bad: BadLines::default(),
        }
    }
}

impl Jsonl {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let Self { lines, counts, bad } = self;
        lines.feed(bytes, |number, line| take((number, line), counts, bad));
    }

    pub(super) fn finish(self) -> Result<Counts, Problem> {
        let Self {
            lines,
            mut counts,
            mut bad,
        } = self;
        lines.finish(|number, line| take((number, line), &mut counts, &mut bad));
        bad.into_result(counts)
    }
}

fn take((number, line): (u64, Option<&[u8]>), counts: &mut Counts, bad: &mut BadLines) {
    match characters_of(line) {
        Ok(None) => {}
        Ok(Some(characters)) => {
            counts.documents += 1;
            counts.characters += characters;
        }
        Err(problem) => bad.add(number, problem),
    }
}

/// How many characters of text a line has, none where it is blank; `line`: none where it is too long.
pub(super) fn characters_of(line: Option<&[u8]>) -> Result<Option<u64>, LineProblem> {
    let line = line.ok_or(LineProblem::TooLong {
        most_kib: (LONGEST_LINE / 1024) as u64,
    })?;
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    characters_of_line(line).map(Some)
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
    for (place, message) in messages.iter().enumerate() {
        characters += turn(message, ("messages", place))?;
        has_answer |= message["role"] == "assistant";
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
        let (messages, path) = match object.get(field) {
            Some(Value::Object(input)) if field == "input" => {
                (input.get("messages"), "input.messages")
            }
            other => (other, field),
        };
        characters += match messages {
            Some(Value::Array(messages)) if !messages.is_empty() => messages
                .iter()
                .enumerate()
                .map(|(place, message)| turn(message, (path, place)))
                .sum::<Result<u64, _>>()?,
            _ => text_of(object, field)?,
        };
    }
    Ok(characters)
}

/// A message, which stands at a place of the list `path`.
fn turn(message: &Value, (path, place): (&str, usize)) -> Result<u64, LineProblem> {
    let message = message.as_object().ok_or(LineProblem::UnknownShape)?;
    let no_text = |field: &str| no_text(&format!("{path}[{place}].{field}"));
    match message.get("role").and_then(Value::as_str) {
        Some("system" | "user" | "assistant") => {
            characters(message.get("content")).ok_or_else(|| no_text("content"))
        }
        Some(role) => Err(LineProblem::UnknownRole { role: shown(role) }),
        None => Err(no_text("role")),
    }
}

fn text_of(object: &Map<String, Value>, field: &str) -> Result<u64, LineProblem> {
    characters(object.get(field)).ok_or_else(|| no_text(field))
}

/// How many a text has; none where there is none, or nothing in it.
fn characters(value: Option<&Value>) -> Option<u64> {
    let text = value?.as_str().filter(|text| !text.trim().is_empty())?;
    Some(text.chars().count() as u64)
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
            no_text("messages[0].content")
        );
        assert_eq!(
            problem(r#"{"messages":[{"role":"user","content":"a"},{"content":"b"}]}"#),
            no_text("messages[1].role")
        );
        assert_eq!(
            problem(
                r#"{"input":{"messages":[{"role":"user","content":" "}]},"preferred_output":"j","non_preferred_output":"n"}"#
            ),
            no_text("input.messages[0].content")
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
