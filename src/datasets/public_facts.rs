//! What a public summary of training content says of a dataset (AI Act, article 53(1)(d)). Pure.

use std::str::FromStr;

use chrono::NaiveDate;

use super::Details;
use crate::{
    error::Say,
    web::{FieldErrors, Text},
};

/// Where training data come from, in the sections 2.1 to 2.6 of the Commission's template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceCategory {
    /// 2.1: anybody can get it.
    PublicDataset,
    /// 2.2.1: licensed by right holders or those who act for them.
    LicensedRightholder,
    /// 2.2.2: from others, not public.
    PrivateThirdParty,
    /// 2.3: crawled or scraped.
    Crawled,
    /// 2.4: from users of a service.
    UserData,
    /// 2.5: made by a model.
    Synthetic,
    /// 2.6: anything else, for example digitised for this purpose.
    Other,
}

impl SourceCategory {
    /// All, in the template's order.
    pub const ALL: [Self; 7] = [
        Self::PublicDataset,
        Self::LicensedRightholder,
        Self::PrivateThirdParty,
        Self::Crawled,
        Self::UserData,
        Self::Synthetic,
        Self::Other,
    ];

    /// The name in the database and in texts (`source-category-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PublicDataset => "public_dataset",
            Self::LicensedRightholder => "licensed_rightholder",
            Self::PrivateThirdParty => "private_third_party",
            Self::Crawled => "crawled",
            Self::UserData => "user_data",
            Self::Synthetic => "synthetic",
            Self::Other => "other",
        }
    }

    /// Whether the template asks for a description: what is it, how was it collected or made.
    ///
    /// Of public datasets only small ones are described, and of what was crawled each part is asked ([`Details`]).
    #[must_use]
    pub fn needs_collection(self) -> bool {
        match self {
            Self::PrivateThirdParty | Self::UserData | Self::Synthetic | Self::Other => true,
            Self::PublicDataset | Self::LicensedRightholder | Self::Crawled => false,
        }
    }
}

/// A word that names no category.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such category")]
pub struct UnknownCategory;

impl FromStr for SourceCategory {
    type Err = UnknownCategory;

    fn from_str(text: &str) -> Result<Self, UnknownCategory> {
        Self::ALL
            .into_iter()
            .find(|one| one.name() == text)
            .ok_or(UnknownCategory)
    }
}

/// Kinds of text that may be named; the words of texts are `content-type-{name}`.
pub const CONTENT_TYPES: [&str; 10] = [
    "fiction",
    "non_fiction",
    "scientific",
    "press",
    "legal",
    "government",
    "educational",
    "conversation",
    "software",
    "other",
];

/// What was stated; what is none or empty was not.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct PublicFacts {
    /// Where the data come from.
    pub source_category: Option<SourceCategory>,
    /// Names of [`CONTENT_TYPES`], in that order.
    pub content_types: Vec<String>,
    /// First day of the month in which the last of it was acquired.
    pub acquired_until: Option<NaiveDate>,
    /// ISO 639 codes.
    pub languages: Vec<String>,
    /// What it is and how it was collected or made, at most 5000 characters.
    pub collection: String,
    /// What else marks it, such as region, period and groups; at most 2000 characters.
    pub characteristics: String,
    /// What some categories are asked alone.
    pub details: Details,
}

/// The same as it was typed or sent.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct RawPublicFacts {
    pub source_category: String,
    pub content_types: Vec<String>,
    /// `2026-03`.
    pub acquired_until: String,
    /// Codes with commas or blanks between.
    pub languages: String,
    pub collection: String,
    pub characteristics: String,
    pub address: String,
    pub crawlers: String,
    pub crawl_purpose: String,
    pub crawl_conduct: String,
    /// `2026-03`, as is the next.
    pub crawl_from: String,
    pub crawl_until: String,
    pub crawl_sites: String,
    pub crawl_domain_count: String,
    /// One a line.
    pub crawl_domains: String,
    /// `yes` or `no`, as is the next.
    pub users_of_models: String,
    pub users_of_services: String,
    /// One a line: name, a bar, address.
    pub models: String,
}

