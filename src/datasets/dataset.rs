//! What is known of a dataset: its facts and its newest version.

use std::str::FromStr;

use chrono::{DateTime, Utc};

use super::{RawPublicFacts, Status};
use crate::{
    error::Say,
    ids::{DatasetId, DatasetVersionId, InstitutionId, UserId},
    policy::Scope,
    web::{FieldErrors, Text},
};

/// Who may see the data, in the words of the institution that owns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidentiality {
    /// Anybody.
    Public,
    /// The partners of the platform.
    Internal,
    /// Those who need it for an agreed purpose.
    Confidential,
}

impl Confidentiality {
    /// All, from open to closed.
    pub const ALL: [Self; 3] = [Self::Public, Self::Internal, Self::Confidential];

    /// The name in the database and in texts (`datasets-confidentiality-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
        }
    }
}

/// A word that names no confidentiality.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such confidentiality")]
pub struct UnknownConfidentiality;

impl FromStr for Confidentiality {
    type Err = UnknownConfidentiality;

    fn from_str(text: &str) -> Result<Self, UnknownConfidentiality> {
        Self::ALL
            .into_iter()
            .find(|one| one.name() == text)
            .ok_or(UnknownConfidentiality)
    }
}

/// What an institution says of its dataset; every field within its bounds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Facts {
    /// 1 to 200 characters.
    pub title: String,
    /// At most 5000 characters.
    pub description: String,
    /// ISO 639 code of two or three letters.
    pub language: String,
    /// An SPDX id, or words for what is agreed; kept as it was written.
    pub license: String,
    /// Where the data come from.
    pub source: String,
    /// Who holds the rights.
    pub right_holder: String,
    /// The legal basis, where there are personal data in it.
    pub personal_data_basis: Option<String>,
    /// Who may see the data.
    pub confidentiality: Confidentiality,
}

/// The facts as they were typed or sent.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct RawFacts {
    pub title: String,
    pub description: String,
    pub language: String,
    pub license: String,
    pub source: String,
    pub right_holder: String,
    /// `yes` or `no`.
    pub personal_data: String,
    pub personal_data_basis: String,
    pub confidentiality: String,
    /// The rest is what public summaries say of any dataset, see [`RawPublicFacts`]; what some kinds of sources are
    /// asked alone is stated by `public-facts`.
    pub source_category: String,
    pub content_types: Vec<String>,
    pub acquired_until: String,
    pub languages: String,
    pub collection: String,
    pub characteristics: String,
}

impl RawFacts {
    /// The part that public summaries use.
    #[must_use]
    pub fn public(&self) -> RawPublicFacts {
        RawPublicFacts {
            source_category: self.source_category.clone(),
            content_types: self.content_types.clone(),
            acquired_until: self.acquired_until.clone(),
            languages: self.languages.clone(),
            collection: self.collection.clone(),
            characteristics: self.characteristics.clone(),
            ..RawPublicFacts::default()
        }
    }

    /// With what was stated for public summaries.
    #[must_use]
    pub fn with_public(self, public: RawPublicFacts) -> Self {
        Self {
            source_category: public.source_category,
            content_types: public.content_types,
            acquired_until: public.acquired_until,
            languages: public.languages,
            collection: public.collection,
            characteristics: public.characteristics,
            ..self
        }
    }
}

