//! A page cut into sentences.

use std::ops::Range;

/// A sentence that is longer is cut, at a space.
const LONGEST_SENTENCE: usize = 400;

/// The sentences of a page, as bytes. A sentence ends at `.`, `;`, `!` or `?` before a space and a capital or a
/// bracket, at a blank after a colon, or where it has grown too long.
pub(super) fn sentences(text: &str) -> Vec<Range<usize>> {
    let (mut found, mut start, mut length) = (Vec::new(), 0, 0);
    let mut signs = text.char_indices().peekable();
    while let Some((at, c)) = signs.next() {
        length += 1;
        let next = signs.peek().map(|(_, next)| *next);
        let rest = text.get(at + c.len_utf8()..).unwrap_or_default();
        let is_end = matches!(c, '.' | ';' | '!' | '?')
            && next.is_none_or(|next| matches!(next, ' ' | '\n'))
            && rest
                .trim_start()
                .chars()
                .next()
                .is_none_or(|c| c.is_uppercase() || c.is_ascii_digit() || c == '(');
        let is_too_long = length >= LONGEST_SENTENCE && matches!(c, ' ' | '\n');
        if is_end || is_too_long {
            found.push(start..at + c.len_utf8());
            (start, length) = (at + c.len_utf8(), 0);
        }
    }
    if start < text.len() {
        found.push(start..text.len());
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sentences_put_together_are_the_page(text in "([A-Z][a-z ]{0,9}[.;!?\\n ]){0,60}") {
            let whole: String = sentences(&text).into_iter().map(|range| text[range].to_owned()).collect();
            prop_assert_eq!(whole, text);
        }
    }
}
