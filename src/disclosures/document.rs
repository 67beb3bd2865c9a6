//! A document about a model: sections of fields, each with the records that it states. Pure.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{canonical::canonical, kind::Kind};
use crate::{
    ids::ModelId,
    policy::Role,
    web::{Lang, number},
};

/// The edition of the documents' make-up and wording. It changes whenever the same facts would give other bytes,
/// so that a document of an older edition is compared by what it states.
pub const EDITION: u32 = 1;

/// A text in both languages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    pub nl: String,
    pub en: String,
}

impl Words {
    /// As it was written, in whichever language.
    #[must_use]
    pub fn verbatim(text: &str) -> Self {
        Self {
            nl: text.to_owned(),
            en: text.to_owned(),
        }
    }

    /// The text of a key.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self::each(|lang| lang.t(key))
    }

    /// The text of a key with arguments, which may differ a language.
    #[must_use]
    pub fn with(key: &str, args: impl Fn(Lang) -> Vec<(&'static str, String)>) -> Self {
        Self::each(|lang| lang.t_with(key, &args(lang)))
    }

    /// Made for each language.
    #[must_use]
    pub fn each(make: impl Fn(Lang) -> String) -> Self {
        Self {
            nl: make(Lang::Nl),
            en: make(Lang::En),
        }
    }

    /// In one language.
    #[must_use]
    pub fn of_lang(&self, lang: Lang) -> &str {
        match lang {
            Lang::Nl => &self.nl,
            Lang::En => &self.en,
        }
    }
}

/// A record that a statement rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What it is: `dataset_version`, `job`, `verdict`, …; words are `disclosure-source-{kind}`.
    pub kind: String,
    /// Its id; of evidence elsewhere, its address.
    pub id: String,
    /// A path of the pages without the language, or an address elsewhere.
    pub href: String,
}

impl Source {
    /// A record of the portal, shown on a page of it.
    #[must_use]
    pub fn record(kind: &str, id: impl ToString, href: String) -> Self {
        Self {
            kind: kind.to_owned(),
            id: id.to_string(),
            href,
        }
    }

    /// A page elsewhere.
    #[must_use]
    pub fn evidence(url: &str) -> Self {
        Self {
            kind: "evidence".to_owned(),
            id: url.to_owned(),
            href: url.to_owned(),
        }
    }
}

/// For whom a field of the Code of Practice's form is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    AiOffice,
    NationalAuthority,
    Downstream,
}

impl Audience {
    /// The word in texts (`disclosure-audience-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AiOffice => "ai-office",
            Self::NationalAuthority => "national-authority",
            Self::Downstream => "downstream",
        }
    }
}

/// One of several things stated under one head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// What tells it from the others, from version to version.
    pub key: String,
    pub text: Words,
    /// The same for programs.
    pub value: Value,
    pub source: Vec<Source>,
}

/// What a field says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Content {
    /// One thing.
    Stated {
        text: Words,
        /// The same for programs: a number, a word of a fixed set, a date, a text.
        value: Value,
        source: Vec<Source>,
    },
    /// Several things; none is said as none.
    Listed {
        items: Vec<Item>,
        none: Words,
        /// What it rests on that there are none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        source: Vec<Source>,
    },
    /// Nobody has put it on record.
    Missing {
        /// The role that can supply it.
        who: String,
        /// Where: a path of the pages without the language.
        href: String,
    },
}

/// A field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub id: String,
    pub label: Words,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<Audience>,
    pub content: Content,
}

impl Field {
    fn new(id: &str, content: Content) -> Self {
        Self {
            id: id.to_owned(),
            label: Words::of(&format!("disclosure-field-{id}")),
            audience: Vec::new(),
            content,
        }
    }

    /// One that states a thing.
    #[must_use]
    pub fn stated(id: &str, value: impl Into<Value>, text: Words, source: Vec<Source>) -> Self {
        Self::new(
            id,
            Content::Stated {
                text,
                value: value.into(),
                source,
            },
        )
    }

    /// One that lists things; `none` is said where there are none.
    #[must_use]
    pub fn listed(id: &str, items: Vec<Item>, none: Words) -> Self {
        let source = Vec::new();
        Self::new(
            id,
            Content::Listed {
                items,
                none,
                source,
            },
        )
    }

    /// With the records that it rests on where it lists nothing; each item has its own.
    #[must_use]
    pub fn resting_on(mut self, records: Vec<Source>) -> Self {
        if let Content::Listed { items, source, .. } = &mut self.content
            && items.is_empty()
        {
            *source = records;
        }
        self
    }

    /// One that nobody has put on record.
    #[must_use]
    pub fn missing(id: &str, who: Role, href: String) -> Self {
        Self::new(
            id,
            Content::Missing {
                who: who.name().to_owned(),
                href,
            },
        )
    }

    /// Meant for these readers.
    #[must_use]
    pub fn meant_for(mut self, audience: &[Audience]) -> Self {
        self.audience = audience.to_vec();
        self
    }
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// As numbered in the law or template.
    pub id: String,
    pub title: Words,
    pub fields: Vec<Field>,
}

