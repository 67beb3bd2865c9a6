//! Purposes, recipients, places and days by their names, and lists of them.

use chrono::{Datelike as _, NaiveDate};

use super::super::{Purpose, Recipients, Territory};
use crate::web::Lang;

pub(super) fn key(name: &str) -> String {
    name.replace('_', "-")
}

pub(super) fn purpose(lang: Lang, purpose: Purpose) -> String {
    lang.t(&format!("purpose-{}", key(purpose.name())))
}

pub(super) fn purposes(lang: Lang, purposes: &[Purpose]) -> String {
    let words: Vec<_> = purposes.iter().map(|one| purpose(lang, *one)).collect();
    list(lang, &words)
}

/// As [`purposes`], for what is not allowed: joined with "or".
pub(super) fn or(lang: Lang, purposes: &[Purpose]) -> String {
    let words: Vec<_> = purposes.iter().map(|one| purpose(lang, *one)).collect();
    joined(&words, &lang.t("list-or"))
}

pub(super) fn recipients(lang: Lang, recipients: Recipients) -> String {
    lang.t(&format!("recipients-{}", key(recipients.name())))
}

/// A place by its name where it has one in the texts, else by its code.
#[must_use]
pub fn place(lang: Lang, place: Territory) -> String {
    let code = place.to_string();
    let key = format!("territory-{}", code.to_lowercase());
    let name = lang.t(&key);
    if name.contains(&key) { code } else { name }
}

pub(super) fn places(lang: Lang, places: &[Territory]) -> String {
    let words: Vec<_> = places.iter().map(|one| place(lang, *one)).collect();
    list(lang, &words)
}

pub(super) fn within(lang: Lang, allowed: &[Territory]) -> String {
    if allowed.is_empty() {
        lang.t("permission-anywhere")
    } else {
        lang.t_with("permission-within", &[("places", places(lang, allowed))])
    }
}

pub(super) fn list(lang: Lang, words: &[String]) -> String {
    joined(words, &lang.t("list-and"))
}

pub(super) fn joined(words: &[String], last_word: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {last_word} {last}", first.join(", ")),
    }
}

pub(super) fn date(lang: Lang, date: NaiveDate) -> String {
    let month = lang.t(&format!("month-{}", date.month()));
    format!("{} {month} {}", date.day(), date.year())
}
