//! CSV with a header (RFC 4180): a column `text`, or the columns `prompt` and `completion`.

use super::{BadLines, Counts, LONGEST_LINE, shown};
use crate::datasets::{Fault, LineProblem, Problem};

/// A pass over records.
pub(super) struct Csv {
    place: Place,
    line: u64,
    record_line: u64,
    record_bytes: usize,
    /// Number of the present field, from 0.
    column: usize,
    field: Field,
    /// Of the header only: its fields as text.
    names: Vec<Vec<u8>>,
    header: Option<Header>,
    record: Record,
    counts: Counts,
    bad: BadLines,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Before the first byte of a record.
    RecordStart,
    /// Before the first byte of a field.
    FieldStart,
    Unquoted,
    Quoted,
    /// After a quote within quotes: it ends the field or stands for itself.
    Quote,
}

#[derive(Default, Clone, Copy)]
struct Field {
    characters: u64,
    has_text: bool,
}

struct Header {
    columns: usize,
    /// Columns that need text, with their names.
    wanted: Vec<(usize, &'static str)>,
}

/// What is known of the present record.
#[derive(Default)]
struct Record {
    characters: u64,
    problem: Option<LineProblem>,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            place: Place::RecordStart,
            line: 1,
            record_line: 1,
            record_bytes: 0,
            column: 0,
            field: Field::default(),
            names: vec![Vec::new()],
            header: None,
            record: Record::default(),
            counts: Counts::default(),
            bad: BadLines::default(),
        }
    }
}

