//! Marks in JSON that comes in pieces, so that it stays JSON.

use crate::{find, redact::Redactor};

/// As [`Redactor`], for a JSON text: what is found in a string is replaced there, read without its escapes; a number
/// that is personal data becomes a string with the mark. What is not JSON passes with marks too, but may be written with
/// other escapes.
///
/// ```
/// let mut redactor = personal_data::JsonRedactor::default();
/// let mut text = redactor.push("{\"bsn\":1112");
/// text += &redactor.push("22333,\"mail\":\"\\nj@exam");
/// text += &redactor.push("ple.nl\"}");
/// text += &redactor.finish();
/// assert_eq!(text, "{\"bsn\":\"[BSN]\",\"mail\":\"\\n[e-mail]\"}");
/// ```
#[derive(Debug, Default)]
pub struct JsonRedactor {
    place: Place,
    inner: Redactor,
    /// The number that is being read, or the escape.
    held: String,
    /// The first half of a character that is written as two escapes.
    half: Option<u16>,
}

/// Where in the JSON the next sign stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Outside,
    Number,
    Text,
    Escape,
}

/// No number that means anything is longer; the rest of it is looked at by itself.
const LONGEST_NUMBER: usize = 64;

impl JsonRedactor {
    /// Takes the next piece; answers what can be told already.
    pub fn push(&mut self, piece: &str) -> String {
        let mut out = String::with_capacity(piece.len());
        for c in piece.chars() {
            self.take(c, &mut out);
        }
        out
    }

    /// Answers the rest. A redactor can be used again after it.
    pub fn finish(&mut self) -> String {
        let mut out = String::new();
        match self.place {
            Place::Number => self.end_number(&mut out),
            Place::Text | Place::Escape => {
                self.end_half();
                escape(&self.inner.finish(), &mut out);
            }
            Place::Outside => {}
        }
        *self = Self::default();
        out
    }

    fn take(&mut self, c: char, out: &mut String) {
        match self.place {
            Place::Number if is_of_number(c) && self.held.len() < LONGEST_NUMBER => {
                self.held.push(c);
            }
            Place::Number => {
                self.end_number(out);
                self.place = Place::Outside;
                self.take(c, out);
            }
            Place::Outside if c == '-' || c.is_ascii_digit() => {
                self.held.push(c);
                self.place = Place::Number;
            }
            Place::Outside => {
                if c == '"' {
                    self.place = Place::Text;
                }
                out.push(c);
            }
            Place::Text if c == '"' => {
                self.end_half();
                escape(&self.inner.finish(), out);
                out.push(c);
                self.place = Place::Outside;
            }
            Place::Text if c == '\\' => self.place = Place::Escape,
            Place::Text => {
                self.end_half();
                escape(&self.inner.push(c.encode_utf8(&mut [0; 4])), out);
            }
            Place::Escape => self.take_escape(c, out),
        }
    }

    fn take_escape(&mut self, c: char, out: &mut String) {
        self.held.push(c);
        if self.held.starts_with('u') {
            if c != 'u' && !c.is_ascii_hexdigit() {
                // No escape at all: it passes as the text it is.
                let text = std::mem::take(&mut self.held);
                self.write(&text, out);
                self.place = Place::Text;
            } else if self.held.len() == 5 {
                let hex = std::mem::take(&mut self.held);
                let unit = hex
                    .get(1..)
                    .and_then(|hex| u16::from_str_radix(hex, 16).ok());
                self.unit(unit.unwrap_or(0xfffd), out);
                self.place = Place::Text;
            }
            return;
        }
        self.held.clear();
        let meant = match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            other => other,
        };
        self.write(meant.encode_utf8(&mut [0; 4]), out);
        self.place = Place::Text;
    }

    /// Takes one escape of four digits, which may be half a character.
    fn unit(&mut self, unit: u16, out: &mut String) {
        match self.half.take() {
            Some(first) => {
                for c in char::decode_utf16([first, unit]) {
                    let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
                    escape(&self.inner.push(c.encode_utf8(&mut [0; 4])), out);
                }
            }
            None if (0xd800..0xdc00).contains(&unit) => self.half = Some(unit),
            None => {
                let c = char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER);
                escape(&self.inner.push(c.encode_utf8(&mut [0; 4])), out);
            }
        }
    }

    fn write(&mut self, text: &str, out: &mut String) {
        self.end_half();
        escape(&self.inner.push(text), out);
    }

    /// A half without another is no character.
    fn end_half(&mut self) {
        self.half = None;
    }

    fn end_number(&mut self, out: &mut String) {
        let number = std::mem::take(&mut self.held);
        match find(&number).first() {
            Some(found) => {
                out.push('"');
                out.push_str(found.kind.mark());
                out.push('"');
            }
            None => out.push_str(&number),
        }
    }
}

fn is_of_number(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-')
}

/// Writes text as it stands in a JSON string.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&str]) -> String {
        let mut redactor = JsonRedactor::default();
        let mut out: String = pieces.iter().map(|piece| redactor.push(piece)).collect();
        out.push_str(&redactor.finish());
        out
    }

    #[test]
    fn json_stays_json_however_it_is_cut() {
        let text = r#"{"a": [111222333, -111222333.5, 42, 1.5e-3, true, null], "bel": "06 1234 5678", "x": "\n111222333\u0020j\u0040e.nl \ud83d\ude00 \"q\" \\"}"#;
        let whole = all(&[text]);
        assert_eq!(
            whole,
            "{\"a\": [\"[BSN]\", \"[BSN]\", 42, 1.5e-3, true, null], \"bel\": \"[tel]\", \
             \"x\": \"\\n[BSN] [e-mail] \u{1f600} \\\"q\\\" \\\\\"}"
        );
        for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            assert_eq!(all(&[&text[..at], &text[at..]]), whole, "cut at {at}");
        }
        let single: Vec<String> = text.chars().map(String::from).collect();
        let single: Vec<&str> = single.iter().map(String::as_str).collect();
        assert_eq!(all(&single), whole);
    }

    #[test]
    fn what_breaks_off_gives_nothing_away() {
        assert_eq!(all(&["{\"a\": \"j@example.nl"]), "{\"a\": \"[e-mail]");
        assert_eq!(all(&["{\"a\": 111222333"]), "{\"a\": \"[BSN]\"");
        assert_eq!(all(&["{\"a\": \"x\\u00"]), "{\"a\": \"x");
    }
}
