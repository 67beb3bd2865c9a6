//! Suggestions: where in the document a term may stand. Simple finders that say what they went by: words of Dutch
//! and English contracts, dates, numbers of days. They propose; a person codes, and two people confirm.

mod dates;
mod sentences;
mod stems;
mod value;

use serde::Serialize;

use self::{
    sentences::sentences,
    stems::{begins_a_word, stems},
    value::value,
};
use super::{
    line::Pages,
    passage::{LONGEST_PASSAGE, SHORTEST_PASSAGE, quotation},
    term::{Term, Value},
};

/// At most so many for one term.
const MOST: usize = 3;

/// A place in the document where a term may stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// From 1.
    pub page: i32,
    /// Quoted from that page.
    pub passage: String,
    /// The words that it was found by.
    pub found_by: Vec<String>,
    /// A value that the passage seems to say, where a finder dares.
    pub value: Option<Value>,
}

/// The best places for `term`: the sentences with most of its words, earlier pages first among equals.
#[must_use]
pub fn suggest(term: Term, pages: &Pages) -> Vec<Suggestion> {
    let mut found: Vec<(usize, Suggestion)> = Vec::new();
    for (number, text) in (1..).zip(&pages.texts) {
        for range in sentences(text) {
            let Some(sentence) = text.get(range) else {
                continue;
            };
            let passage = quotation(sentence);
            let length = passage.chars().count();
            if !(SHORTEST_PASSAGE..=LONGEST_PASSAGE).contains(&length) {
                continue;
            }
            let lower = passage.to_lowercase();
            let found_by: Vec<String> = stems(term)
                .iter()
                .filter(|stem| begins_a_word(&lower, stem))
                .map(|stem| (*stem).to_owned())
                .collect();
            if found_by.is_empty() {
                continue;
            }
            let value = value(term, &lower);
            // A date beside "ingang" is worth more than another word.
            let score = found_by.len() + if value.is_some() { 2 } else { 0 };
            found.push((
                score,
                Suggestion {
                    page: number,
                    passage,
                    found_by,
                    value,
                },
            ));
        }
    }
    // Stable: pages stay in order among equals.
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    found.into_iter().take(MOST).map(|(_, one)| one).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{agreements::passage, ids::AgreementDocumentId, permissions::Purpose};

    fn pages(texts: &[&str]) -> Pages {
        Pages {
            document: AgreementDocumentId::fresh(),
            texts: texts.iter().map(|text| passage::tidy(text)).collect(),
        }
    }

    #[test]
    fn a_term_is_found_on_its_page_with_the_words_it_was_found_by() {
        let pages = pages(&[
            "Overeenkomst tussen A en B. Partijen spreken af wat volgt.",
            "Artikel 2. De data mag gebruikt worden om taalmodellen te finetunen en te evalueren.\n\
             Artikel 3. Deze overeenkomst gaat in op 1 januari 2026 en eindigt op 31 december 2028.",
        ]);
        let found = suggest(Term::Purposes, &pages);
        assert_eq!(found[0].page, 2);
        assert!(found[0].passage.contains("finetunen en te evalueren"));
        let wanted = Value::Purposes(vec![Purpose::FineTuning, Purpose::Evaluation]);
        assert_eq!(found[0].value, Some(wanted));
        assert!(found[0].found_by.contains(&"finetun".to_owned()));
        let until = suggest(Term::ValidUntil, &pages);
        assert_eq!(
            until[0].value,
            Some(Value::Day("2028-12-31".parse().unwrap()))
        );
        assert_eq!(suggest(Term::Compensate, &pages), []);
    }

    #[test]
    fn english_is_read_too() {
        let pages = pages(&[
            "The Licensee shall delete all copies within 14 days after withdrawal. Commercial use is not permitted.",
        ]);
        assert_eq!(
            suggest(Term::DeleteWithinDays, &pages)[0].value,
            Some(Value::Days(14))
        );
        assert_eq!(
            suggest(Term::CommercialUse, &pages)[0].value,
            Some(Value::Flag(false))
        );
    }

    proptest! {
        #[test]
        fn what_is_proposed_stands_on_its_page(text in "(train|dagen|1 mei 2026|winst|[A-Za-zé .;\\n]){0,120}") {
            let pages = pages(&[&text]);
            for term in Term::ALL {
                for one in suggest(*term, &pages) {
                    prop_assert!(passage::find(&pages.texts[0], &one.passage).is_some());
                }
            }
        }
    }
}
