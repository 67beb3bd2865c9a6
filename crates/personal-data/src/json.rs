//! Marks in JSON that comes in pieces, so that it stays JSON.

use crate::{find, redact::Redactor, segment::LONGEST};

/// As [`Redactor`], for a JSON text: what is found in a string is replaced there, read without its escapes; a number
/// that is personal data becomes a string with the mark. From where it cannot be JSON any more, it is masked as the text
/// that it is; what stands between quotes before that may be written with other escapes.
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
    /// The bare value that is being read with the spaces after it, or the escape.
    held: String,
    /// Lists and objects that are open.
    depth: usize,
    /// The first half of a character that is written as two escapes.
    half: Option<u16>,
}

/// Where in the JSON the next sign stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Outside,
    /// In a number or a word, or in the spaces after it: what follows says whether it is one value of JSON, or the
    /// beginning of something that is looked for in a text.
    Bare,
    Text,
    Escape,
    /// This is no JSON, and nothing that follows makes it so.
    Plain,
}

impl JsonRedactor {
    /// Takes the next piece; answers what can be told already.
    pub fn push(&mut self, piece: &str) -> String {
        let mut out = String::with_capacity(piece.len());
        for (at, c) in piece.char_indices() {
            if self.place == Place::Plain {
                let rest = piece.get(at..).unwrap_or_default();
                out.push_str(&self.inner.push(rest));
                break;
            }
            self.take(c, &mut out);
        }
        out
    }

    /// Answers the rest. A redactor can be used again after it.
    pub fn finish(&mut self) -> String {
        let mut out = String::new();
        match self.place {
            Place::Bare => {
                self.end_bare(&mut out);
                out.push_str(&self.inner.finish());
            }
            Place::Plain => out.push_str(&self.inner.finish()),
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
            Place::Outside => self.take_outside(c, out),
            Place::Bare => self.take_bare(c, out),
            Place::Plain => out.push_str(&self.inner.push(c.encode_utf8(&mut [0; 4]))),
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

    fn take_outside(&mut self, c: char, out: &mut String) {
        match c {
            '"' => self.place = Place::Text,
            '{' | '[' => self.depth += 1,
            '}' | ']' if self.depth > 0 => self.depth -= 1,
            ',' | ':' if self.depth > 0 => {}
            c if is_space(c) => {}
            // Numbers, `true`, `false` and `null`.
            '-' | '0'..='9' | 't' | 'f' | 'n' => {
                self.held.push(c);
                self.place = Place::Bare;
                return;
            }
            c => {
                self.fall_back(c, out);
                return;
            }
        }
        out.push(c);
    }

    fn take_bare(&mut self, c: char, out: &mut String) {
        let goes_on = is_space(c) || is_of_bare(c) && !self.held.ends_with(is_space);
        if goes_on && self.held.len() < LONGEST {
            self.held.push(c);
        } else if goes_on || self.depth > 0 && matches!(c, ',' | '}' | ']') {
            self.end_bare(out);
            self.take(c, out);
        } else {
            self.fall_back(c, out);
        }
    }

    /// From here on it is a text, and so is what was held back.
    fn fall_back(&mut self, c: char, out: &mut String) {
        self.place = Place::Plain;
        self.held.push(c);
        let text = std::mem::take(&mut self.held);
        out.push_str(&self.inner.push(&text));
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

    fn end_bare(&mut self, out: &mut String) {
        let held = std::mem::take(&mut self.held);
        let value = held.trim_end_matches(is_space);
        if !is_literal(value) && !is_number(value) {
            self.place = Place::Plain;
            out.push_str(&self.inner.push(&held));
            return;
        }
        self.place = Place::Outside;
        match find(value).first() {
            Some(found) => {
                out.push('"');
                out.push_str(found.kind.mark());
                out.push('"');
                out.push_str(held.get(value.len()..).unwrap_or_default());
            }
            None => out.push_str(&held),
        }
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn is_of_bare(c: char) -> bool {
    c.is_ascii_digit() || c.is_ascii_lowercase() || matches!(c, '.' | 'E' | '+' | '-')
}

fn is_literal(text: &str) -> bool {
    matches!(text, "true" | "false" | "null")
}

/// As JSON writes numbers: without zeros before them, which telephone numbers have.
fn is_number(text: &str) -> bool {
    let are_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (text, power) = match text.split_once(['e', 'E']) {
        Some((text, power)) => (text, Some(power)),
        None => (text, None),
    };
    let (whole, part) = match text.split_once('.') {
        Some((whole, part)) => (whole, Some(part)),
        None => (text, None),
    };
    are_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && part.is_none_or(are_digits)
        && power.is_none_or(|power| are_digits(power.strip_prefix(['+', '-']).unwrap_or(power)))
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

    #[test]
    fn what_is_no_json_is_masked_as_text_however_it_is_cut() {
        let texts = [
            "Mail j.jansen@example.nl, NL91 ABNA 0417 1643 00 of bel 06 1234 5678, dank",
            "06 1234 5678",
            "06-12345678",
            "+31 6 1234 5678",
            "1112 22 333 is het",
            "111222333, dat is het",
            "111222333\nis het",
            "[06 1234 5678]",
            "[1112 22 333]",
            "- 06 1234 5678",
            "(06) 1234 5678",
            "null@example.nl",
            "nul",
            "true.fan@example.nl",
            "12.false@example.nl",
            "{\"a\": 1} en 06 1234 5678",
            "\"Jan\" heeft NL91 ABNA 0417 1643 00",
            "{}, 1 NL91 ABNA 0417 1643 00",
            "```json\n[\"j@example.nl\"]\n```",
            "é: j@example.nl",
        ];
        for text in texts {
            let expected = crate::redact(text);
            assert_eq!(all(&[text]), expected);
            let characters: Vec<char> = text.chars().collect();
            for size in 1..=3 {
                let pieces: Vec<String> = characters.chunks(size).map(String::from_iter).collect();
                let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
                assert_eq!(all(&pieces), expected, "in pieces of {size}");
            }
        }
    }

    #[test]
    fn json_of_any_form_stays_as_it_is() {
        let long = format!("[{}, 1{}]", "7".repeat(600), " ".repeat(600));
        let texts = [
            "",
            " 0 ",
            "-0.5E+10",
            "null",
            "[[], {}, [true , false\n, null]]",
            "{\"a\" : {\"b\":-1e5}}\n{\"c\":0}\n",
            &long,
        ];
        for text in texts {
            assert_eq!(all(&[text]), text);
        }
        assert_eq!(all(&["[111222333 \n, 2]"]), "[\"[BSN]\" \n, 2]");
        assert_eq!(all(&["111222333"]), "\"[BSN]\"");
    }
}
