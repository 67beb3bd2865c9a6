//! Suggestions: where in the document a term may stand. Simple finders that say what they went by: words of Dutch
//! and English contracts, dates, numbers of days. They propose; a person codes, and two people confirm.

use std::ops::Range;

use chrono::NaiveDate;
use serde::Serialize;

use super::{
    line::Pages,
    passage::{LONGEST_PASSAGE, SHORTEST_PASSAGE, quotation},
    term::{Term, Value},
};
use crate::permissions::{OnWithdrawal, Purpose};

/// At most so many for one term.
const MOST: usize = 3;
/// A sentence that is longer is cut, at a space.
const LONGEST_SENTENCE: usize = 400;

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

/// Words that contracts use for a term. A stem finds what begins with it.
fn stems(term: Term) -> &'static [&'static str] {
    match term {
        Term::Purposes => &[
            "train",
            "finetun",
            "fine-tun",
            "evalu",
            "doel",
            "purpose",
            "gebruik",
            "taalmodel",
            "language model",
        ],
        Term::Prohibited => &[
            "niet toegestaan",
            "verbod",
            "verboden",
            "mag niet",
            "mogen niet",
            "uitgesloten",
            "shall not",
            "may not",
            "prohibit",
            "exclud",
        ],
        Term::Recipients => &[
            "gewichten",
            "weights",
            "consortium",
            "licentienemer",
            "licensee",
            "derden",
            "third part",
            "verstrek",
        ],
        Term::CommercialUse => &[
            "commerci",
            "winst",
            "profit",
            "non-commercial",
            "niet-commercieel",
        ],
        Term::Territories => &[
            "grondgebied",
            "territor",
            "wereldwijd",
            "worldwide",
            "europese unie",
            "european union",
            "nederland",
        ],
        Term::ProcessingLocations => &[
            "verwerkt binnen",
            "verwerking binnen",
            "opslag",
            "opgeslagen",
            "stored",
            "processed in",
            "datacent",
            "data cent",
            "buiten de e",
            "outside the e",
            "eer",
            "eea",
        ],
        Term::ModelFamilies => &[
            "gpt-nl",
            "modelfamilie",
            "model family",
            "modellen",
            "models",
        ],
        Term::ValidFrom => &[
            "ingang",
            "treedt in werking",
            "vanaf",
            "effective",
            "commenc",
            "enters into force",
            "with effect from",
        ],
        Term::ValidUntil => &[
            "tot en met",
            "eindigt",
            "einddatum",
            "looptijd",
            "expire",
            "until",
            "terminat",
            "term of",
        ],
        Term::Attribution => &[
            "naamsvermelding",
            "bronvermelding",
            "vermelding van",
            "vermeldt",
            "attribution",
            "credit",
            "acknowledg",
        ],
        Term::ReportUse => &[
            "rapport",
            "verslag",
            "verantwoord",
            "report",
            "inform",
            "melden",
        ],
        Term::Compensate => &[
            "vergoeding",
            "opbrengst",
            "betal",
            "compensat",
            "revenue",
            "remunerat",
            "royalt",
            "fee",
        ],
        Term::DeleteWithinDays => &[
            "wissen",
            "verwijder",
            "gewist",
            "vernietig",
            "delete",
            "deletion",
            "erase",
            "destroy",
        ],
        Term::OnWithdrawal => &[
            "intrekking",
            "intrekt",
            "ingetrokken",
            "intrekken",
            "opzegging",
            "beëindiging",
            "withdraw",
            "termination",
            "revok",
        ],
    }
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

/// Whether `stem` stands in `text` at the beginning of a word.
fn begins_a_word(text: &str, stem: &str) -> bool {
    text.match_indices(stem).any(|(at, _)| {
        text.get(..at)
            .and_then(|before| before.chars().next_back())
            .is_none_or(|c| !c.is_alphanumeric())
    })
}

/// The sentences of a page, as bytes. A sentence ends at `.`, `;`, `!` or `?` before a space and a capital or a
/// bracket, at a blank after a colon, or where it has grown too long.
fn sentences(text: &str) -> Vec<Range<usize>> {
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

/// What a sentence seems to say, where that is plain enough to propose. `text` is in lower case.
fn value(term: Term, text: &str) -> Option<Value> {
    let has = |stems: &[&str]| stems.iter().any(|stem| begins_a_word(text, stem));
    let denies = has(&["niet", "geen", "not ", "no ", "non-", "zonder", "without"]);
    match term {
        Term::ValidFrom => dates(text).first().copied().map(Value::Day),
        Term::ValidUntil => dates(text).last().copied().map(Value::Day),
        Term::DeleteWithinDays => days(text).map(Value::Days),
        Term::Purposes if !denies => {
            let words: [(Purpose, &[&str]); 5] = [
                (
                    Purpose::Pretraining,
                    &["pretrain", "pre-train", "voortrain"],
                ),
                (Purpose::FineTuning, &["finetun", "fine-tun", "bijtrain"]),
                (Purpose::Evaluation, &["evalu"]),
                (Purpose::SafetyTesting, &["veiligheidstest", "safety test"]),
                (Purpose::RetrievalIndex, &["zoekindex", "retrieval"]),
            ];
            let purposes: Vec<_> = words
                .into_iter()
                .filter(|(_, stems)| has(stems))
                .map(|(purpose, _)| purpose)
                .collect();
            (!purposes.is_empty()).then_some(Value::Purposes(purposes))
        }
        Term::OnWithdrawal => {
            let words: [(OnWithdrawal, &[&str]); 3] = [
                (
                    OnWithdrawal::Retrain,
                    &["opnieuw getraind", "opnieuw train", "retrain"],
                ),
                (
                    OnWithdrawal::Retire,
                    &["buiten gebruik", "retire", "taken out of"],
                ),
                (
                    OnWithdrawal::Keep,
                    &["blijven bestaan", "behouden", "may remain", "keep"],
                ),
            ];
            let mut found = words.into_iter().filter(|(_, stems)| has(stems));
            match (found.next(), found.next()) {
                (Some((one, _)), None) => Some(Value::OnWithdrawal(one)),
                _ => None,
            }
        }
        Term::CommercialUse => denies.then_some(Value::Flag(false)),
        Term::Purposes
        | Term::Prohibited
        | Term::Recipients
        | Term::Territories
        | Term::ProcessingLocations
        | Term::ModelFamilies
        | Term::Attribution
        | Term::ReportUse
        | Term::Compensate => None,
    }
}

const MONTHS: [(&str, &str); 12] = [
    ("januari", "january"),
    ("februari", "february"),
    ("maart", "march"),
    ("april", "april"),
    ("mei", "may"),
    ("juni", "june"),
    ("juli", "july"),
    ("augustus", "august"),
    ("september", "september"),
    ("oktober", "october"),
    ("november", "november"),
    ("december", "december"),
];

/// Dates as contracts write them, in order: "1 januari 2026", "January 1, 2026", "2026-01-01", "1-1-2026".
/// `text` is in lower case. Numbers with dashes or dots are read day first, as the Dutch do.
fn dates(text: &str) -> Vec<NaiveDate> {
    let ends = |c: char| matches!(c, ',' | '.' | ';' | ':');
    let raw: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || matches!(c, '(' | ')'))
        .filter(|word| !word.is_empty())
        .collect();
    let words: Vec<&str> = raw.iter().map(|word| word.trim_end_matches(ends)).collect();
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        // "lid 2, mei 2026": a number before a comma is no day of that month.
        let before = at.checked_sub(1).and_then(|at| raw.get(at));
        let after = words.get(at + 1);
        let further = words.get(at + 2);
        let month = (1..)
            .zip(MONTHS)
            .find(|(_, (nl, en))| word == nl || word == en)
            .map(|(month, _)| month);
        let number = |word: Option<&&str>| {
            word.and_then(|word| {
                word.trim_end_matches(|c: char| c.is_ascii_alphabetic())
                    .parse::<u32>()
                    .ok()
            })
        };
        let date = match month {
            Some(month) => {
                let year = |word| number(word).filter(|year| (1900..2200).contains(year));
                let (day, year) = match (number(before), year(after)) {
                    (Some(day), Some(year)) if day <= 31 => (Some(day), Some(year)),
                    _ => (number(after), year(further)),
                };
                day.zip(year).and_then(|(day, year)| {
                    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
                })
            }
            None => numeric(word),
        };
        found.extend(date);
    }
    found
}

