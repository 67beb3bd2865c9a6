//! Numbers, sizes and moments as people write them.

use chrono::{DateTime, Datelike as _, Utc};
use chrono_tz::Europe::Amsterdam;

use super::lang::Lang;

/// A moment near `now` in words ("vandaag 14:20"), else as a date; Dutch time.
#[must_use]
pub fn moment(lang: Lang, now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let (now, at) = (now.with_timezone(&Amsterdam), at.with_timezone(&Amsterdam));
    let time = at.format("%H:%M").to_string();
    let days = (at.date_naive() - now.date_naive()).num_days();
    let key = match days {
        0 => Some("moment-today"),
        -1 => Some("moment-yesterday"),
        1 => Some("moment-tomorrow"),
        _ => None,
    };
    if let Some(key) = key {
        return lang.t_with(key, &[("time", time)]);
    }
    let month = lang.t(&format!("month-{}", at.month()));
    let date = format!("{} {month} {}", at.day(), at.year());
    if days.abs() < 7 {
        format!("{date}, {time}")
    } else {
        date
    }
}

/// A day with its month in words ("25 november 2026"); Dutch time.
#[must_use]
pub fn day(lang: Lang, at: DateTime<Utc>) -> String {
    let at = at.with_timezone(&Amsterdam);
    let month = lang.t(&format!("month-{}", at.month()));
    format!("{} {month} {}", at.day(), at.year())
}

/// A whole number with the thousands apart: 12.345 in Dutch, 12,345 in English.
#[must_use]
pub fn number(lang: Lang, value: i64) -> String {
    let mark = match lang {
        Lang::Nl => '.',
        Lang::En => ',',
    };
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(mark);
        }
        text.push(digit);
    }
    if value < 0 { format!("-{text}") } else { text }
}

/// A size in the unit that reads best; decimal units.
#[must_use]
pub fn bytes(lang: Lang, value: i64) -> String {
    const UNITS: [&str; 4] = ["B", "kB", "MB", "GB"];
    let mut size = value as f64;
    let mut units = UNITS.iter();
    let mut unit = units.next().unwrap_or(&"B");
    while size >= 1000.0
        && let Some(next) = units.next()
    {
        size /= 1000.0;
        unit = next;
    }
    if *unit == "B" {
        return format!("{value} B");
    }
    let text = format!("{size:.1}");
    match lang {
        Lang::Nl => format!("{} {unit}", text.replace('.', ",")),
        Lang::En => format!("{text} {unit}"),
    }
}

/// The first twelve signs of a hash.
#[must_use]
pub fn short_hash(hash: &str) -> String {
    hash.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        assert_eq!(number(Lang::Nl, 1_234_567), "1.234.567");
        assert_eq!(number(Lang::En, -1_234), "-1,234");
        assert_eq!(number(Lang::En, 12), "12");
    }

    #[test]
    fn sizes_take_the_unit_that_reads_best() {
        assert_eq!(bytes(Lang::Nl, 98_362_432), "98,4 MB");
        assert_eq!(bytes(Lang::En, 512), "512 B");
    }

    #[test]
    fn today_is_today_in_the_netherlands() {
        let now = DateTime::from_timestamp(1_795_475_400, 0).unwrap();
        let text = moment(Lang::Nl, now, now);
        assert!(text.starts_with("vandaag"), "{text}");
    }
}
