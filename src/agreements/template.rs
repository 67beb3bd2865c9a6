//! Templates for the common cases: data files that say, for each term, a value and the reason for it.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use super::{
    agreement::Kind,
    term::{Term, Value},
};
use crate::{permissions::Layer, web::Lang};

/// The files in `templates/`, in the order in which they are offered.
const FILES: [(&str, &str); 10] = [
    ("cca", include_str!("templates/cca.toml")),
    ("cc0-1.0", include_str!("templates/cc0-1.0.toml")),
    ("cc-by-4.0", include_str!("templates/cc-by-4.0.toml")),
    ("cc-by-sa-4.0", include_str!("templates/cc-by-sa-4.0.toml")),
    ("cc-by-nc-4.0", include_str!("templates/cc-by-nc-4.0.toml")),
    ("cc-by-nd-4.0", include_str!("templates/cc-by-nd-4.0.toml")),
    (
        "cc-by-nc-sa-4.0",
        include_str!("templates/cc-by-nc-sa-4.0.toml"),
    ),
    (
        "cc-by-nc-nd-4.0",
        include_str!("templates/cc-by-nc-nd-4.0.toml"),
    ),
    (
        "auteurswet-11",
        include_str!("templates/auteurswet-11.toml"),
    ),
    (
        "auteurswet-15b",
        include_str!("templates/auteurswet-15b.toml"),
    ),
];

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    pub nl: String,
    pub en: String,
}

impl Words {
    /// In `lang`.
    #[must_use]
    pub fn of(&self, lang: Lang) -> &str {
        match lang {
            Lang::Nl => &self.nl,
            Lang::En => &self.en,
        }
    }

    /// As it is kept with a line: both languages, a line each.
    #[must_use]
    pub fn stored(&self) -> String {
        format!("{}\n{}", self.nl, self.en)
    }
}

/// A reason that was kept with a line, in `lang` where it came from a template, else as it was typed.
#[must_use]
pub(super) fn kept_reason(stored: &str, lang: Lang) -> &str {
    match (stored.split_once('\n'), lang) {
        (Some((nl, _)), Lang::Nl) => nl,
        (Some((_, en)), Lang::En) => en,
        (None, Lang::Nl | Lang::En) => stored,
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTerm {
    /// As [`Term::read`] takes it; left out where a person must code the term.
    value: Option<toml::Value>,
    nl: String,
    en: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    kind: Kind,
    layers: Vec<Layer>,
    title: Words,
    about: Words,
    /// The text of law or licence; present: no document needs to be signed.
    source_url: Option<String>,
    terms: BTreeMap<Term, FileTerm>,
}

/// What a template says of a term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggested {
    /// None: a person must code it.
    pub value: Option<Value>,
    /// Why; where there is no value, what a person must look at.
    pub reason: Words,
}

/// A common case.
#[derive(Debug, Clone)]
pub struct Template {
    /// Its name in addresses and in the database.
    pub name: &'static str,
    pub kind: Kind,
    pub layers: Vec<Layer>,
    pub title: Words,
    pub about: Words,
    /// The text of law or licence; present: no document needs to be signed.
    pub source_url: Option<String>,
    pub terms: BTreeMap<Term, Suggested>,
}

/// A template's file that cannot be used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    #[error("{0:?} has a value it cannot have")]
    Value(Term),
}

static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| {
    FILES
        .iter()
        .filter_map(|(name, text)| match read(name, text) {
            Ok(template) => Some(template),
            Err(error) => {
                tracing::error!(name, %error, "a template cannot be used");
                None
            }
        })
        .collect()
});

fn read(name: &'static str, text: &str) -> Result<Template, Unusable> {
    let file: File = toml::from_str(text)?;
    let mut terms = BTreeMap::new();
    for (term, said) in file.terms {
        let value = match said.value {
            None => None,
            Some(value) => {
                let json = serde_json::to_value(value).map_err(|_| Unusable::Value(term))?;
                Some(term.read(&json).map_err(|_| Unusable::Value(term))?)
            }
        };
        let reason = Words {
            nl: said.nl,
            en: said.en,
        };
        terms.insert(term, Suggested { value, reason });
    }
    Ok(Template {
        name,
        kind: file.kind,
        layers: file.layers,
        title: file.title,
        about: file.about,
        source_url: file.source_url,
        terms,
    })
}

/// All of them, in the order in which they are offered.
#[must_use]
pub fn all() -> &'static [Template] {
    &TEMPLATES
}

/// The template of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Template> {
    all().iter().find(|template| template.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_can_be_read_and_speaks_of_every_term() {
        for (name, text) in FILES {
            let template = read(name, text).unwrap_or_else(|error| panic!("{name}: {error}"));
            for term in Term::ALL {
                let said = template.terms.get(term);
                let said = said.unwrap_or_else(|| panic!("{name} says nothing of {term:?}"));
                assert!(!said.reason.nl.is_empty() && !said.reason.en.is_empty());
            }
        }
    }

    #[test]
    fn only_the_contributor_agreement_needs_a_signature() {
        for template in all() {
            let is_signed = template.source_url.is_none();
            assert_eq!(
                is_signed,
                template.kind == Kind::Contributor,
                "{}",
                template.name
            );
        }
    }

    #[test]
    fn a_licence_against_profit_or_adaptation_is_coded_so() {
        for template in all() {
            let value = |term| template.terms[&term].value.clone();
            if template.name.contains("-nc") {
                assert_eq!(
                    value(Term::CommercialUse),
                    Some(Value::Flag(false)),
                    "{}",
                    template.name
                );
            }
            // Whether training makes an adaptation is for people to say: never coded for an ND licence.
            let is_nd = template.name.contains("-nd");
            assert_eq!(
                value(Term::Purposes).is_none(),
                is_nd || template.name == "cca",
                "{}",
                template.name
            );
        }
    }
}