fn numeric(word: &str) -> Option<NaiveDate> {
    let parts: Vec<u32> = word
        .split(['-', '.', '/'])
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    match parts.as_slice() {
        [year, month, day] | [day, month, year] if (1900..2200).contains(year) => {
            NaiveDate::from_ymd_opt(i32::try_from(*year).ok()?, *month, *day)
        }
        _ => None,
    }
}

/// "binnen 30 dagen", "within two months": as days, a month as 30.
fn days(text: &str) -> Option<u32> {
    const NUMBERS: [(&str, u32); 10] = [
        ("één", 1),
        ("een", 1),
        ("one", 1),
        ("twee", 2),
        ("two", 2),
        ("drie", 3),
        ("three", 3),
        ("zes", 6),
        ("six", 6),
        ("dertig", 30),
    ];
    const UNITS: [(&str, u32); 6] = [
        ("dag", 1),
        ("day", 1),
        ("week", 7),
        ("weken", 7),
        ("maand", 30),
        ("month", 30),
    ];
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(2).find_map(|pair| {
        let [count, unit] = pair else { return None };
        let count = count.trim_matches(|c: char| !c.is_alphanumeric());
        let count = count.parse().ok().or_else(|| {
            NUMBERS
                .iter()
                .find(|(word, _)| *word == count)
                .map(|(_, number)| *number)
        })?;
        let (_, in_days) = UNITS.iter().find(|(stem, _)| unit.starts_with(stem))?;
        Some(count.checked_mul(*in_days)?).filter(|days| (1..=3650).contains(days))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{agreements::passage, ids::AgreementDocumentId};

    fn pages(texts: &[&str]) -> Pages {
        Pages {
            document: AgreementDocumentId::fresh(),
            texts: texts.iter().map(|text| passage::tidy(text)).collect(),
        }
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn dates_are_read_as_contracts_write_them() {
        for text in [
            "ingaand op 1 maart 2026.",
            "as of march 1, 2026",
            "op 2026-03-01",
            "per 1-3-2026",
            "1.3.2026",
        ] {
            assert_eq!(dates(text), [day("2026-03-01")], "{text}");
        }
        assert_eq!(dates("artikel 3 lid 2, mei 2026, 31 februari 2026"), []);
        assert_eq!(
            dates("van 1 januari 2026 tot en met 31 december 2028"),
            [day("2026-01-01"), day("2028-12-31")]
        );
    }

    #[test]
    fn terms_of_days_are_read() {
        for (text, found) in [
            ("binnen 30 dagen na intrekking", Some(30)),
            ("within two months of", Some(60)),
            ("binnen drie (3) weken", Some(21)),
            ("zonder onnodige vertraging", None),
        ] {
            assert_eq!(days(text), found, "{text}");
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
        assert_eq!(until[0].value, Some(Value::Day(day("2028-12-31"))));
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

        #[test]
        fn sentences_put_together_are_the_page(text in "([A-Z][a-z ]{0,9}[.;!?\\n ]){0,60}") {
            let whole: String = sentences(&text).into_iter().map(|range| text[range].to_owned()).collect();
            prop_assert_eq!(whole, text);
        }
    }
}
