//! What is known of an agreement, and where it stands.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    error::Say,
    ids::{AgreementId, DatasetId, InstitutionId, UserId},
    permissions::Layer,
    policy::Scope,
    web::{FieldErrors, Text},
};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$vmeta])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the database, in JSON and in keys of texts.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::agreements::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|one| one.name() == text).ok_or($crate::agreements::UnknownWord)
            }
        }
    };
}
pub(super) use words;

/// A word that is none of those known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this word is not known")]
pub struct UnknownWord;

words! {
    /// What kind of agreement it is.
    Kind {
        /// GPT-NL's content contributor agreement.
        Contributor = "contributor",
        /// Article 28 of the GDPR.
        DataProcessing = "data_processing",
        Licence = "licence",
        /// No agreement: the law itself says it.
        Statutory = "statutory",
        Other = "other",
    }
}

words! {
    /// Where an agreement stands.
    Status {
        /// Being coded by the institution.
        Draft = "draft",
        /// Both parties look at each line.
        InReview = "in_review",
        /// The legal reviewer asks for changes.
        Returned = "returned",
        /// It gave permissions. Final.
        InForce = "in_force",
        /// Final.
        Rejected = "rejected",
        /// Taken back by the institution before it was in force. Final.
        Withdrawn = "withdrawn",
    }
}

words! {
    /// A step that a person takes with an agreement; the verbs of REMS.
    Step {
        Submit = "submit",
        Return = "return",
        Reject = "reject",
        Withdraw = "withdraw",
        PutInForce = "put_in_force",
    }
}

/// A step that the status does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an agreement that is {} cannot {}", .status.name(), .step.name())]
pub struct WrongStatus {
    /// Where it stands.
    pub status: Status,
    /// What was asked.
    pub step: Step,
}

impl Status {
    /// Where `step` leads.
    ///
    /// # Errors
    /// [`WrongStatus`] where it may not be taken from here.
    pub fn after(self, step: Step) -> Result<Self, WrongStatus> {
        match (self, step) {
            (Self::Draft | Self::Returned, Step::Submit) => Ok(Self::InReview),
            (Self::InReview, Step::Return) => Ok(Self::Returned),
            (Self::InReview, Step::Reject) => Ok(Self::Rejected),
            (Self::Draft | Self::Returned | Self::InReview, Step::Withdraw) => Ok(Self::Withdrawn),
            (Self::InReview, Step::PutInForce) => Ok(Self::InForce),
            (
                Self::Draft
                | Self::Returned
                | Self::InReview
                | Self::InForce
                | Self::Rejected
                | Self::Withdrawn,
                _,
            ) => Err(WrongStatus { status: self, step }),
        }
    }

    /// Whether the facts and the document may still be changed.
    #[must_use]
    pub fn is_editable(self) -> bool {
        matches!(self, Self::Draft | Self::Returned)
    }

    /// Whether nothing happens to it any more.
    #[must_use]
    pub fn is_closed(self) -> bool {
        matches!(self, Self::InForce | Self::Rejected | Self::Withdrawn)
    }
}

/// What is said of an agreement; every field within its bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    pub kind: Kind,
    /// 1 to 200 characters.
    pub title: String,
    /// Sorted, at least one.
    pub layers: Vec<Layer>,
    /// The parties' names, 1 to 20.
    pub parties: Vec<String>,
    /// Who signed; empty only where there is nothing to sign.
    pub signatory: String,
    /// What proves that they may.
    pub authority: String,
    pub effective_on: NaiveDate,
    /// Last day; none: no end was agreed.
    pub expires_on: Option<NaiveDate>,
    /// Datasets of the same institution, at least one, sorted.
    pub datasets: Vec<DatasetId>,
}

/// The facts as they were typed or sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RawFacts {
    pub kind: String,
    pub title: String,
    pub layers: Vec<String>,
    /// One a line.
    pub parties: String,
    pub signatory: String,
    pub authority: String,
    pub effective_on: String,
    pub expires_on: String,
    pub datasets: Vec<String>,
    /// Name of a template; empty: none.
    pub template: String,
}

const MOST_DATASETS: usize = 50;

