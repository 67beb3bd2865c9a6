//! The documents of a file: where each stands, its text and its hash. One pass, constant memory, whatever the size.
//!
//! What counts as one document is what `check` counts: a line of JSONL, a paragraph of plain text, a record of CSV.

mod csv;
mod jsonl;
mod text;
mod text_hash;

use self::{csv::Csv, jsonl::Jsonl, text::Text};
use crate::datasets::Format;

/// SHA-256 over the text of a document.
pub type DocumentHash = [u8; 32];

/// One document of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The line at which it begins, from 1.
    pub number: i64,
    /// Where its bytes begin.
    pub offset_bytes: i64,
    /// So many of them, with the line end and blank lines that follow: without them the rest is still a file.
    pub size_bytes: i64,
    /// Over the text that a model would read, white space collapsed: the same in each format.
    pub sha256: DocumentHash,
}

/// What a pass comes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Text to search in, also of fields that no model reads. Of one document it may come in many pieces, which
    /// follow on each other without a gap.
    Text {
        /// Of which document.
        number: i64,
        /// The piece.
        text: String,
    },
    /// A document that is complete; all of its text came before.
    Document(Document),
}

/// Records longer than this are not verified, so not looked at.
const LONGEST_RECORD: usize = 1024 * 1024;

/// A pass over a file. Of one that was not verified, what cannot be read is left out.
pub struct Split(Reader);

enum Reader {
    Jsonl(Jsonl),
    Text(Text),
    Csv(Csv),
}

impl Split {
    /// A pass over a file of this format.
    #[must_use]
    pub fn of(format: Format) -> Self {
        Self(match format {
            Format::Jsonl => Reader::Jsonl(Jsonl::default()),
            Format::Text => Reader::Text(Text::default()),
            Format::Csv => Reader::Csv(Csv::default()),
        })
    }

    /// Takes the next bytes and puts what they complete in `found`.
    pub fn feed(&mut self, bytes: &[u8], found: &mut Vec<Found>) {
        match &mut self.0 {
            Reader::Jsonl(reader) => reader.feed(bytes, found),
            Reader::Text(reader) => reader.feed(bytes, found),
            Reader::Csv(reader) => reader.feed(bytes, found),
        }
    }

    /// The last byte was taken.
    pub fn finish(self, found: &mut Vec<Found>) {
        match self.0 {
            Reader::Jsonl(reader) => reader.finish(found),
            Reader::Text(reader) => reader.finish(found),
            Reader::Csv(reader) => reader.finish(found),
        }
    }
}

/// The searchable text of one document, read from its own bytes.
#[must_use]
pub fn text_of(format: Format, bytes: &[u8]) -> String {
    let (mut split, mut found) = (Split::of(format), Vec::new());
    if format == Format::Csv {
        // All columns are searched, whatever the header calls them.
        split.feed(b"-\n", &mut found);
    }
    split.feed(bytes, &mut found);
    split.finish(&mut found);
    found
        .into_iter()
        .filter_map(|one| match one {
            Found::Text { text, .. } => Some(text),
            Found::Document(_) => None,
        })
        .collect()
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::uploads::check::Check;

    fn split(format: Format, bytes: &[u8], chunk: usize) -> Vec<Document> {
        let (mut split, mut found) = (Split::of(format), Vec::new());
        for piece in bytes.chunks(chunk.max(1)) {
            split.feed(piece, &mut found);
        }
        split.finish(&mut found);
        found
            .into_iter()
            .filter_map(|one| match one {
                Found::Document(document) => Some(document),
                Found::Text { .. } => None,
            })
            .collect()
    }

    fn without(bytes: &[u8], document: &Document) -> Vec<u8> {
        let from = usize::try_from(document.offset_bytes).unwrap();
        let to = from + usize::try_from(document.size_bytes).unwrap();
        [&bytes[..from], &bytes[to..]].concat()
    }

    #[test]
    fn one_text_is_the_same_document_in_each_format() {
        let json = split(
            Format::Jsonl,
            b"{\"n\":1,\"text\":\"De raad\\nkwam bijeen.\"}\n",
            9,
        );
        let text = split(
            Format::Text,
            b"\xEF\xBB\xBFDe raad\r\n  kwam bijeen.\n\n\n",
            2,
        );
        let csv = split(
            Format::Csv,
            b"id,text\r\n7,\"De raad  kwam bijeen.\"\r\n",
            3,
        );
        assert_eq!(json[0].sha256, text[0].sha256);
        assert_eq!(json[0].sha256, csv[0].sha256);
        assert_eq!((json[0].number, text[0].number, csv[0].number), (1, 1, 2));
    }

    #[test]
    fn fields_that_no_model_reads_are_searched_too() {
        let line = b"{\"text\":\"a\",\"author\":{\"name\":\"Jan Jansen\",\"phone\":612345678}}";
        let text = text_of(Format::Jsonl, line);
        assert!(
            text.contains("Jan Jansen") && text.contains("612345678"),
            "{text}"
        );
        let csv = text_of(Format::Csv, b"\"Jansen, Jan\",abc\n");
        assert!(csv.contains("Jansen, Jan") && csv.contains("abc"), "{csv}");
    }

    proptest! {
        #[test]
        fn it_finds_as_many_documents_as_the_check_counts_in_any_chunks(
            text in "[a-cë\",;\r\n ]{0,80}",
            chunk in 1_usize..20,
        ) {
            for format in [Format::Text, Format::Csv] {
                let bytes = match format {
                    Format::Csv => format!("text\n{text}").into_bytes(),
                    _ => text.clone().into_bytes(),
                };
                let mut check = Check::of(format);
                check.feed(&bytes);
                let Ok(counts) = check.finish() else { continue };
                let whole = split(format, &bytes, bytes.len());
                prop_assert_eq!(whole.len() as u64, counts.documents);
                prop_assert_eq!(split(format, &bytes, chunk), whole);
            }
        }

        #[test]
        fn a_file_without_one_of_its_documents_is_a_file_with_the_others(
            texts in prop::collection::vec("[a-zë\", \n]{0,20}x", 1..8),
            at in 0_usize..8,
        ) {
            let mut csv = ::csv::Writer::from_writer(Vec::new());
            csv.write_record(["text"]).unwrap();
            let mut jsonl = String::new();
            for text in &texts {
                csv.write_record([text]).unwrap();
                jsonl.push_str(&serde_json::json!({ "text": text }).to_string());
                jsonl.push('\n');
            }
            let plain = texts.join("\n\n\n");
            let files = [
                (Format::Csv, csv.into_inner().unwrap()),
                (Format::Jsonl, jsonl.into_bytes()),
                (Format::Text, plain.into_bytes()),
            ];
            for (format, bytes) in files {
                let documents = split(format, &bytes, 7);
                let at = at % documents.len();
                let rest = split(format, &without(&bytes, &documents[at]), 5);
                let mut expected: Vec<_> = documents.iter().map(|one| one.sha256).collect();
                expected.remove(at);
                prop_assert_eq!(rest.iter().map(|one| one.sha256).collect::<Vec<_>>(), expected);
            }
        }

        #[test]
        fn no_bytes_make_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..200), chunk in 1_usize..40) {
            for format in [Format::Jsonl, Format::Text, Format::Csv] {
                let whole = split(format, &bytes, bytes.len());
                prop_assert_eq!(split(format, &bytes, chunk).len(), whole.len());
            }
        }
    }
}
