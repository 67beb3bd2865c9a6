//! Dutch and English: which one, and the texts.

use std::{borrow::Cow, collections::HashMap, fmt, str::FromStr, sync::LazyLock};

use fluent_templates::{Loader as _, fluent_bundle::FluentValue};
use unic_langid::{LanguageIdentifier, langid};

use crate::error::Say;

fluent_templates::static_loader! {
    static TEXTS = {
        locales: "./locales",
        fallback_language: "en",
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

static NL: LazyLock<LanguageIdentifier> = LazyLock::new(|| langid!("nl"));
static EN: LazyLock<LanguageIdentifier> = LazyLock::new(|| langid!("en"));

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// Dutch, the first language.
    Nl,
    /// English.
    En,
}

impl Lang {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Nl, Self::En];

    /// As in paths and in `<html lang>`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Nl => "nl",
            Self::En => "en",
        }
    }

    fn id(self) -> &'static LanguageIdentifier {
        match self {
            Self::Nl => &NL,
            Self::En => &EN,
        }
    }

    /// The text of `key`; the key itself, marked, where there is none (a test keeps that from happening).
    #[must_use]
    pub fn t(self, key: &str) -> String {
        TEXTS
            .try_lookup(self.id(), key)
            .unwrap_or_else(|| format!("⟨{key}⟩"))
    }

    /// The text of `key` with named arguments; numbers take part in plurals.
    #[must_use]
    pub fn t_with(self, key: &str, args: &[(&'static str, String)]) -> String {
        self.fill(
            key,
            args.iter()
                .map(|(name, value)| (Cow::Borrowed(*name), value.clone())),
        )
    }

    /// As [`Lang::t_with`], for arguments whose names are data.
    #[must_use]
    pub fn t_named(self, key: &str, args: Vec<(String, String)>) -> String {
        self.fill(
            key,
            args.into_iter()
                .map(|(name, value)| (Cow::Owned(name), value)),
        )
    }

    fn fill(self, key: &str, args: impl Iterator<Item = (Cow<'static, str>, String)>) -> String {
        let args: HashMap<Cow<'static, str>, FluentValue<'_>> = args
            .map(|(name, value)| {
                // Whole numbers only: "1.000" is a thousand that is already written in Dutch.
                let value = match value.parse::<i64>() {
                    Ok(number) => FluentValue::from(number),
                    Err(_) => FluentValue::from(value),
                };
                (name, value)
            })
            .collect();
        TEXTS
            .try_lookup_with_args(self.id(), key, &args)
            .unwrap_or_else(|| format!("⟨{key}⟩"))
    }

    /// A sentence for people.
    #[must_use]
    pub fn say(self, say: &Say) -> String {
        self.t_with(say.key, &say.args)
    }

    /// The best of what a browser says it reads (RFC 9110, 12.5.4); Dutch where it says nothing.
    #[must_use]
    pub fn accepted(header: Option<&str>) -> Self {
        let mut best = (0.0_f32, Self::Nl);
        for item in header.unwrap_or_default().split(',').take(20) {
            let (tag, weight) = item.split_once(";q=").unwrap_or((item, "1"));
            let weight: f32 = weight.trim().parse().unwrap_or(0.0);
            let primary = tag.trim().split('-').next().unwrap_or_default();
            if let Ok(lang) = primary.to_ascii_lowercase().parse()
                && weight > best.0
            {
                best = (weight, lang);
            }
        }
        best.1
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl PartialEq<str> for Lang {
    fn eq(&self, other: &str) -> bool {
        self.code() == other
    }
}

impl PartialEq<&str> for Lang {
    fn eq(&self, other: &&str) -> bool {
        self.code() == *other
    }
}

/// A language that the pages are not in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are no pages in this language")]
pub struct UnknownLanguage;

impl FromStr for Lang {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        match text {
            "nl" => Ok(Self::Nl),
            "en" => Ok(Self::En),
            _ => Err(UnknownLanguage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_written_out_stays_as_it_is() {
        let args = [("used", "21".into()), ("limit", "1.000".into())];
        assert_eq!(
            Lang::Nl.t_with("key-used-today", &args),
            "21 van 1.000 tokens"
        );
    }

    #[test]
    fn the_browsers_order_decides() {
        assert_eq!(Lang::accepted(Some("en-GB,en;q=0.9,nl;q=0.8")), Lang::En);
        assert_eq!(Lang::accepted(Some("de,nl;q=0.5")), Lang::Nl);
        assert_eq!(Lang::accepted(None), Lang::Nl);
    }
}
