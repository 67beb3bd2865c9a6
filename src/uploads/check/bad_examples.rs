//! All that is wrong with the lines of a JSONL file that was found wrong: what makes a line no document, and what keeps a
//! model from learning it. So whoever mends the one does not hear of the other at the next try only.

use serde::{Deserialize, Serialize};
use training_examples::{Judge, Lines};

use super::{LONGEST_LINE, MOST_LINES_SHOWN, jsonl};
use crate::datasets::LineProblem;

/// The lines of a file from which nothing can be learnt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadExamples {
    /// The first hundred, in order.
    pub lines: Vec<BadExample>,
    /// How many there are.
    pub count: u64,
}

/// A line from which nothing can be learnt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadExample {
    /// From 1.
    pub line: u64,
    /// For example `messages[2].role`, where one field is to blame.
    pub field: Option<String>,
    /// What keeps a model from learning it and what would do, English; none where only `no_document` does.
    pub problem: Option<String>,
    /// Why it is no document, where it is none.
    pub no_document: Option<LineProblem>,
}

impl BadExample {
    /// A line that is no document.
    #[must_use]
    pub fn no_document(line: u64, problem: LineProblem) -> Self {
        let field = match &problem {
            LineProblem::NoText { field } => Some(field.clone()),
            LineProblem::NoAnswer => Some("messages".to_owned()),
            LineProblem::NotJson { .. }
            | LineProblem::UnknownShape
            | LineProblem::UnknownRole { .. }
            | LineProblem::TooLong { .. }
            | LineProblem::FieldCount { .. }
            | LineProblem::AfterQuote
            | LineProblem::Excluded => None,
        };
        Self {
            line,
            field,
            problem: None,
            no_document: Some(problem),
        }
    }
}

/// A pass over a JSONL file that looks for every fault.
pub(in super::super) struct EveryFault {
    lines: Lines,
    judge: Judge,
    found: BadExamples,
}

impl EveryFault {
    pub(in super::super) fn new() -> Self {
        Self {
            lines: Lines::of_at_most(LONGEST_LINE),
            // Who asks for a job says by which method.
            judge: Judge::new(None),
            found: BadExamples::default(),
        }
    }

    /// Takes the next bytes.
    pub(in super::super) fn feed(&mut self, bytes: &[u8]) {
        let Self {
            lines,
            judge,
            found,
        } = self;
        lines.feed(bytes, |number, line| look((number, line), judge, found));
    }

    pub(in super::super) fn finish(self) -> BadExamples {
        let Self {
            lines,
            mut judge,
            mut found,
        } = self;
        lines.finish(|number, line| look((number, line), &mut judge, &mut found));
        found
    }
}

fn look((number, line): (u64, Option<&[u8]>), judge: &mut Judge, found: &mut BadExamples) {
    let no_document = jsonl::characters_of(line).err();
    let fault = line.and_then(|line| judge.line(number, line).err());
    let bad = match (no_document, fault) {
        (None, None) => return,
        (Some(problem), None) => BadExample::no_document(number, problem),
        // It names the field, and says what would do.
        (no_document, Some(fault)) => BadExample {
            line: number,
            field: fault.field,
            problem: Some(fault.problem),
            no_document,
        },
    };
    found.count += 1;
    if found.lines.len() < MOST_LINES_SHOWN {
        found.lines.push(bad);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_through(text: &str, chunk: usize) -> BadExamples {
        let mut pass = EveryFault::new();
        for piece in text.as_bytes().chunks(chunk) {
            pass.feed(piece);
        }
        pass.finish()
    }

    #[test]
    fn both_kinds_of_fault_are_found_in_one_pass() {
        let answered = |user: &str, answer: &str| {
            format!(
                "{{\"messages\":[{{\"role\":\"user\",\"content\":\"{user}\"}},{{\"role\":\"assistant\",{answer}}}]}}\n"
            )
        };
        let text = [
            answered("a", r#""content":"b""#),
            answered(" ", r#""content":"b""#),
            answered("a", r#""content":"b","weight":3"#),
            "\n".to_owned(),
            answered("a", r#""content":"b""#).replace("user", "tool"),
            "{\"text\":\"a\"}\n".to_owned(),
            format!("{{\"text\":\"{}\"}}\n", "x".repeat(LONGEST_LINE)),
            "{\"text\":".to_owned(),
        ]
        .concat();
        let found = look_through(&text, 1000);
        let told: Vec<_> = found
            .lines
            .iter()
            .map(|bad| {
                let is_both = bad.problem.is_some() && bad.no_document.is_some();
                (bad.line, bad.field.as_deref(), is_both)
            })
            .collect();
        assert_eq!(
            told,
            [
                (2, Some("messages[0].content"), false),
                (3, Some("messages[1].weight"), false),
                (5, Some("messages[0].role"), true),
                (6, None, false),
                (7, None, false),
                (8, None, true),
            ]
        );
        assert_eq!(found.count, 6);
        assert_eq!(found, look_through(&text, 77));
    }

    #[test]
    fn the_first_hundred_are_kept_and_all_are_counted() {
        let found = look_through(&"{}\n".repeat(250), 64);
        assert_eq!((found.lines.len(), found.count), (100, 250));
    }
}
