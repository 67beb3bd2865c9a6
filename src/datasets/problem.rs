//! Why a file was rejected, without words: pages and API say it in the reader's language.

use serde::{Deserialize, Serialize};

use crate::error::Say;

/// Why a file was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong with the file as a whole.
    #[serde(flatten)]
    pub fault: Fault,
    /// What is wrong with single lines, the first of them.
    #[serde(default)]
    pub lines: Vec<BadLine>,
    /// How many lines are wrong, also beyond those listed.
    #[serde(default)]
    pub bad_lines: u64,
}

/// What is wrong with a file as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Fault {
    /// Not the bytes that were announced.
    TruncatedOrAltered,
    /// Bytes of another kind of file.
    NotText {
        /// Where, from 0.
        offset: u64,
        /// Which kind, where it is known: `PNG`, `ZIP`.
        kind: Option<String>,
    },
    /// Text in UTF-16.
    Utf16 {
        /// Where, from 0.
        offset: u64,
    },
    /// Text in another encoding than UTF-8.
    NotUtf8 {
        /// Byte that is no UTF-8, from 0.
        offset: u64,
    },
    /// A header without the columns that are needed.
    CsvHeader {
        /// As it was found, cut off.
        found: String,
    },
    /// A quoted field that never ends.
    CsvOpenQuote {
        /// Where its record begins, from 1.
        line: u64,
    },
    /// Nothing in it.
    NoDocuments,
    /// Single lines are wrong.
    BadLines,
    /// Documents that stay out of this dataset.
    ExcludedDocuments,
}

/// A line that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadLine {
    /// From 1; of a record over several lines, the first.
    pub line: u64,
    /// What is wrong with it.
    pub problem: LineProblem,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum LineProblem {
    /// No JSON.
    NotJson {
        /// Where it goes wrong, from 1.
        column: u64,
    },
    /// JSON, but none of the accepted shapes.
    UnknownShape,
    /// A field that is missing, empty or no text.
    NoText {
        /// Its name.
        field: String,
    },
    /// A message whose role is not known.
    UnknownRole {
        /// As found, cut off.
        role: String,
    },
    /// A conversation in which nothing is answered.
    NoAnswer,
    /// Longer than a line may be.
    TooLong {
        /// At most so many KiB.
        most_kib: u64,
    },
    /// A record with more or fewer fields than the header.
    FieldCount {
        /// As the header has.
        expected: u64,
        /// As the record has.
        found: u64,
    },
    /// Text after the quote that ends a field.
    AfterQuote,
    /// A document that stays out of this dataset, after a request or complaint.
    Excluded,
}

impl Fault {
    /// The sentence for people.
    #[must_use]
    pub fn say(&self) -> Say {
        match self {
            Self::TruncatedOrAltered => Say::new("problem-truncated-or-altered"),
            Self::NotText { offset, kind: None } => {
                Say::new("problem-not-text").with("offset", offset)
            }
            Self::NotText {
                offset,
                kind: Some(kind),
            } => Say::new("problem-other-kind")
                .with("offset", offset)
                .with("kind", kind),
            Self::Utf16 { offset } => Say::new("problem-utf16").with("offset", offset),
            Self::NotUtf8 { offset } => Say::new("problem-not-utf8").with("offset", offset),
            Self::CsvHeader { found } => Say::new("problem-csv-header").with("found", found),
            Self::CsvOpenQuote { line } => Say::new("problem-csv-open-quote").with("line", line),
            Self::NoDocuments => Say::new("problem-no-documents"),
            Self::BadLines => Say::new("problem-bad-lines"),
            Self::ExcludedDocuments => Say::new("problem-excluded-documents"),
        }
    }
}

impl Problem {
    /// A fault of the file as a whole.
    #[must_use]
    pub fn of(fault: Fault) -> Self {
        Self {
            fault,
            lines: Vec::new(),
            bad_lines: 0,
        }
    }

    /// The sentence for people; for single lines it counts them.
    #[must_use]
    pub fn say(&self) -> Say {
        self.fault.say().with("count", self.bad_lines)
    }
}

impl LineProblem {
    /// The sentence for people.
    #[must_use]
    pub fn say(&self) -> Say {
        match self {
            Self::NotJson { column } => Say::new("problem-line-not-json").with("column", column),
            Self::UnknownShape => Say::new("problem-line-unknown-shape"),
            Self::NoText { field } => Say::new("problem-line-no-text").with("field", field),
            Self::UnknownRole { role } => Say::new("problem-line-unknown-role").with("role", role),
            Self::NoAnswer => Say::new("problem-line-no-answer"),
            Self::TooLong { most_kib } => Say::new("problem-line-too-long").with("most", most_kib),
            Self::FieldCount { expected, found } => Say::new("problem-line-field-count")
                .with("expected", expected)
                .with("found", found),
            Self::AfterQuote => Say::new("problem-line-after-quote"),
            Self::Excluded => Say::new("problem-line-excluded"),
        }
    }
}