impl Facts {
    /// Checks what was typed.
    ///
    /// # Errors
    /// Everything that is wrong, by field.
    pub fn parse(raw: &RawFacts) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let bounds = |least, most| Text { least, most };
        let title = errors.text("title", &raw.title, bounds(1, 200));
        let description = errors.text("description", &raw.description, bounds(1, 5000));
        let language = raw.language.trim().to_lowercase();
        let is_code =
            (2..=3).contains(&language.len()) && language.chars().all(|c| c.is_ascii_lowercase());
        if !is_code {
            errors.add("language", Say::new("datasets-language-invalid"));
        }
        let license = errors.text("license", &raw.license, bounds(1, 100));
        let source = errors.text("source", &raw.source, bounds(1, 500));
        let right_holder = errors.text("right_holder", &raw.right_holder, bounds(1, 200));
        let has_personal_data = match raw.personal_data.as_str() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        let has_personal_data = errors.choice("personal_data", has_personal_data);
        let personal_data_basis = if has_personal_data == Some(true) {
            Some(errors.text(
                "personal_data_basis",
                &raw.personal_data_basis,
                bounds(1, 500),
            ))
        } else {
            None
        };
        let confidentiality = errors.choice("confidentiality", raw.confidentiality.parse().ok());
        errors.into_result(Self {
            title,
            description,
            language,
            license,
            source,
            right_holder,
            personal_data_basis,
            confidentiality: confidentiality.unwrap_or(Confidentiality::Confidential),
        })
    }

    /// Whether the facts that rights and privacy are decided upon are those of `before`.
    #[must_use]
    pub(super) fn keeps_what_reviews_rely_on(&self, before: &Self) -> bool {
        self.license == before.license
            && self.right_holder == before.right_holder
            && self.personal_data_basis == before.personal_data_basis
            && self.confidentiality == before.confidentiality
    }

    /// As it stands in the form.
    #[must_use]
    pub fn to_raw(&self) -> RawFacts {
        RawFacts {
            title: self.title.clone(),
            description: self.description.clone(),
            language: self.language.clone(),
            license: self.license.clone(),
            source: self.source.clone(),
            right_holder: self.right_holder.clone(),
            personal_data: if self.personal_data_basis.is_some() {
                "yes"
            } else {
                "no"
            }
            .to_owned(),
            personal_data_basis: self.personal_data_basis.clone().unwrap_or_default(),
            confidentiality: self.confidentiality.name().to_owned(),
            ..RawFacts::default()
        }
    }
}

/// One version of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its id.
    pub id: DatasetVersionId,
    /// From 1.
    pub number: i32,
    /// Where it stands.
    pub status: Status,
    /// SHA-256 over the sorted list of its files; from the first submission on.
    pub manifest_sha256: Option<String>,
    /// Who submitted it last.
    pub submitted_by: Option<UserId>,
    /// When it was submitted last.
    pub submitted_at: Option<DateTime<Utc>>,
    /// When it was last returned, rejected or approved.
    pub decided_at: Option<DateTime<Utc>>,
}

/// A dataset with its newest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Its id.
    pub id: DatasetId,
    /// Whose it is.
    pub institution: InstitutionId,
    /// The name of that institution.
    pub institution_name: String,
    /// What is said of it.
    pub facts: Facts,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// Its newest version.
    pub version: Version,
    /// Whether any of its versions is approved: every signed-in partner may see it then.
    pub is_published: bool,
}

impl Dataset {
    /// What the rules of authorisation look at.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let mut scope = Scope::of(self.institution).requested_by(self.version.submitted_by);
        scope.is_published = self.is_published;
        scope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> RawFacts {
        RawFacts {
            title: "Raadsnotulen".into(),
            description: "Notulen van de raad".into(),
            language: "NL".into(),
            license: "CC0-1.0".into(),
            source: "eigen archief".into(),
            right_holder: "Archief Waterland".into(),
            personal_data: "no".into(),
            personal_data_basis: String::new(),
            confidentiality: "internal".into(),
            ..RawFacts::default()
        }
    }

    #[test]
    fn good_facts_pass_and_come_back_as_typed() {
        let facts = Facts::parse(&raw()).unwrap();
        assert_eq!(facts.language, "nl");
        assert_eq!(Facts::parse(&facts.to_raw()), Ok(facts));
    }

    #[test]
    fn personal_data_need_a_basis() {
        let wrong = RawFacts {
            personal_data: "yes".into(),
            ..raw()
        };
        let errors = Facts::parse(&wrong).unwrap_err();
        assert_eq!(
            errors.of("personal_data_basis").map(|say| say.key),
            Some("field-required")
        );
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let wrong = RawFacts {
            title: "x".repeat(201),
            language: "dutch".into(),
            personal_data: "perhaps".into(),
            confidentiality: "secret".into(),
            ..raw()
        };
        let errors = Facts::parse(&wrong).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|(field, _)| *field).collect();
        assert_eq!(
            fields,
            ["title", "language", "personal_data", "confidentiality"]
        );
    }
}
