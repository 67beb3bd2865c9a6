//! One document a record of CSV, after a header.

use super::{Document, DocumentHash, Found, LONGEST_RECORD, signed, text_hash::TextHash};

/// A pass over records.
pub(super) struct Csv {
    place: Place,
    offset: u64,
    line: u64,
    record: Vec<u8>,
    is_too_long: bool,
    record_line: u64,
    record_offset: u64,
    /// Columns that a model reads; none before the header.
    columns: Option<Vec<usize>>,
    /// The last record, which ends where the next begins.
    pending: Option<Document>,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    RecordStart,
    FieldStart,
    Unquoted,
    Quoted,
    /// After a quote within quotes: it ends the field or stands for itself.
    Quote,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            place: Place::RecordStart,
            offset: 0,
            line: 1,
            record: Vec::new(),
            is_too_long: false,
            record_line: 1,
            record_offset: 0,
            columns: None,
            pending: None,
        }
    }
}

impl Csv {
    pub(super) fn feed(&mut self, bytes: &[u8], found: &mut Vec<Found>) {
        for byte in bytes {
            self.step(*byte, found);
            self.offset += 1;
            self.line += u64::from(*byte == b'\n');
        }
    }

    fn step(&mut self, byte: u8, found: &mut Vec<Found>) {
        if self.place == Place::RecordStart {
            if matches!(byte, b'\r' | b'\n') {
                return;
            }
            self.end_pending(found);
            (self.record_line, self.record_offset) = (self.line, self.offset);
            self.place = Place::FieldStart;
        }
        if self.place != Place::Quoted && matches!(byte, b'\r' | b'\n') {
            self.end_record(found);
            return;
        }
        self.place = match (self.place, byte) {
            (Place::FieldStart, b'"') | (Place::Quote, b'"') => Place::Quoted,
            (Place::Quoted, b'"') => Place::Quote,
            (Place::Quoted, _) => Place::Quoted,
            (Place::FieldStart | Place::Unquoted | Place::Quote, b',') => Place::FieldStart,
            (_, _) => Place::Unquoted,
        };
        if self.record.len() >= LONGEST_RECORD {
            self.is_too_long = true;
            self.record.clear();
        }
        if !self.is_too_long {
            self.record.push(byte);
        }
    }

    fn end_record(&mut self, found: &mut Vec<Found>) {
        self.place = Place::RecordStart;
        let record = std::mem::take(&mut self.record);
        let is_too_long = std::mem::take(&mut self.is_too_long);
        let Some(fields) = fields(&record).filter(|_| !is_too_long) else {
            return;
        };
        let Some(columns) = &self.columns else {
            self.columns = Some(columns_of(&fields));
            return;
        };
        let number = signed(self.record_line);
        self.pending = Some(Document {
            number,
            offset_bytes: signed(self.record_offset),
            size_bytes: 0,
            sha256: hash(columns, &fields),
        });
        let text = fields.join("\n") + "\n";
        found.push(Found::Text { number, text });
    }

    fn end_pending(&mut self, found: &mut Vec<Found>) {
        if let Some(mut document) = self.pending.take() {
            document.size_bytes = signed(self.offset) - document.offset_bytes;
            found.push(Found::Document(document));
        }
    }

    pub(super) fn finish(mut self, found: &mut Vec<Found>) {
        if self.place != Place::RecordStart {
            self.end_record(found);
        }
        self.end_pending(found);
    }
}

fn fields(record: &[u8]) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(record);
    let record = reader.byte_records().next()?.ok()?;
    Some(
        record
            .iter()
            .map(|field| String::from_utf8_lossy(field).into_owned())
            .collect(),
    )
}

/// As `check` finds them: prompt and completion, or else the text.
fn columns_of(header: &[String]) -> Vec<usize> {
    let find = |wanted: &str| {
        header
            .iter()
            .position(|name| name.trim().trim_start_matches('\u{feff}') == wanted)
    };
    match (find("prompt"), find("completion"), find("text")) {
        (Some(prompt), Some(completion), _) => vec![prompt, completion],
        (_, _, text) => text.into_iter().collect(),
    }
}

fn hash(columns: &[usize], fields: &[String]) -> DocumentHash {
    let mut hash = TextHash::default();
    for column in columns {
        hash.push(fields.get(*column).map_or("", String::as_str));
        hash.part();
    }
    hash.finish()
}
