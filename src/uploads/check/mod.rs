//! Whether the bytes of a file are what its name says: one pass, constant memory, whatever the size.

mod bad_examples;
mod csv;
mod jsonl;
mod text;
mod utf8;

pub(super) use self::bad_examples::EveryFault;
pub use self::bad_examples::{BadExample, BadExamples};
use self::{csv::Csv, jsonl::Jsonl, text::Text, utf8::Utf8};
use crate::datasets::{BadLine, Fault, Format, LineProblem, Problem};

/// How much text there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Texts: lines, paragraphs or records.
    pub(super) documents: u64,
    /// Characters of text.
    pub(super) characters: u64,
}

/// Lines longer than this are refused.
const LONGEST_LINE: usize = 1024 * 1024;
/// How many bad lines are kept to be shown; the rest is counted.
const MOST_LINES_SHOWN: usize = 100;
/// Of what was found in a file, so many characters are kept to be shown.
const MOST_SHOWN: usize = 80;

/// A pass over a file.
pub(super) struct Check {
    utf8: Utf8,
    /// The first bytes, until it is clear whether they are a byte order mark.
    start: Option<Vec<u8>>,
    reader: Reader,
    fault: Option<Fault>,
}

enum Reader {
    Jsonl(Jsonl),
    Text(Text),
    Csv(Csv),
}

const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

impl Check {
    /// A pass over a file that says it is of this format.
    pub(super) fn of(format: Format) -> Self {
        let (reader, may_have_mark) = match format {
            // JSON forbids the mark (RFC 8259, 8.1); spreadsheets write it before CSV.
            Format::Jsonl => (Reader::Jsonl(Jsonl::default()), false),
            Format::Text => (Reader::Text(Text::default()), true),
            Format::Csv => (Reader::Csv(Csv::default()), true),
        };
        Self {
            utf8: Utf8::default(),
            start: may_have_mark.then(Vec::new),
            reader,
            fault: None,
        }
    }

    /// Takes the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if !self.utf8.feed(bytes) {
            return;
        }
        let Some(start) = &mut self.start else {
            self.read(bytes);
            return;
        };
        start.extend_from_slice(bytes);
        if start.len() >= BYTE_ORDER_MARK.len() {
            self.end_start();
        }
    }

    fn end_start(&mut self) {
        if let Some(start) = self.start.take() {
            let text = start.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&start);
            self.read(text);
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        let done = match &mut self.reader {
            Reader::Jsonl(reader) => {
                reader.feed(bytes);
                Ok(())
            }
            Reader::Text(reader) => {
                reader.feed(bytes);
                Ok(())
            }
            Reader::Csv(reader) => reader.feed(bytes),
        };
        if let Err(fault) = done {
            self.fault = Some(fault);
        }
    }

    /// The counts, or what is wrong.
    pub(super) fn finish(mut self) -> Result<Counts, Problem> {
        self.end_start();
        // What is no text is not judged as text.
        let fault = self.utf8.finish().err().or(self.fault);
        if let Some(fault) = fault {
            return Err(Problem::of(fault));
        }
        let counts = match self.reader {
            Reader::Jsonl(reader) => reader.finish(),
            Reader::Text(reader) => Ok(reader.finish()),
            Reader::Csv(reader) => reader.finish(),
        }?;
        if counts.documents == 0 {
            return Err(Problem::of(Fault::NoDocuments));
        }
        Ok(counts)
    }
}

/// The bad lines of a file.
#[derive(Default)]
struct BadLines {
    shown: Vec<BadLine>,
    count: u64,
}

impl BadLines {
    fn add(&mut self, line: u64, problem: LineProblem) {
        self.count += 1;
        if self.shown.len() < MOST_LINES_SHOWN {
            self.shown.push(BadLine { line, problem });
        }
    }

    fn into_result(self, counts: Counts) -> Result<Counts, Problem> {
        if self.count == 0 {
            return Ok(counts);
        }
        Err(Problem {
            fault: Fault::BadLines,
            lines: self.shown,
            bad_lines: self.count,
        })
    }
}

