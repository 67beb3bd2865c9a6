//! Dates and terms of days, as contracts write them in Dutch and English.

use chrono::NaiveDate;

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
pub(super) fn dates(text: &str) -> Vec<NaiveDate> {
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
pub(super) fn days(text: &str) -> Option<u32> {
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
    use super::*;

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
}
