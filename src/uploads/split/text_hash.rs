//! The hash by which a text is known, whatever the format and the line breaks around it.

use sha2::{Digest as _, Sha256};

use super::DocumentHash;

/// SHA-256 over words parted by single spaces (UTF-8).
#[derive(Clone, Default)]
pub(super) struct TextHash {
    sha256: Sha256,
    has_text: bool,
    /// White space came since the last word.
    gap: bool,
}

impl TextHash {
    /// Takes the next piece of text; a word may go on from one piece to the next.
    pub(super) fn push(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let trimmed = rest.trim_start();
            self.gap |= trimmed.len() < rest.len();
            let end = trimmed.find(char::is_whitespace).unwrap_or(trimmed.len());
            let (word, after) = trimmed.split_at(end);
            if !word.is_empty() {
                if self.gap && self.has_text {
                    self.sha256.update(b" ");
                }
                (self.gap, self.has_text) = (false, true);
                self.sha256.update(word.as_bytes());
            }
            rest = after;
        }
    }

    /// What follows is another field: parted from what came.
    pub(super) fn part(&mut self) {
        self.gap = true;
    }

    pub(super) fn finish(self) -> DocumentHash {
        self.sha256.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_white_space_make_no_difference() {
        let mut pieces = TextHash::default();
        for piece in ["  de ra", "ad ", "\n kwam", "\u{a0}bijeen.", " "] {
            pieces.push(piece);
        }
        // printf 'de raad kwam bijeen.' | sha256sum
        let expected: DocumentHash = Sha256::digest("de raad kwam bijeen.").into();
        assert_eq!(pieces.finish(), expected);
    }
}