/// Text as it was found, cut off.
fn shown(text: &str) -> String {
    text.chars().take(MOST_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(format: Format, bytes: &[u8], chunk: usize) -> Result<Counts, Problem> {
        let mut check = Check::of(format);
        for piece in bytes.chunks(chunk) {
            check.feed(piece);
        }
        check.finish()
    }

    fn demo(name: &str) -> Result<Counts, Problem> {
        let path = format!("{}/demo/{name}", env!("CARGO_MANIFEST_DIR"));
        let format = Format::of_path(name).unwrap();
        let bytes = std::fs::read(path).unwrap();
        let whole = check(format, &bytes, bytes.len().max(1));
        for chunk in [1, 3, 7, 4096] {
            assert_eq!(check(format, &bytes, chunk), whole, "{name} by {chunk}");
        }
        whole
    }

    fn lines(problem: Result<Counts, Problem>) -> Vec<u64> {
        let problem = problem.unwrap_err();
        assert_eq!(problem.fault, Fault::BadLines);
        problem.lines.iter().map(|bad| bad.line).collect()
    }

    #[test]
    fn the_demo_files_are_what_their_readme_says() {
        assert_eq!(demo("archief-waterland.jsonl").unwrap().documents, 306);
        assert_eq!(demo("uvrm.txt").unwrap().documents, 31);
        assert_eq!(demo("bad/small.jsonl").unwrap().documents, 12);
        assert_eq!(demo("bad/good.csv").unwrap().documents, 5);
        assert_eq!(demo("bad/good.txt").unwrap().documents, 3);
        assert_eq!(lines(demo("bad/broken-line-3.jsonl")), [3]);
        assert_eq!(lines(demo("bad/unknown-role.jsonl")), [4]);
        assert_eq!(lines(demo("bad/bad.csv")), [3, 5]);
        assert_eq!(
            demo("bad/empty.jsonl").unwrap_err().fault,
            Fault::NoDocuments
        );
        assert_eq!(
            demo("bad/latin1.txt").unwrap_err().fault,
            Fault::NotUtf8 { offset: 46 }
        );
        assert_eq!(
            demo("bad/not-a-text.jsonl").unwrap_err().fault,
            Fault::NotText {
                offset: 0,
                kind: Some("PNG".into())
            }
        );
    }

    #[test]
    fn a_byte_order_mark_is_no_text() {
        let counts = check(Format::Text, b"\xEF\xBB\xBFabc", 2).unwrap();
        assert_eq!((counts.documents, counts.characters), (1, 3));
        assert!(check(Format::Csv, b"\xEF\xBB\xBFtext\nabc\n", 1).is_ok());
        assert_eq!(
            lines(check(Format::Jsonl, b"\xEF\xBB\xBF{\"text\":\"a\"}", 1)),
            [1]
        );
    }

    #[test]
    fn of_many_bad_lines_the_first_hundred_are_shown_and_all_are_counted() {
        let problem = check(Format::Jsonl, "x\n".repeat(250).as_bytes(), 64).unwrap_err();
        assert_eq!((problem.lines.len(), problem.bad_lines), (100, 250));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fail_and_chunks_make_no_difference(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            chunk in 1_usize..40,
        ) {
            for format in [Format::Jsonl, Format::Text, Format::Csv] {
                let whole = check(format, &bytes, bytes.len().max(1));
                prop_assert_eq!(check(format, &bytes, chunk), whole);
            }
        }

        #[test]
        fn no_text_makes_it_fail_and_chunks_make_no_difference(
            text in "[a-cë\",;\r\n{}:\\[\\]]{0,200}",
            chunk in 1_usize..40,
        ) {
            for format in [Format::Jsonl, Format::Text, Format::Csv] {
                let whole = check(format, text.as_bytes(), text.len().max(1));
                prop_assert_eq!(check(format, text.as_bytes(), chunk), whole);
            }
        }

        #[test]
        fn what_the_csv_crate_writes_is_taken(
            records in prop::collection::vec(("[a-zë\", \n]{0,20}x", "[a-zë\", \n]{0,20}x"), 1..20),
        ) {
            let mut writer = ::csv::Writer::from_writer(Vec::new());
            writer.write_record(["prompt", "completion"]).unwrap();
            for (prompt, completion) in &records {
                writer.write_record([prompt, completion]).unwrap();
            }
            let bytes = writer.into_inner().unwrap();
            let counts = check(Format::Csv, &bytes, 5).unwrap();
            let characters: usize = records.iter().map(|(p, c)| p.chars().count() + c.chars().count()).sum();
            prop_assert_eq!(counts.documents, records.len() as u64);
            prop_assert_eq!(counts.characters, characters as u64);
        }
    }
}
