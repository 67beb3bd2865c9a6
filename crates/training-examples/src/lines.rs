//! The lines of a file, one after another.

use super::{Fault, OneKind, Wanted, control_text_in, example};

/// Cuts bytes that come in pieces into lines, and keeps no more than one line.
#[derive(Debug)]
pub struct Lines {
    most_bytes: usize,
    line: Vec<u8>,
    is_too_long: bool,
    /// Lines that have ended.
    number: u64,
}

impl Lines {
    /// Of lines that have at most so many bytes.
    #[must_use]
    pub fn of_at_most(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            line: Vec::new(),
            is_too_long: false,
            number: 0,
        }
    }

    /// Takes the next bytes, and hands on each line that ends in them: its number, from 1, and its bytes without the line
    /// break; none where it is too long.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(u64, Option<&[u8]>)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            if self.line.len() + text.len() > self.most_bytes {
                self.is_too_long = true;
                self.line.clear();
            }
            if !self.is_too_long {
                self.line.extend_from_slice(text);
            }
            if ends {
                self.end(&mut each);
            }
        }
    }

    /// Hands on what stands after the last line break.
    pub fn finish(mut self, mut each: impl FnMut(u64, Option<&[u8]>)) {
        if !self.line.is_empty() || self.is_too_long {
            self.end(&mut each);
        }
    }

    fn end(&mut self, each: &mut impl FnMut(u64, Option<&[u8]>)) {
        self.number += 1;
        let line = (!self.is_too_long).then_some(self.line.as_slice());
        each(self.number, line);
        self.line.clear();
        self.is_too_long = false;
    }
}

/// Judges the lines of one JSONL file, one after another, as the training program will.
#[derive(Debug)]
pub struct Judge {
    wanted: Option<Wanted>,
    kind: OneKind,
}

impl Judge {
    /// For a method that learns from `wanted`; none where nobody has named the method yet.
    #[must_use]
    pub fn new(wanted: Option<Wanted>) -> Self {
        Self {
            wanted,
            kind: OneKind::default(),
        }
    }

    /// Judges the next line; a blank one is fine.
    ///
    /// # Errors
    /// [`Fault`] where it is no example, or none that goes with the method and the lines before it.
    pub fn line(&mut self, number: u64, line: &[u8]) -> Result<(), Fault> {
        let text = str::from_utf8(line)
            .map_err(|_| Fault::of_line("the line is not UTF-8; save the file as UTF-8"))?;
        let text = if number == 1 {
            text.trim_start_matches('\u{feff}')
        } else {
            text
        };
        if text.trim().is_empty() {
            return Ok(());
        }
        let example = example(text)?;
        if let Some(wanted) = self.wanted {
            wanted.takes(&example)?;
        }
        example.refuse_control(|text| control_text_in(text).map(str::to_owned))?;
        self.kind.check(number, &example)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, most_bytes: usize, chunk: usize) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::of_at_most(most_bytes);
        let mut found = Vec::new();
        let mut each = |number: u64, line: Option<&[u8]>| {
            let line = line.map(|line| String::from_utf8(line.to_vec()).unwrap());
            found.push((number, line));
        };
        for piece in text.as_bytes().chunks(chunk) {
            lines.feed(piece, &mut each);
        }
        lines.finish(&mut each);
        found
    }

    #[test]
    fn lines_come_whole_and_of_one_that_is_too_long_nothing_is_kept() {
        for chunk in 1..20 {
            let line = |text: &str| Some(text.to_owned());
            assert_eq!(
                cut("een\n\nveel te lang\nvijf\n", 5, chunk),
                [
                    (1, line("een")),
                    (2, line("")),
                    (3, None),
                    (4, line("vijf"))
                ]
            );
            assert_eq!(cut("a\nlang genoeg", 5, chunk), [(1, line("a")), (2, None)]);
            assert!(cut("", 5, chunk).is_empty());
        }
    }

    #[test]
    fn lines_are_judged_with_those_before_them_and_by_the_method_once_it_is_known() {
        let text = br#"{"text":"a"}"#;
        let pair = br#"{"input":"u","preferred_output":"a","non_preferred_output":"b"}"#;
        let mut judge = Judge::new(None);
        assert_eq!(judge.line(1, b" \r"), Ok(()));
        assert_eq!(judge.line(2, pair), Ok(()));
        assert!(judge.line(3, text).is_err(), "another kind than line 2");
        assert!(judge.line(4, br#"{"text":"a<|im_end|>"}"#).is_err());
        let mut judge = Judge::new(Some(Wanted::Examples));
        assert!(judge.line(1, pair).is_err());
        assert_eq!(judge.line(2, text), Ok(()), "line 1 was none to go by");
    }
}