impl Csv {
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        for byte in bytes {
            self.step(*byte)?;
            self.line += u64::from(*byte == b'\n');
        }
        Ok(())
    }

    fn step(&mut self, byte: u8) -> Result<(), Fault> {
        if self.place == Place::RecordStart {
            if matches!(byte, b'\r' | b'\n') {
                return Ok(());
            }
            self.record_line = self.line;
            self.place = Place::FieldStart;
        }
        self.record_bytes += 1;
        if self.record_bytes > LONGEST_LINE {
            self.fail(LineProblem::TooLong {
                most_kib: (LONGEST_LINE / 1024) as u64,
            });
            self.names.clear();
        }
        match (self.place, byte) {
            (Place::FieldStart, b'"') => self.place = Place::Quoted,
            (Place::FieldStart | Place::Unquoted | Place::Quote, b',') => {
                self.end_field();
                self.place = Place::FieldStart;
            }
            (Place::FieldStart | Place::Unquoted | Place::Quote, b'\r' | b'\n') => {
                self.end_field();
                self.end_record()?;
            }
            (Place::Quoted, b'"') => self.place = Place::Quote,
            (Place::Quote, b'"') => {
                self.take(byte);
                self.place = Place::Quoted;
            }
            (Place::Quote, _) => {
                self.fail(LineProblem::AfterQuote);
                self.take(byte);
                self.place = Place::Unquoted;
            }
            (Place::FieldStart, _) => {
                self.take(byte);
                self.place = Place::Unquoted;
            }
            (Place::Unquoted | Place::Quoted | Place::RecordStart, _) => self.take(byte),
        }
        Ok(())
    }

    /// The first fault of a record is the one that is told.
    fn fail(&mut self, problem: LineProblem) {
        self.record.problem.get_or_insert(problem);
    }

    fn take(&mut self, byte: u8) {
        self.field.characters += u64::from(byte & 0xC0 != 0x80);
        self.field.has_text |= !byte.is_ascii_whitespace();
        if self.header.is_none()
            && let Some(name) = self.names.last_mut()
        {
            name.push(byte);
        }
    }

    fn end_field(&mut self) {
        let field = std::mem::take(&mut self.field);
        let wanted = self.header.as_ref().and_then(|header| {
            header
                .wanted
                .iter()
                .find(|(column, _)| *column == self.column)
        });
        if let Some((_, name)) = wanted {
            self.record.characters += field.characters;
            if !field.has_text {
                let field = (*name).to_owned();
                self.fail(LineProblem::NoText { field });
            }
        }
        self.column += 1;
        // An endless header is refused; its names are not kept.
        if self.header.is_none() && self.record_bytes <= LONGEST_LINE {
            self.names.push(Vec::new());
        }
    }

    fn end_record(&mut self) -> Result<(), Fault> {
        let record = std::mem::take(&mut self.record);
        let columns = std::mem::take(&mut self.column);
        self.place = Place::RecordStart;
        self.record_bytes = 0;
        let Some(header) = &self.header else {
            self.names.truncate(columns);
            self.header = Some(read_header(&self.names)?);
            self.names.clear();
            return Ok(());
        };
        let problem = if header.columns == columns {
            record.problem
        } else {
            Some(LineProblem::FieldCount {
                expected: header.columns as u64,
                found: columns as u64,
            })
        };
        match problem {
            Some(problem) => self.bad.add(self.record_line, problem),
            None => {
                self.counts.documents += 1;
                self.counts.characters += record.characters;
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Counts, Problem> {
        match self.place {
            Place::Quoted => {
                return Err(Problem::of(Fault::CsvOpenQuote {
                    line: self.record_line,
                }));
            }
            Place::RecordStart => {}
            Place::FieldStart | Place::Unquoted | Place::Quote => {
                self.end_field();
                self.end_record().map_err(Problem::of)?;
            }
        }
        self.bad.into_result(self.counts)
    }
}

fn read_header(names: &[Vec<u8>]) -> Result<Header, Fault> {
    let names: Vec<String> = names
        .iter()
        .map(|name| String::from_utf8_lossy(name).trim().to_owned())
        .collect();
    let find = |wanted: &'static str| {
        names
            .iter()
            .position(|name| name == wanted)
            .map(|column| (column, wanted))
    };
    let wanted = match (find("prompt"), find("completion"), find("text")) {
        (Some(prompt), Some(completion), _) => vec![prompt, completion],
        (_, _, Some(text)) => vec![text],
        _ => {
            return Err(Fault::CsvHeader {
                found: shown(&names.join(",")),
            });
        }
    };
    Ok(Header {
        columns: names.len(),
        wanted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Counts, Problem> {
        let mut reader = Csv::default();
        reader.feed(text.as_bytes()).map_err(Problem::of)?;
        reader.finish()
    }

    #[test]
    fn columns_are_found_by_name() {
        let counts = check("id,completion,prompt\r\n1,cd,\"a,\"\"b\"\r\n\r\n2,é,b").unwrap();
        assert_eq!((counts.documents, counts.characters), (2, 8));
    }

    #[test]
    fn a_header_without_the_columns_is_shown() {
        let fault = check("prompt;completion\na;b\n").unwrap_err().fault;
        assert_eq!(
            fault,
            Fault::CsvHeader {
                found: "prompt;completion".into()
            }
        );
    }

    #[test]
    fn each_fault_is_named() {
        let problem = check("text,id\n ,1\n\"a\"b,2\nabc\nabc,4").unwrap_err();
        let found: Vec<_> = problem
            .lines
            .iter()
            .map(|bad| (bad.line, &bad.problem))
            .collect();
        assert_eq!(
            found,
            [
                (
                    2,
                    &LineProblem::NoText {
                        field: "text".into()
                    }
                ),
                (3, &LineProblem::AfterQuote),
                (
                    4,
                    &LineProblem::FieldCount {
                        expected: 2,
                        found: 1
                    }
                ),
            ]
        );
        assert_eq!(
            check("text\n\"open\nand on").unwrap_err().fault,
            Fault::CsvOpenQuote { line: 2 }
        );
    }

    #[test]
    fn a_record_may_be_long_but_not_endless() {
        let long = "x".repeat(LONGEST_LINE + 1);
        let problem = check(&format!("text\n{long}\nabc\n")).unwrap_err();
        assert_eq!(problem.lines.len(), 1);
        assert_eq!(problem.lines[0].line, 2);
    }
}
