//! Versions of the documents about a model: frozen, decided on, due to be made anew. Pure.

use chrono::{DateTime, Months, Utc};

use super::{document::Document, kind::Kind};

/// A document as it was frozen.
#[derive(Debug, Clone)]
pub(super) struct Frozen {
    pub(super) kind: Kind,
    /// The bytes that the hash is over.
    pub(super) canonical: String,
    pub(super) sha256: String,
    /// The same, read.
    pub(super) document: Document,
}

/// Why a published version must be made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Permission for data in the model's lineage was withdrawn.
    Withdrawn,
    /// Something it states has changed.
    Changed,
    /// Half a year has passed since it was published.
    SixMonths,
}

impl Reason {
    const ALL: [Self; 3] = [Self::Withdrawn, Self::Changed, Self::SixMonths];

    /// The word in the database and, with dashes, in texts (`disclosure-due-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Withdrawn => "withdrawn",
            Self::Changed => "changed",
            Self::SixMonths => "six_months",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == text)
    }
}

/// Whether half a year has passed since `published`: as often, the Commission's template asks, a summary is
/// looked at again.
#[must_use]
pub fn is_half_a_year_old(published: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    published
        .checked_add_months(Months::new(6))
        .is_some_and(|due| now >= due)
}

/// Whether a document made from the records of its own date is the one that was frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reproduced {
    /// To the byte.
    Bytes,
    /// Every statement and source, in the words of another edition.
    Statements,
    /// It is not: a record was changed, or the portal is at fault.
    Differs,
}

impl Reproduced {
    /// Compares what was made again with what was frozen.
    pub(super) fn of(frozen: &Frozen, again: &Document) -> Result<Self, serde_json::Error> {
        if again.canonical()? == frozen.canonical {
            Ok(Self::Bytes)
        } else if again.edition != frozen.document.edition
            && again.states_the_same(&frozen.document)
        {
            Ok(Self::Statements)
        } else {
            Ok(Self::Differs)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_year_is_six_months_of_the_calendar() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let published = at("2026-08-31T12:00:00Z");
        assert!(!is_half_a_year_old(published, at("2027-02-28T11:59:59Z")));
        assert!(is_half_a_year_old(published, at("2027-02-28T12:00:00Z")));
    }
}
