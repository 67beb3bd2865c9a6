//! Where a text can be cut without cutting what is looked for.
//!
//! What is looked for has no sign between its letters and digits but a few, and a space only inside groups of digits
//! and capitals. A *segment* is a stretch without any other sign; each is searched by itself.

/// Bytes of a segment; a longer stretch is cut here. The longest e-mail address has 254 (RFC 5321).
pub(crate) const LONGEST: usize = 512;

/// Whether a character can be a part of what is looked for.
fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '@' | '.' | '+' | '-' | '_' | '%' | '\'' | '(' | ')')
}

/// Whether a space after this character can be inside a number.
fn is_group(c: char) -> bool {
    c.is_ascii_digit() || c.is_ascii_uppercase() || matches!(c, '+' | '(' | ')')
}

/// The length in bytes of the first segment with the sign after it; none where more text could make it longer.
/// `is_all` says that no more text comes: then there is always one, unless the text is empty.
pub(crate) fn first(text: &str, is_all: bool) -> Option<usize> {
    let mut before = None;
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        if at >= LONGEST {
            return Some(at);
        }
        let end = at + c.len_utf8();
        if c == ' ' && before.is_some_and(is_group) {
            match characters.peek() {
                // More text says whether the number goes on.
                None => return is_all.then_some(end),
                Some((_, next)) if is_group(*next) => {}
                Some(_) => return Some(end),
            }
        } else if !is_part(c) {
            return Some(end);
        }
        before = Some(c);
    }
    (is_all && !text.is_empty()).then_some(text.len())
}
