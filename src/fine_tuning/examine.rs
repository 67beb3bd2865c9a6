//! Whether the lines of a file are what the method learns from: read once more, now that the method is known.

use openai_api::Method;
use serde_json::{Map, Value, json};

use super::file::ApiFile;
use crate::objects::{ObjectError, ObjectStore};

/// Examples that a file has at least.
pub(super) const FEWEST: u64 = 10;
const MOST_TOLD: usize = 100;
/// Of one message, as the training program takes it.
const LONGEST_MESSAGE: usize = 1_000_000;

/// Why a file could not be read; trying again later may help.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExamineError {
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error("reading broke off")]
    Reading(#[source] aws_sdk_s3::primitives::ByteStreamError),
}

/// What is wrong with a file, or nothing.
#[derive(Debug, Default)]
pub(super) struct Examined {
    /// The first hundred.
    pub(super) problems: Vec<Problem>,
    /// All of them.
    pub(super) count: u64,
    /// Lines that were fit.
    pub(super) examples: u64,
}

/// A line that cannot be learnt from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) line: u64,
    pub(super) field: Option<String>,
    pub(super) problem: String,
}

impl Problem {
    pub(super) fn as_json(&self) -> Value {
        json!({ "line": self.line, "field": self.field, "problem": self.problem })
    }
}

impl Examined {
    /// All that is wrong in one text; none where nothing is.
    pub(super) fn said(&self) -> Option<String> {
        if self.count == 0 {
            return (self.examples < FEWEST).then(|| {
                format!(
                    "The file has {} examples, and {FEWEST} is the least. Add some.",
                    self.examples
                )
            });
        }
        let mut text = format!("{} lines cannot be used.", self.count);
        for problem in &self.problems {
            let field = problem
                .field
                .as_ref()
                .map_or_else(String::new, |field| format!("{field}: "));
            text.push_str(&format!(
                "\nLine {}: {field}{}",
                problem.line, problem.problem
            ));
        }
        Some(text)
    }
}

/// Reads a verified file from end to end.
pub(super) async fn examine(
    objects: &ObjectStore,
    file: &ApiFile,
    method: &Method,
) -> Result<Examined, ExamineError> {
    let version = file.object_version.as_deref().unwrap_or("null");
    let mut body = objects.read(&file.object_key, version).await?;
    let mut lines = Lines::new(method);
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(ExamineError::Reading)?;
        for piece in chunk.chunks(64 * 1024) {
            lines.feed(piece);
            tokio::task::yield_now().await;
        }
    }
    Ok(lines.finish())
}

/// The shapes that a line can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Chat,
    Completion,
    Text,
    Preference,
}

impl Kind {
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Chat => &["messages"],
            Self::Completion => &["prompt", "completion"],
            Self::Text => &["text"],
            Self::Preference => &["input", "preferred_output", "non_preferred_output"],
        }
    }
}

struct Lines {
    is_dpo: bool,
    line: Vec<u8>,
    number: u64,
    /// That of the first fit line: all others have it too.
    kind: Option<Kind>,
    found: Examined,
}

type Fault = (Option<String>, String);

fn at(field: impl Into<String>, problem: impl Into<String>) -> Fault {
    (Some(field.into()), problem.into())
}

impl Lines {
    fn new(method: &Method) -> Self {
        Self {
            is_dpo: matches!(method, Method::Dpo { .. }),
            line: Vec::new(),
            number: 0,
            kind: None,
            found: Examined::default(),
        }
    }

    // Lines are bounded: the file was verified, and none is longer than its check allows.
    fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        self.number += 1;
        let line = std::mem::take(&mut self.line);
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        match self.judge(&line) {
            Ok(()) => self.found.examples += 1,
            Err((field, problem)) => {
                self.found.count += 1;
                if self.found.problems.len() < MOST_TOLD {
                    self.found.problems.push(Problem {
                        line: self.number,
                        field,
                        problem,
                    });
                }
            }
        }
    }

    fn judge(&mut self, line: &[u8]) -> Result<(), Fault> {
        let Ok(Value::Object(object)) = serde_json::from_slice(line) else {
            return Err((None, "This is not a JSON object.".into()));
        };
        let kind = self.kind_of(&object)?;
        match kind {
            Kind::Chat => chat(object.get("messages"))?,
            Kind::Completion | Kind::Text => {
                for field in kind.fields() {
                    let text = object.get(*field).and_then(Value::as_str);
                    let text = text.ok_or_else(|| at(*field, "Expected text."))?;
                    if kind == Kind::Completion {
                        short(text, field)?;
                    }
                }
            }
            Kind::Preference => {
                for field in kind.fields() {
                    preference(object.get(*field), field)?;
                }
            }
        }
        // A file of the wrong kind is told on each of its lines, and so is a mixed one.
        match self.kind {
            None => self.kind = Some(kind),
            Some(first) if first == kind => {}
            Some(first) => {
                let expected = first.fields().join("\", \"");
                return Err((
                    None,
                    format!(
                        "The lines before have \"{expected}\"; formats cannot be mixed in one file."
                    ),
                ));
            }
        }
        Ok(())
    }

    fn kind_of(&self, object: &Map<String, Value>) -> Result<Kind, Fault> {
        let begun: Vec<Kind> = [Kind::Chat, Kind::Completion, Kind::Text, Kind::Preference]
            .into_iter()
            .filter(|kind| {
                kind.fields()
                    .iter()
                    .any(|field| object.contains_key(*field))
            })
            .collect();
        let &[kind] = begun.as_slice() else {
            return Err((None, "Fields of more than one format, or of none.".into()));
        };
        if let Some(missing) = kind
            .fields()
            .iter()
            .find(|field| !object.contains_key(**field))
        {
            return Err(at(*missing, "This field is missing."));
        }
        match (self.is_dpo, kind) {
            (true, Kind::Preference) | (false, Kind::Chat | Kind::Completion | Kind::Text) => {
                Ok(kind)
            }
            (true, _) => Err((
                None,
                "The method 'dpo' learns from \"input\", \"preferred_output\" and \"non_preferred_output\"."
                    .into(),
            )),
            (false, _) => Err((
                None,
                "Preferences are learnt from by the method 'dpo'; 'supervised' takes \"messages\"."
                    .into(),
            )),
        }
    }

    fn finish(mut self) -> Examined {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.found
    }
}

