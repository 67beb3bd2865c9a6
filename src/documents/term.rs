//! What is searched for: names, phrases, beginnings of words.

use super::fold::fold;

/// A phrase whose words follow on each other, whatever their case and accents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// As it was given.
    pub text: String,
    /// As it is compared.
    pub(super) folded: String,
    /// The last word may go on.
    pub(super) is_beginning: bool,
}

/// At most so many at once.
const MOST_TERMS: usize = 50;

impl Term {
    /// A phrase; a `*` at its end lets the last word go on. None where there is no word in it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text: String = text.trim().chars().take(200).collect();
        let folded = fold(&text);
        (!folded.is_empty()).then(|| Self {
            is_beginning: text.ends_with('*'),
            folded,
            text,
        })
    }

    /// Where it first stands in folded text, from and to in bytes.
    pub(super) fn find(&self, folded: &str) -> Option<(usize, usize)> {
        let is_edge = |at: usize| {
            let bytes = folded.as_bytes();
            at == 0
                || at >= bytes.len()
                || bytes.get(at) == Some(&b' ')
                || bytes.get(at - 1) == Some(&b' ')
        };
        folded
            .match_indices(&self.folded)
            .map(|(at, found)| (at, at + found.len()))
            .find(|(from, to)| is_edge(*from) && (self.is_beginning || is_edge(*to)))
    }
}

/// One term a line; lines without words are left out, and so are doubles.
#[must_use]
pub fn parse_terms<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Term> {
    let mut terms: Vec<Term> = Vec::new();
    for term in lines.into_iter().filter_map(Term::parse) {
        let is_known = terms
            .iter()
            .any(|known| known.folded == term.folded && known.is_beginning == term.is_beginning);
        if !is_known && terms.len() < MOST_TERMS {
            terms.push(term);
        }
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(term: &str, text: &str) -> bool {
        Term::parse(term).unwrap().find(&fold(text)).is_some()
    }

    #[test]
    fn whole_words_are_found_and_beginnings_where_they_are_asked_for() {
        assert!(found("de Vries", "Jan de VRIÈS, burgemeester"));
        assert!(!found("de Vries", "Jan de Vriesman"));
        assert!(found("de Vries*", "Jan de Vriesman"));
        assert!(!found("vries*", "devries"));
        assert!(found("jan@example.nl", "Mail: jan@example.nl."));
    }

    #[test]
    fn lines_without_words_and_doubles_are_left_out() {
        let terms = parse_terms(["Jan", " ", "JAN", "jan*", "--"]);
        assert_eq!(terms.len(), 2);
        assert_eq!(parse_terms(["x"; 3]).len(), 1);
    }
}