/// A month as it is typed, `2026-03`: its first day. None where nothing is typed.
pub(super) fn month(errors: &mut FieldErrors, field: &'static str, raw: &str) -> Option<NaiveDate> {
    let month = raw.trim();
    if month.is_empty() {
        return None;
    }
    let day = NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d").ok();
    if day.is_none() {
        errors.add(field, Say::new("public-facts-month-invalid"));
    }
    day
}

/// The same as it stands in the form.
pub(super) fn month_text(day: Option<NaiveDate>) -> String {
    day.map_or_else(String::new, |day| day.format("%Y-%m").to_string())
}

impl PublicFacts {
    /// Checks what was typed. Everything may be left out, and is missing then.
    ///
    /// # Errors
    /// Everything that is wrong, by field.
    pub fn parse(raw: &RawPublicFacts) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let source_category = match raw.source_category.as_str() {
            "" => None,
            word => errors.choice("source_category", word.parse().ok()),
        };
        let is_known = |name: &String| CONTENT_TYPES.contains(&name.as_str());
        if !raw.content_types.iter().all(is_known) {
            errors.add("content_types", Say::new("field-choice"));
        }
        let acquired_until = month(&mut errors, "acquired_until", &raw.acquired_until);
        let languages: Vec<String> = raw
            .languages
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|code| !code.is_empty())
            .map(str::to_lowercase)
            .collect();
        let is_code = |code: &String| {
            (2..=3).contains(&code.len()) && code.chars().all(|c| c.is_ascii_lowercase())
        };
        if !languages.iter().all(is_code) || languages.len() > 50 {
            errors.add("languages", Say::new("datasets-language-invalid"));
        }
        let bounds = Text {
            least: 0,
            most: 5000,
        };
        let collection = errors.text("collection", &raw.collection, bounds);
        let bounds = Text {
            least: 0,
            most: 2000,
        };
        let characteristics = errors.text("characteristics", &raw.characteristics, bounds);
        let details = Details::parse(&mut errors, raw);
        errors.into_result(Self {
            source_category,
            content_types: CONTENT_TYPES
                .iter()
                .filter(|name| raw.content_types.iter().any(|given| given == *name))
                .map(|name| (*name).to_owned())
                .collect(),
            acquired_until,
            languages,
            collection,
            characteristics,
            details,
        })
    }

    /// As it stands in the form.
    #[must_use]
    pub fn to_raw(&self) -> RawPublicFacts {
        let mut raw = RawPublicFacts {
            source_category: self
                .source_category
                .map_or_else(String::new, |one| one.name().to_owned()),
            content_types: self.content_types.clone(),
            acquired_until: month_text(self.acquired_until),
            languages: self.languages.join(", "),
            collection: self.collection.clone(),
            characteristics: self.characteristics.clone(),
            ..RawPublicFacts::default()
        };
        self.details.fill(&mut raw);
        raw
    }

    /// Whether nothing was stated at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> RawPublicFacts {
        RawPublicFacts {
            source_category: "other".into(),
            content_types: vec!["legal".into(), "fiction".into()],
            acquired_until: "2026-03".into(),
            languages: "NL, fy".into(),
            collection: "Gedigitaliseerd in de studiezaal.".into(),
            characteristics: "Waterland, 1950 tot 1980.".into(),
            ..RawPublicFacts::default()
        }
    }

    #[test]
    fn what_was_stated_comes_back_in_one_order() {
        let facts = PublicFacts::parse(&raw()).unwrap();
        assert_eq!(facts.content_types, ["fiction", "legal"]);
        assert_eq!(facts.languages, ["nl", "fy"]);
        assert_eq!(PublicFacts::parse(&facts.to_raw()), Ok(facts));
    }

    #[test]
    fn nothing_stated_is_no_error() {
        let facts = PublicFacts::parse(&RawPublicFacts::default()).unwrap();
        assert!(facts.is_empty());
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = RawPublicFacts {
            source_category: "found".into(),
            content_types: vec!["poems".into()],
            acquired_until: "March".into(),
            languages: "dutch".into(),
            collection: "x".repeat(5001),
            characteristics: "x".repeat(2001),
            ..RawPublicFacts::default()
        };
        let errors = PublicFacts::parse(&wrong).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|(field, _)| *field).collect();
        assert_eq!(
            fields,
            [
                "source_category",
                "content_types",
                "acquired_until",
                "languages",
                "collection",
                "characteristics"
            ]
        );
    }
}
