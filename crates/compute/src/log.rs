//! Logs in parts, as they leave this crate: whole lines, without secrets.

use crate::redact::redact;

/// The most that one call to [`ComputeBackend::log`](crate::ComputeBackend::log) reads.
pub const LOG_PART_BYTES: usize = 256 * 1024;

/// A stretch of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPart {
    /// The text; what is not UTF-8 is replaced, and secrets are left out.
    pub text: String,
    /// Where to go on reading, in bytes of what the program wrote.
    pub next: u64,
    /// Whether the program has ended and this is all of it.
    pub is_complete: bool,
}

impl LogPart {
    /// Nothing new at `from`.
    pub(crate) fn nothing(from: u64, is_complete: bool) -> Self {
        Self {
            text: String::new(),
            next: from,
            is_complete,
        }
    }

    /// What `raw` holds, which was read at `from`; `is_end` where nothing will ever follow it.
    ///
    /// A secret that is cut in two would not be recognised, so a last line without an end waits for the next call.
    /// Only where a line is longer than a whole part it is cut, at its last space if it has one.
    pub(crate) fn of(raw: &[u8], from: u64, is_end: bool) -> Self {
        let whole = if is_end {
            raw.len()
        } else if let Some(end) = raw.iter().rposition(|byte| *byte == b'\n') {
            end + 1
        } else if raw.len() < LOG_PART_BYTES {
            0
        } else {
            raw.iter()
                .rposition(u8::is_ascii_whitespace)
                .map_or(raw.len(), |end| end + 1)
        };
        let (text, _) = raw.split_at(whole);
        Self {
            text: redact(&String::from_utf8_lossy(text)).into_owned(),
            next: from + u64::try_from(whole).unwrap_or(u64::MAX),
            is_complete: is_end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_finished_waits() {
        let part = LogPart::of(b"one\ntwo vfa_0190", 10, false);
        assert_eq!((part.text.as_str(), part.next), ("one\n", 14));
        let part = LogPart::of(b"two", 14, false);
        assert_eq!((part.text.as_str(), part.next), ("", 14));
        let part = LogPart::of(b"two", 14, true);
        assert_eq!((part.text.as_str(), part.next), ("two", 17));
        assert!(part.is_complete);
    }

    #[test]
    fn a_line_longer_than_a_part_is_cut_between_words() {
        let mut line = vec![b'a'; LOG_PART_BYTES - 10];
        line.extend_from_slice(b" vfa_01234");
        let part = LogPart::of(&line[..LOG_PART_BYTES], 0, false);
        assert_eq!(part.next, u64::try_from(LOG_PART_BYTES - 9).unwrap());
        let line = vec![b'a'; LOG_PART_BYTES];
        assert_eq!(LogPart::of(&line, 0, false).text.len(), LOG_PART_BYTES);
    }
}
