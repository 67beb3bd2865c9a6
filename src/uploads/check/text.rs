//! Plain text: documents are paragraphs parted by blank lines.

use super::Counts;

/// A pass over plain text.
#[derive(Default)]
pub(super) struct Text {
    counts: Counts,
    is_in_document: bool,
    line_has_text: bool,
}

impl Text {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => {
                    if !self.line_has_text {
                        self.is_in_document = false;
                    }
                    self.line_has_text = false;
                }
                b'\r' => {}
                byte => {
                    // Every byte that does not continue a character begins one.
                    self.counts.characters += u64::from(byte & 0xC0 != 0x80);
                    if !byte.is_ascii_whitespace() {
                        self.line_has_text = true;
                        if !self.is_in_document {
                            self.is_in_document = true;
                            self.counts.documents += 1;
                        }
                    }
                }
            }
        }
    }

    pub(super) fn finish(self) -> Counts {
        self.counts
    }
}
