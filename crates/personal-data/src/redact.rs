//! Marks in the place of what was found.

use crate::{find::find_in, segment};

/// The whole text with marks.
#[must_use]
pub fn redact(text: &str) -> String {
    let mut redactor = Redactor::default();
    let mut out = redactor.push(text);
    out.push_str(&redactor.finish());
    out
}

/// Replaces in a text that comes in pieces. It holds back at most what could be the beginning of something that is
/// looked for: a word, a group of numbers, never more than 512 bytes.
///
/// ```
/// let mut redactor = personal_data::Redactor::default();
/// assert_eq!(redactor.push("Mail naar j.jansen@exam"), "Mail naar ");
/// assert_eq!(redactor.push("ple.nl, dank"), "[e-mail], ");
/// assert_eq!(redactor.finish(), "dank");
/// ```
#[derive(Debug, Default)]
pub struct Redactor {
    held: String,
    replaced: usize,
}

impl Redactor {
    /// Takes the next piece; answers what can be told already.
    pub fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        self.release(false)
    }

    /// Answers the rest. A redactor can be used again after it.
    pub fn finish(&mut self) -> String {
        self.release(true)
    }

    /// How much was replaced until now.
    #[must_use]
    pub fn replaced(&self) -> usize {
        self.replaced
    }

    fn release(&mut self, is_all: bool) -> String {
        let mut out = String::new();
        let mut begin = 0;
        while let Some(length) = self
            .held
            .get(begin..)
            .and_then(|rest| segment::first(rest, is_all))
        {
            let part = self.held.get(begin..begin + length).unwrap_or_default();
            let mut at = 0;
            for found in find_in(part) {
                out.push_str(part.get(at..found.range.start).unwrap_or_default());
                out.push_str(found.kind.mark());
                at = found.range.end;
                self.replaced += 1;
            }
            out.push_str(part.get(at..).unwrap_or_default());
            begin += length;
        }
        self.held.drain(..begin);
        out
    }
}