/// A fact that is not on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    pub field: String,
    #[serde(skip)]
    pub label: Words,
    /// The role that can supply it.
    pub who: String,
    /// Where: a path of the pages without the language.
    pub href: String,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Where the JSON Schema is: a path of the portal.
    pub schema: String,
    /// See [`EDITION`].
    pub edition: u32,
    pub kind: Kind,
    pub title: Words,
    /// What it is based on.
    pub based_on: Words,
    pub model: ModelId,
    pub model_name: String,
    /// Which version of the documents about this model, from 1.
    pub version: i32,
    /// The instant as at which every fact was read.
    pub as_at: DateTime<Utc>,
    pub sections: Vec<Section>,
}

impl Document {
    /// Every fact that is not on record, in order.
    #[must_use]
    pub fn missing(&self) -> Vec<Missing> {
        self.sections
            .iter()
            .flat_map(|section| &section.fields)
            .filter_map(|field| match &field.content {
                Content::Missing { who, href } => Some(Missing {
                    field: field.id.clone(),
                    label: field.label.clone(),
                    who: who.clone(),
                    href: href.clone(),
                }),
                Content::Stated { .. } | Content::Listed { .. } => None,
            })
            .collect()
    }

    /// The one text that stands for it: JSON without blanks, names in order of their bytes.
    ///
    /// # Errors
    /// Never in practice: all of it can be written as JSON.
    pub fn canonical(&self) -> Result<String, serde_json::Error> {
        canonical(self)
    }

    /// Whether `other` states the same of the same, whatever the version, date and words.
    #[must_use]
    pub fn states_the_same(&self, other: &Self) -> bool {
        let said = |document: &Self| -> Vec<(String, Value)> {
            document
                .sections
                .iter()
                .flat_map(|section| {
                    section
                        .fields
                        .iter()
                        .map(move |field| (format!("{}/{}", section.id, field.id), said_by(field)))
                })
                .collect()
        };
        self.kind == other.kind && self.model == other.model && said(self) == said(other)
    }
}

/// What a field states, without the words.
fn said_by(field: &Field) -> Value {
    match &field.content {
        Content::Stated { value, source, .. } => {
            serde_json::json!({ "value": value, "source": source })
        }
        Content::Listed { items, .. } => items
            .iter()
            .map(|item| serde_json::json!({ "key": item.key, "value": item.value, "source": item.source }))
            .collect(),
        Content::Missing { .. } => Value::Null,
    }
}

/// A large number as people write it: `1,61 × 10²¹` in Dutch, `1.61 × 10²¹` in English; below a million in full.
#[must_use]
pub(super) fn scientific(lang: Lang, value: f64) -> String {
    if value.abs() < 1e6 {
        return number(lang, value.round() as i64);
    }
    let exponent = value.abs().log10().floor();
    let mut mantissa = format!("{:.2}", value / 10_f64.powf(exponent));
    if lang == Lang::Nl {
        mantissa = mantissa.replace('.', ",");
    }
    let mut text = format!("{mantissa} × 10");
    for digit in format!("{exponent:.0}").chars() {
        let raised = match digit {
            '0' => '⁰',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            _ => '⁹',
        };
        text.push(raised);
    }
    text
}

/// A number with so many decimals: `0,36` in Dutch, `0.36` in English.
#[must_use]
pub(super) fn decimal(lang: Lang, value: f64, decimals: usize) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "{value:.decimals$}");
    match lang {
        Lang::Nl => text.replace('.', ","),
        Lang::En => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(value: f64) -> Document {
        let source = vec![Source::evidence("https://example.org")];
        let field = Field::stated("ratio", value, Words::verbatim("so much"), source);
        Document {
            schema: String::new(),
            edition: EDITION,
            kind: Kind::Modification,
            title: Words::default(),
            based_on: Words::default(),
            model: ModelId(uuid::Uuid::nil()),
            model_name: "tiny".into(),
            version: 1,
            as_at: DateTime::UNIX_EPOCH,
            sections: vec![Section {
                id: "3".into(),
                title: Words::default(),
                fields: vec![field],
            }],
        }
    }

    proptest! {
        /// Otherwise what was frozen would seem to have changed at once.
        #[test]
        fn what_is_read_back_states_what_was_written(value in proptest::num::f64::NORMAL) {
            let written = document(value);
            let read: Document = serde_json::from_str(&written.canonical().unwrap()).unwrap();
            prop_assert!(read.states_the_same(&written));
            prop_assert_eq!(read.canonical().unwrap(), written.canonical().unwrap());
        }
    }

    #[test]
    fn large_numbers_are_read_aloud_in_both_languages() {
        assert_eq!(scientific(Lang::Nl, 1.614e21), "1,61 × 10²¹");
        assert_eq!(scientific(Lang::En, 1.0e23), "1.00 × 10²³");
        assert_eq!(scientific(Lang::Nl, 120_000.0), "120.000");
    }
}
