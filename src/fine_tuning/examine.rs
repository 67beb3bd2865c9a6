//! Whether the lines of a dataset version are what the method learns from: read once more, now that the method is known, with
//! the code that the training program reads with. So nothing that people decide on is refused by the program afterwards.

use openai_api::Method;
use training_examples::{Fault, Judge, Lines, Wanted};

use super::bad_line::{self, BadLine};
use crate::{
    datasets::{Format, ReadyFile},
    objects::{ObjectError, ObjectStore},
};

const MOST_TOLD: usize = 100;
/// Verified files have no longer lines.
const MOST_LINE_BYTES: usize = 1024 * 1024;

/// Why a file could not be read; trying again later may help.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExamineError {
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error("reading broke off")]
    Reading(#[source] aws_sdk_s3::primitives::ByteStreamError),
}

/// The lines that cannot be used.
#[derive(Debug, Default)]
pub(super) struct Examined {
    /// The first hundred.
    pub(super) bad_lines: Vec<BadLine>,
    /// All of them.
    pub(super) count: u64,
}

impl Examined {
    /// All that is wrong in one text; none where nothing is. `examples`: how many there are, `fewest`: that there have to be.
    pub(super) fn said(&self, examples: i64, fewest: i64) -> Option<String> {
        if self.count == 0 {
            return (examples < fewest).then(|| {
                format!("The file has {examples} examples, and {fewest} is the least. Add some.")
            });
        }
        let whole = format!("{} lines cannot be used.", self.count);
        Some(bad_line::said(&whole, &self.bad_lines))
    }

    fn look(&mut self, (number, line): (u64, Option<&[u8]>), judge: &mut Judge, told: &Told) {
        let judged = match line {
            Some(line) => judge.line(number, line),
            None => Err(Fault::of_line("the line is longer than 1 MiB; split it")),
        };
        let Err(fault) = judged else {
            return;
        };
        self.count += 1;
        if self.bad_lines.len() < MOST_TOLD {
            let place = (told.file.as_deref(), number);
            self.bad_lines
                .push(BadLine::of_fault(place, fault, told.may_quote));
        }
    }
}

/// The examples that a file has at least: what is measured on may be less than what is learnt from.
pub(super) fn fewest(param: &str) -> i64 {
    if param == "training_file" { 10 } else { 1 }
}

/// Reads the JSONL files of a version from end to end. Of what stands in them nothing is told, unless whoever hears of it
/// `may_quote` it.
pub(super) async fn examine(
    objects: &ObjectStore,
    files: &[ReadyFile],
    method: &Method,
    may_quote: bool,
) -> Result<Examined, ExamineError> {
    let mut examined = Examined::default();
    for (number, file) in (1..).zip(files) {
        if file.format != Format::Jsonl.name() {
            continue;
        }
        let name = (files.len() > 1).then(|| {
            if may_quote {
                file.path.clone()
            } else {
                format!("file {number}")
            }
        });
        let mut body = objects.read(&file.object_key, &file.object_version).await?;
        let mut reading = Reading::new(method, name, may_quote);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(ExamineError::Reading)?;
            for piece in chunk.chunks(64 * 1024) {
                reading.feed(piece, &mut examined);
                // Others of the process go on while a large file is read.
                tokio::task::yield_now().await;
            }
        }
        reading.finish(&mut examined);
    }
    Ok(examined)
}

/// One pass over a file.
struct Reading {
    lines: Lines,
    judge: Judge,
    told: Told,
}

/// How its lines are told of.
struct Told {
    /// Where there are several files.
    file: Option<String>,
    may_quote: bool,
}

impl Reading {
    fn new(method: &Method, file: Option<String>, may_quote: bool) -> Self {
        let wanted = match method {
            Method::Supervised { .. } => Wanted::Examples,
            Method::Dpo { .. } => Wanted::Preferences,
        };
        Self {
            lines: Lines::of_at_most(MOST_LINE_BYTES),
            judge: Judge::new(Some(wanted)),
            told: Told { file, may_quote },
        }
    }

    fn feed(&mut self, bytes: &[u8], examined: &mut Examined) {
        let Self { lines, judge, told } = self;
        lines.feed(bytes, |number, line| {
            examined.look((number, line), judge, told);
        });
    }

    fn finish(self, examined: &mut Examined) {
        let Self {
            lines,
            mut judge,
            told,
        } = self;
        lines.finish(|number, line| examined.look((number, line), &mut judge, &told));
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
        let mut reading = Reading::new(method, None, true);
        let mut examined = Examined::default();
        reading.feed(text.as_bytes(), &mut examined);
        reading.finish(&mut examined);
        examined
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
            .bad_lines
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
        assert_eq!(found.count, 4);
    }

    #[test]
    fn ten_examples_are_the_least_to_learn_from_and_one_to_measure_on() {
        let fine = Examined::default();
        let training = fewest("training_file");
        assert!(fine.said(9, training).is_some());
        assert!(fine.said(10, training).is_none());
        let validation = fewest("validation_file");
        assert!(fine.said(1, validation).is_none());
        assert!(fine.said(0, validation).is_some());
        let bad = read("{}\n", &supervised());
        assert!(bad.said(10, training).is_some());
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
        assert_eq!((found.bad_lines.len(), found.count), (100, 250));
    }
}
