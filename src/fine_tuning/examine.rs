//! Whether the lines of a file are what the method learns from: read once more, now that the method is known, with the
//! code that the training program reads with. So nothing that people decide on is refused by the program afterwards.

use openai_api::Method;
use serde_json::{Value, json};
use training_examples::{Fault, OneKind, Wanted, control_text_in, example};

use super::file::ApiFile;
use crate::objects::{ObjectError, ObjectStore};

/// Examples that a file has at least.
pub(super) const FEWEST: u64 = 10;
const MOST_TOLD: usize = 100;

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

struct Lines {
    wanted: Wanted,
    line: Vec<u8>,
    number: u64,
    kind: OneKind,
    found: Examined,
}

impl Lines {
    fn new(method: &Method) -> Self {
        Self {
            wanted: match method {
                Method::Supervised { .. } => Wanted::Examples,
                Method::Dpo { .. } => Wanted::Preferences,
            },
            line: Vec::new(),
            number: 0,
            kind: OneKind::default(),
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
        match self.judge(&line) {
            Ok(is_example) => self.found.examples += u64::from(is_example),
            Err(fault) => {
                self.found.count += 1;
                if self.found.problems.len() < MOST_TOLD {
                    self.found.problems.push(Problem {
                        line: self.number,
                        field: fault.field,
                        problem: fault.problem,
                    });
                }
            }
        }
    }

    /// Whether it is an example; blank lines are none.
    fn judge(&mut self, line: &[u8]) -> Result<bool, Fault> {
        let text = str::from_utf8(line)
            .map_err(|_| Fault::of_line("the line is not UTF-8; save the file as UTF-8"))?;
        let text = if self.number == 1 {
            text.trim_start_matches('\u{feff}')
        } else {
            text
        };
        if text.trim().is_empty() {
            return Ok(false);
        }
        let example = example(text)?;
        self.wanted.takes(&example)?;
        example.refuse_control(|text| control_text_in(text).map(str::to_owned))?;
        self.kind.check(self.number, &example)?;
        Ok(true)
    }

    fn finish(mut self) -> Examined {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.found
    }
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
