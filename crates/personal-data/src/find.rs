//! What is looked for, and how it is told from what only looks like it.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

/// A kind of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Email,
    Iban,
    Bsn,
    Phone,
}

impl Kind {
    /// What stands in its place.
    #[must_use]
    pub fn mark(self) -> &'static str {
        match self {
            Self::Email => "[e-mail]",
            Self::Iban => "[IBAN]",
            Self::Bsn => "[BSN]",
            Self::Phone => "[tel]",
        }
    }
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub kind: Kind,
    /// Bytes of the text.
    pub range: Range<usize>,
}

/// Whether something of a form is one.
type Test = fn(&str) -> bool;

struct Form {
    kind: Kind,
    looks: Regex,
    is_one: Test,
}

/// In the order in which they go before one another where they overlap.
static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let forms: [(Kind, &str, Test); 4] = [
        (
            Kind::Email,
            r"[A-Za-z0-9._%+'-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}",
            |_| true,
        ),
        (
            Kind::Iban,
            r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",
            is_iban,
        ),
        (
            Kind::Phone,
            r"(?:\+|\b00)[1-9][0-9]{0,2}(?:[ .-]?\(0\))?(?:[ .-]?[0-9]){7,12}\b|\(?\b0[1-9](?:[ .)-]{0,2}[0-9]){8}\b",
            |_| true,
        ),
        (Kind::Bsn, r"\b[0-9](?:[ .-]?[0-9]){7,8}\b", is_bsn),
    ];
    forms
        .into_iter()
        .filter_map(|(kind, form, is_one)| {
            Some(Form {
                kind,
                looks: Regex::new(form).ok()?,
                is_one,
            })
        })
        .collect()
});

/// All that is found, in the order of the text; what overlaps something of a kind that goes before it is left out.
#[must_use]
pub fn find(text: &str) -> Vec<Found> {
    let mut all = Vec::new();
    let mut begin = 0;
    while let Some(length) = text
        .get(begin..)
        .and_then(|rest| crate::segment::first(rest, true))
    {
        let segment = text.get(begin..begin + length).unwrap_or_default();
        all.extend(find_in(segment).into_iter().map(|found| Found {
            range: begin + found.range.start..begin + found.range.end,
            ..found
        }));
        begin += length;
    }
    all
}

/// As [`find`], within one segment.
pub(crate) fn find_in(segment: &str) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    // Most text has neither.
    if !segment
        .bytes()
        .any(|byte| byte == b'@' || byte.is_ascii_digit())
    {
        return all;
    }
    for form in FORMS.iter() {
        for one in form.looks.find_iter(segment) {
            let is_free = all
                .iter()
                .all(|other| one.end() <= other.range.start || other.range.end <= one.start());
            if is_free && (form.is_one)(one.as_str()) {
                all.push(Found {
                    kind: form.kind,
                    range: one.range(),
                });
            }
        }
    }
    all.sort_by_key(|found| found.range.start);
    all
}

/// ISO 7064 MOD 97-10, as ISO 13616 asks of bank accounts; Dutch ones have 18 characters.
fn is_iban(text: &str) -> bool {
    let compact: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    if !(15..=34).contains(&compact.len()) || (compact.starts_with("NL") && compact.len() != 18) {
        return false;
    }
    let Some((country, account)) = compact.split_at_checked(4) else {
        return false;
    };
    let mut rest = 0_u32;
    for c in account.chars().chain(country.chars()) {
        let Some(value) = c.to_digit(36) else {
            return false;
        };
        let shift = if value < 10 { 10 } else { 100 };
        rest = (rest * shift + value) % 97;
    }
    rest == 1
}

/// The test of eleven: nine times the first digit, eight times the second and so on, minus the last, divides by eleven.
fn is_bsn(text: &str) -> bool {
    let mut digits: Vec<i64> = text
        .chars()
        .filter_map(|c| c.to_digit(10).map(i64::from))
        .collect();
    if digits.len() == 8 {
        digits.insert(0, 0);
    }
    let weights = [9, 8, 7, 6, 5, 4, 3, 2, -1];
    let sum: i64 = digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum();
    digits.len() == 9 && digits.iter().any(|digit| *digit != 0) && sum % 11 == 0
}
