//! What somebody outside asks: the form as it was filled in, and as it can be trusted.

use serde::{Deserialize, Serialize};

use crate::{
    error::Say,
    web::{FieldErrors, Lang, Text},
};

macro_rules! names {
    ($name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in the database and in texts.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownName),
                }
            }
        }
    };
}
pub(super) use names;

/// A word that stands for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such word")]
pub struct UnknownName;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What is known of me? (GDPR, art. 15)
    Access,
    /// What is said of me is wrong. (art. 16)
    Rectification,
    /// Take out what is said of me. (art. 17)
    Erasure,
    /// I object to this use. (art. 21)
    Objection,
    /// A work of mine is used without my leave.
    Copyright,
}

names!(Kind {
    Access = "access",
    Rectification = "rectification",
    Erasure = "erasure",
    Objection = "objection",
    Copyright = "copyright",
});

impl Kind {
    /// Whether it is a person's request about their own data.
    #[must_use]
    pub fn is_of_data_subject(self) -> bool {
        match self {
            Self::Access | Self::Rectification | Self::Erasure | Self::Objection => true,
            Self::Copyright => false,
        }
    }

    /// Whether the documents it is about are kept out once it is given.
    #[must_use]
    pub fn excludes(self) -> bool {
        match self {
            Self::Rectification | Self::Erasure | Self::Objection | Self::Copyright => true,
            Self::Access => false,
        }
    }
}

/// For whom somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    /// For themselves.
    #[serde(rename = "self")]
    Own,
    /// For somebody else, who asked them to.
    Representative,
    /// As the holder of rights.
    RightHolder,
}

names!(Capacity {
    Own = "self",
    Representative = "representative",
    RightHolder = "right_holder",
});

/// The form as it was filled in.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawRequest {
    pub(super) kind: String,
    pub(super) capacity: String,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) request: String,
    /// Works and addresses, one a line.
    pub(super) works: String,
    /// Names and phrases to search for, one a line.
    pub(super) terms: String,
}

/// What is asked, every field within its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewRequest {
    pub(super) kind: Kind,
    pub(super) capacity: Capacity,
    pub(super) language: Lang,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) request: String,
    pub(super) works: String,
    pub(super) terms: Vec<String>,
}

const MOST_TERMS: usize = 20;
const LONGEST_TERM: usize = 200;

impl NewRequest {
    /// Checks what was filled in.
    ///
    /// # Errors
    /// Everything that is wrong, by field.
    pub(super) fn parse(raw: &RawRequest, language: Lang) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let bounds = |least, most| Text { least, most };
        let kind = errors.choice("kind", raw.kind.parse::<Kind>().ok());
        let capacity = errors.choice("capacity", raw.capacity.parse::<Capacity>().ok());
        let name = errors.text("name", &raw.name, bounds(1, 200));
        let email = errors.text("email", &raw.email, bounds(1, 254));
        if errors.of("email").is_none() && !is_email(&email) {
            errors.add("email", Say::new("complaint-email-wrong"));
        }
        let request = errors.text("request", &raw.request, bounds(1, 5000));
        let least = usize::from(kind == Some(Kind::Copyright));
        let works = errors.text("works", &raw.works, bounds(least, 5000));
        let all = errors.text("terms", &raw.terms, bounds(0, 4000));
        let terms: Vec<String> = lines(&all).map(str::to_owned).collect();
        if terms.len() > MOST_TERMS || terms.iter().any(|t| t.chars().count() > LONGEST_TERM) {
            errors.add(
                "terms",
                Say::new("complaint-terms-wrong")
                    .with("most", MOST_TERMS)
                    .with("longest", LONGEST_TERM),
            );
        }
        errors.into_result(Self {
            kind: kind.unwrap_or(Kind::Access),
            capacity: capacity.unwrap_or(Capacity::Own),
            language,
            name,
            email,
            request,
            works,
            terms,
        })
    }
}

/// The lines of a field that say something.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// Whether a letter can be sent there, as far as its form goes: one `@`, a host with a dot, nothing that would break
/// a header.
fn is_email(text: &str) -> bool {
    let Some((user, host)) = text.split_once('@') else {
        return false;
    };
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[],;:\\\"@".contains(c);
    !user.is_empty()
        && user.chars().all(is_plain)
        && host.split('.').count() >= 2
        && host.split('.').all(|label| !label.is_empty())
        && host
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> RawRequest {
        RawRequest {
            kind: "erasure".into(),
            capacity: "self".into(),
            name: "Jan de Vries".into(),
            email: "jan@example.nl".into(),
            request: "Haal mijn naam weg.".into(),
            works: String::new(),
            terms: "Jan de Vries\n\n J. de Vries \n".into(),
        }
    }

    fn wrong(change: impl Fn(&mut RawRequest)) -> Vec<&'static str> {
        let mut raw = raw();
        change(&mut raw);
        let errors = NewRequest::parse(&raw, Lang::Nl).unwrap_err();
        errors.iter().map(|(field, _)| *field).collect()
    }

    #[test]
    fn a_form_that_is_filled_in_is_taken() {
        let request = NewRequest::parse(&raw(), Lang::Nl).unwrap();
        assert_eq!(request.terms, ["Jan de Vries", "J. de Vries"]);
    }

    #[test]
    fn every_wrong_field_is_named() {
        assert_eq!(wrong(|raw| raw.kind = "all".into()), ["kind"]);
        assert_eq!(wrong(|raw| raw.kind = "copyright".into()), ["works"]);
        assert_eq!(wrong(|raw| raw.request = "x".repeat(5001)), ["request"]);
        assert_eq!(wrong(|raw| raw.terms = "x\n".repeat(21)), ["terms"]);
        assert_eq!(wrong(|raw| raw.name = "a\0b".into()), ["name"]);
        for email in [
            "jan",
            "jan@",
            "@example.nl",
            "a b@example.nl",
            "a@b@c.nl",
            "a@example",
            "a\r\nb@c.nl",
        ] {
            assert_eq!(
                wrong(|raw| raw.email = email.into()),
                ["email"],
                "{email:?}"
            );
        }
    }
}