impl Facts {
    /// Checks what was typed. `is_signed`: whether there is a document that somebody signed, so that it must be
    /// known who and by what authority.
    ///
    /// # Errors
    /// Everything that is wrong, by field.
    pub fn parse(raw: &RawFacts, is_signed: bool) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let bounds = |least, most| Text { least, most };
        let kind = errors.choice("kind", raw.kind.parse().ok());
        let title = errors.text("title", &raw.title, bounds(1, 200));
        let mut layers: Vec<Layer> = raw.layers.iter().filter_map(|l| l.parse().ok()).collect();
        layers.sort_unstable();
        layers.dedup();
        if layers.is_empty() || layers.len() != raw.layers.len() {
            errors.add("layers", Say::new("field-choice"));
        }
        let typed = errors.text("parties", &raw.parties, bounds(1, 4000));
        let parties: Vec<String> = typed
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        if parties.len() > 20 || parties.iter().any(|party| party.chars().count() > 200) {
            errors.add("parties", Say::new("agreement-too-many-parties"));
        }
        let least = usize::from(is_signed);
        let signatory = errors.text("signatory", &raw.signatory, bounds(least, 200));
        let authority = errors.text("authority", &raw.authority, bounds(least, 500));
        let effective_on = errors.choice("effective_on", raw.effective_on.trim().parse().ok());
        let expires_on: Option<NaiveDate> = if raw.expires_on.trim().is_empty() {
            None
        } else {
            errors.choice("expires_on", raw.expires_on.trim().parse().ok())
        };
        if let (Some(from), Some(until)) = (effective_on, expires_on)
            && until < from
        {
            errors.add("expires_on", Say::new("agreement-ends-before-it-begins"));
        }
        let mut datasets: Vec<DatasetId> =
            raw.datasets.iter().filter_map(|d| d.parse().ok()).collect();
        datasets.sort_unstable();
        datasets.dedup();
        if datasets.is_empty() || datasets.len() != raw.datasets.len() {
            errors.add("datasets", Say::new("field-choice"));
        } else if datasets.len() > MOST_DATASETS {
            let say = Say::new("agreement-too-many-datasets").with("most", MOST_DATASETS);
            errors.add("datasets", say);
        }
        let (Some(kind), Some(effective_on)) = (kind, effective_on) else {
            return Err(errors);
        };
        errors.into_result(Self {
            kind,
            title,
            layers,
            parties,
            signatory,
            authority,
            effective_on,
            expires_on,
            datasets,
        })
    }

    /// As it stands in the form.
    #[must_use]
    pub fn to_raw(&self, template: Option<&str>) -> RawFacts {
        RawFacts {
            kind: self.kind.name().to_owned(),
            title: self.title.clone(),
            layers: self.layers.iter().map(|l| l.name().to_owned()).collect(),
            parties: self.parties.join("\n"),
            signatory: self.signatory.clone(),
            authority: self.authority.clone(),
            effective_on: self.effective_on.to_string(),
            expires_on: self.expires_on.map_or_else(String::new, |d| d.to_string()),
            datasets: self.datasets.iter().map(ToString::to_string).collect(),
            template: template.unwrap_or_default().to_owned(),
        }
    }
}

/// An agreement as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    pub id: AgreementId,
    /// Whose it is.
    pub institution: InstitutionId,
    /// The name of that institution.
    pub institution_name: String,
    pub facts: Facts,
    /// Which template it began with.
    pub template: Option<String>,
    /// The text of law or licence it rests on, where there is no document to sign.
    pub source_url: Option<String>,
    pub status: Status,
    pub submitted_by: Option<UserId>,
    pub submitted_at: Option<DateTime<Utc>>,
    pub decided_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

impl Agreement {
    /// What the rules of authorisation look at.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::of(self.institution)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> RawFacts {
        RawFacts {
            kind: "contributor".into(),
            title: "Overeenkomst".into(),
            layers: vec!["copyright".into()],
            parties: "Archief Waterland\n\nTNO ".into(),
            signatory: "A. Archivaris".into(),
            authority: "uittreksel".into(),
            effective_on: "2026-01-01".into(),
            expires_on: String::new(),
            datasets: vec![DatasetId::fresh().to_string()],
            template: String::new(),
        }
    }

    #[test]
    fn good_facts_pass_and_come_back_as_typed() {
        let facts = Facts::parse(&raw(), true).unwrap();
        assert_eq!(facts.parties, ["Archief Waterland", "TNO"]);
        assert_eq!(Facts::parse(&facts.to_raw(None), true), Ok(facts));
    }

    #[test]
    fn what_is_signed_says_by_whom_and_by_what_right() {
        let unsigned = RawFacts {
            signatory: String::new(),
            authority: " ".into(),
            ..raw()
        };
        let errors = Facts::parse(&unsigned, true).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|(field, _)| *field).collect();
        assert_eq!(fields, ["signatory", "authority"]);
        assert!(Facts::parse(&unsigned, false).is_ok());
    }

    #[test]
    fn every_step_moves_along_the_table_or_is_refused() {
        let mut table = String::new();
        for status in Status::ALL {
            for step in Step::ALL {
                if let Ok(after) = status.after(*step) {
                    assert!(!status.is_closed(), "{status:?} is closed");
                    table.push_str(&format!(
                        "{} {} {}\n",
                        status.name(),
                        step.name(),
                        after.name()
                    ));
                }
            }
        }
        insta::assert_snapshot!(table, @r"
        draft submit in_review
        draft withdraw withdrawn
        in_review return returned
        in_review reject rejected
        in_review withdraw withdrawn
        in_review put_in_force in_force
        returned submit in_review
        returned withdraw withdrawn
        ");
    }
}
