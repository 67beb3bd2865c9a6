//! Plain text: documents are paragraphs parted by blank lines.

use super::{Document, Found, signed, text_hash::TextHash};

/// A pass over plain text.
pub(super) struct Text {
    offset: u64,
    line: u64,
    line_offset: u64,
    line_has_text: bool,
    /// The line before was blank, or there was none.
    is_after_blank: bool,
    open: Option<Open>,
    /// A character that began in an earlier piece.
    begun: Vec<u8>,
}

struct Open {
    line: u64,
    offset: u64,
    hash: TextHash,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            offset: 0,
            line: 1,
            line_offset: 0,
            line_has_text: false,
            is_after_blank: true,
            open: None,
            begun: Vec::new(),
        }
    }
}

impl Text {
    pub(super) fn feed(&mut self, bytes: &[u8], found: &mut Vec<Found>) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let has_text = piece.iter().any(|byte| !byte.is_ascii_whitespace());
            if has_text && !self.line_has_text {
                self.line_has_text = true;
                if self.is_after_blank {
                    self.close(self.line_offset, found);
                    self.is_after_blank = false;
                    self.open = Some(Open {
                        line: self.line,
                        offset: self.line_offset,
                        hash: TextHash::default(),
                    });
                }
            }
            self.take(piece, found);
            self.offset += piece.len() as u64;
            if piece.ends_with(b"\n") {
                self.is_after_blank |= !self.line_has_text;
                self.line += 1;
                self.line_offset = self.offset;
                self.line_has_text = false;
            }
        }
    }

    fn take(&mut self, piece: &[u8], found: &mut Vec<Found>) {
        let Some(open) = &mut self.open else { return };
        self.begun.extend_from_slice(piece);
        let good = match std::str::from_utf8(&self.begun) {
            Ok(_) => self.begun.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => self.begun.len(),
        };
        let rest = self.begun.split_off(good);
        let text = String::from_utf8_lossy(&std::mem::replace(&mut self.begun, rest)).into_owned();
        // The mark that some programs write first is no text.
        let text = text.replace('\u{feff}', "");
        if !text.is_empty() {
            open.hash.push(&text);
            let number = signed(open.line);
            found.push(Found::Text { number, text });
        }
    }

    fn close(&mut self, end: u64, found: &mut Vec<Found>) {
        self.begun.clear();
        if let Some(open) = self.open.take() {
            found.push(Found::Document(Document {
                number: signed(open.line),
                offset_bytes: signed(open.offset),
                size_bytes: signed(end - open.offset),
                sha256: open.hash.finish(),
            }));
        }
    }

    pub(super) fn finish(mut self, found: &mut Vec<Found>) {
        self.close(self.offset, found);
    }
}
