//! Whether bytes are UTF-8 text, and what they are instead.

use crate::datasets::Fault;

/// Signatures of kinds of files that are taken for text now and then.
const SIGNATURES: [(&[u8], &str); 9] = [
    (b"\x89PNG", "PNG"),
    (b"PK\x03\x04", "ZIP"),
    (b"%PDF-", "PDF"),
    (b"\x1f\x8b", "GZIP"),
    (b"PAR1", "Parquet"),
    (b"\xFF\xD8\xFF", "JPEG"),
    (b"\x28\xB5\x2F\xFD", "Zstandard"),
    (b"GGUF", "GGUF"),
    (b"\x7fELF", "ELF"),
];

/// A pass over bytes that come in pieces.
#[derive(Default)]
pub(super) struct Utf8 {
    /// The first bytes of the file, at most 16.
    head: Vec<u8>,
    /// Bytes taken so far.
    offset: u64,
    /// A character that began in an earlier piece.
    begun: Vec<u8>,
    wrong: Option<Wrong>,
}

/// The first byte that is no text.
#[derive(Clone, Copy)]
struct Wrong {
    at: u64,
    is_control: bool,
}

impl Utf8 {
    /// Takes the next bytes; says whether all has been text so far.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> bool {
        let room = 16_usize.saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(room));
        if self.wrong.is_none() {
            let control = bytes.iter().position(|byte| is_no_text(*byte));
            let control = control.map(|at| self.offset + at as u64);
            let encoding = self.wrong_encoding(bytes);
            self.wrong = match (encoding, control) {
                (Some(encoding), Some(control)) if encoding < control => Some((encoding, false)),
                (_, Some(control)) => Some((control, true)),
                (encoding, None) => encoding.map(|at| (at, false)),
            }
            .map(|(at, is_control)| Wrong { at, is_control });
            self.offset += bytes.len() as u64;
        }
        self.wrong.is_none()
    }

    /// Where the first byte is that is no UTF-8, counted from the start of the file.
    fn wrong_encoding(&mut self, bytes: &[u8]) -> Option<u64> {
        let began_at = self.offset - self.begun.len() as u64;
        let mut rest = bytes;
        while !self.begun.is_empty() {
            let (next, after) = rest.split_first()?;
            self.begun.push(*next);
            rest = after;
            match std::str::from_utf8(&self.begun) {
                Ok(_) => self.begun.clear(),
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Some(began_at),
            }
        }
        let skipped = (bytes.len() - rest.len()) as u64;
        let error = std::str::from_utf8(rest).err()?;
        let good = error.valid_up_to();
        if error.error_len().is_some() {
            return Some(self.offset + skipped + good as u64);
        }
        self.begun.extend(rest.iter().skip(good));
        None
    }

    /// The last piece was taken.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        let is_cut_off = !self.begun.is_empty();
        let wrong = match self.wrong {
            Some(wrong) => wrong,
            None if is_cut_off => Wrong {
                at: self.offset - self.begun.len() as u64,
                is_control: false,
            },
            None => return Ok(()),
        };
        let known = SIGNATURES
            .iter()
            .find(|(signature, _)| self.head.starts_with(signature));
        if let Some((_, kind)) = known {
            return Err(Fault::NotText {
                offset: 0,
                kind: Some((*kind).to_owned()),
            });
        }
        let has_mark = self.head.starts_with(&[0xFF, 0xFE]) || self.head.starts_with(&[0xFE, 0xFF]);
        // Latin letters in UTF-16 have every other byte zero.
        let is_every_other = match self.head.as_slice() {
            [0, a, 0, b, ..] | [a, 0, b, 0, ..] => *a != 0 && *b != 0,
            _ => false,
        };
        Err(if has_mark || is_every_other {
            Fault::Utf16 { offset: 0 }
        } else if wrong.is_control {
            Fault::NotText {
                offset: wrong.at,
                kind: None,
            }
        } else {
            Fault::NotUtf8 { offset: wrong.at }
        })
    }
}

/// Control characters that no text holds: all but tab, line ends, form feed and escape.
fn is_no_text(byte: u8) -> bool {
    matches!(byte, 0x00..=0x08 | 0x0E..=0x1A | 0x1C..=0x1F)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8], chunk: usize) -> Option<Fault> {
        let mut utf8 = Utf8::default();
        for piece in bytes.chunks(chunk) {
            utf8.feed(piece);
        }
        utf8.finish().err()
    }

    #[test]
    fn other_kinds_are_named() {
        for chunk in [1, 3, 100] {
            let zip = b"PK\x03\x04\x14\x00\x00\x00\x08\x00 and so on";
            assert_eq!(
                fault(zip, chunk),
                Some(Fault::NotText {
                    offset: 0,
                    kind: Some("ZIP".into())
                })
            );
            let utf16: Vec<u8> = "{\"text\":\"é\"}"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect();
            assert_eq!(fault(&utf16, chunk), Some(Fault::Utf16 { offset: 0 }));
        }
    }

    #[test]
    fn a_character_cut_off_at_the_end_is_found() {
        assert_eq!(fault("aë".as_bytes(), 1), None);
        assert_eq!(fault(b"a\xC3", 1), Some(Fault::NotUtf8 { offset: 1 }));
    }

    #[test]
    fn a_zero_byte_far_in_is_named_by_its_place() {
        let mut bytes = b"text ".repeat(50);
        bytes.push(0);
        for chunk in [1, 7, 1000] {
            assert_eq!(
                fault(&bytes, chunk),
                Some(Fault::NotText {
                    offset: 250,
                    kind: None
                })
            );
        }
    }
}