fn short(text: &str, field: &str) -> Result<(), Fault> {
    if text.len() > LONGEST_MESSAGE {
        let problem = format!(
            "{} bytes are more than the 1 MB a message may have.",
            text.len()
        );
        return Err(at(field, problem));
    }
    Ok(())
}

fn chat(messages: Option<&Value>) -> Result<(), Fault> {
    let Some(Value::Array(messages)) = messages else {
        return Err(at("messages", "Expected a list of messages."));
    };
    let mut is_learnt = false;
    for (place, message) in messages.iter().enumerate() {
        is_learnt |= turn(message, &format!("messages[{place}]"))?;
    }
    if !is_learnt {
        let problem = "No message of the assistant has the weight 1, so there is nothing to learn.";
        return Err(at("messages", problem));
    }
    Ok(())
}

/// Whether the message is learnt from.
fn turn(message: &Value, path: &str) -> Result<bool, Fault> {
    let Value::Object(message) = message else {
        return Err(at(
            path,
            "Expected an object with \"role\" and \"content\".",
        ));
    };
    let role = message.get("role").and_then(Value::as_str);
    let is_answer = match role {
        Some("assistant") => true,
        Some("system" | "user") => false,
        _ => {
            let problem = "The role is system, user or assistant.";
            return Err(at(format!("{path}.role"), problem));
        }
    };
    let Some(content) = message.get("content").and_then(Value::as_str) else {
        return Err(at(format!("{path}.content"), "Expected text."));
    };
    short(content, &format!("{path}.content"))?;
    let weight = match message.get("weight") {
        None | Some(Value::Null) => is_answer,
        Some(weight) => match weight.as_f64() {
            Some(0.0) => false,
            Some(1.0) if is_answer => true,
            _ => {
                let problem = "The weight is 0 or 1, and 1 only for the assistant.";
                return Err(at(format!("{path}.weight"), problem));
            }
        },
    };
    Ok(weight)
}

fn preference(value: Option<&Value>, field: &str) -> Result<(), Fault> {
    let messages = match value {
        Some(Value::String(text)) => return short(text, field),
        Some(Value::Object(input)) if field == "input" => input.get("messages"),
        other => other,
    };
    let Some(Value::Array(messages)) = messages else {
        return Err(at(field, "Expected a list of messages."));
    };
    for (place, message) in messages.iter().enumerate() {
        turn(message, &format!("{field}[{place}]"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use openai_api::Settings;

    use super::*;

    fn supervised() -> Method {
        Method::Supervised {
            supervised: Settings::default(),
        }
    }

    fn read(text: &str, method: &Method) -> Examined {
        let mut lines = Lines::new(method);
        lines.feed(text.as_bytes());
        lines.finish()
    }

    #[test]
    fn every_bad_line_is_named_with_its_field() {
        let text = concat!(
            r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#,
            "\n",
            r#"{"prompt":"a","completion":"b"}"#,
            "\n",
            r#"{"messages":[{"role":"assistant","content":"b","weight":2}]}"#,
            "\n",
            r#"{"messages":[{"role":"tool","content":"b"}]}"#,
            "\n",
            r#"{"messages":[{"role":"assistant","content":"b","weight":0}]}"#,
        );
        let found = read(text, &supervised());
        let fields: Vec<_> = found
            .problems
            .iter()
            .map(|one| (one.line, one.field.as_deref()))
            .collect();
        assert_eq!(
            fields,
            [
                (2, None),
                (3, Some("messages[0].weight")),
                (4, Some("messages[0].role")),
                (5, Some("messages"))
            ]
        );
        assert_eq!((found.count, found.examples), (4, 1));
    }

    #[test]
    fn ten_examples_are_the_least() {
        let line = "{\"prompt\":\"a\",\"completion\":\"b\"}\n";
        assert!(read(&line.repeat(9), &supervised()).said().is_some());
        assert!(read(&line.repeat(10), &supervised()).said().is_none());
        assert!(read("", &supervised()).said().is_some());
    }

    #[test]
    fn each_method_has_its_own_lines() {
        let dpo = Method::Dpo {
            dpo: Settings::default(),
        };
        let pair = r#"{"input":{"messages":[{"role":"user","content":"a"}]},"preferred_output":[{"role":"assistant","content":"b"}],"non_preferred_output":[{"role":"assistant","content":"c"}]}"#;
        assert_eq!(read(pair, &dpo).count, 0);
        assert_eq!(read(pair, &supervised()).count, 1);
        let chat = r#"{"messages":[{"role":"assistant","content":"b"}]}"#;
        assert_eq!(read(chat, &dpo).count, 1);
    }

    #[test]
    fn the_first_hundred_are_told_and_all_are_counted() {
        let found = read(&"{}\n".repeat(250), &supervised());
        assert_eq!((found.problems.len(), found.count), (100, 250));
    }
}
