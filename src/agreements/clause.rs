//! A clause that none of the terms has words for, and what the parties say follows from it.

use chrono::{DateTime, Utc};

use super::{
    agreement::words,
    line::{Pages, Party, RawLine, Wrong},
    passage,
};
use crate::{
    error::Say,
    ids::{AgreementClauseId, AgreementDocumentId, UserId},
};

/// Longest reason.
const LONGEST: usize = 2000;

words! {
    /// What follows from a clause.
    Word {
        /// Nothing: it is of no consequence for what the data may be used for.
        NoConsequence = "no_consequence",
        /// A condition on use, which stands in the permission in its own words. No program can judge it, so the
        /// answer to every question about use is no until the right holder gives another permission.
        Condition = "condition",
    }
}

/// What a party said of a clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    pub party: Party,
    pub word: Word,
    pub by: UserId,
    /// Their name.
    pub name: String,
    pub at: DateTime<Utc>,
}

/// A clause, with where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    pub id: AgreementClauseId,
    pub document: AgreementDocumentId,
    pub page: i32,
    pub passage: String,
    /// Why no term says it.
    pub reason: String,
    /// Name of who noted it.
    pub noted_by: String,
    pub noted_at: DateTime<Utc>,
    pub judged: Vec<Judged>,
}

/// Where a clause stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not both parties have spoken.
    Open,
    /// Both say that nothing follows from it.
    NoConsequence,
    /// One of them at least says that it is a condition.
    Condition,
}

impl State {
    /// The word in JSON and in keys of texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::NoConsequence => "no_consequence",
            Self::Condition => "condition",
        }
    }
}

impl Clause {
    /// Where it stands; where the parties differ the careful one of the two is followed.
    #[must_use]
    pub fn state(&self) -> State {
        let has_spoken = |party: &Party| self.judged.iter().any(|one| one.party == *party);
        if !Party::ALL.iter().all(has_spoken) {
            State::Open
        } else if self
            .judged
            .iter()
            .all(|one| one.word == Word::NoConsequence)
        {
            State::NoConsequence
        } else {
            State::Condition
        }
    }

    /// The words that the permission carries, of a clause that is a condition.
    #[must_use]
    pub fn condition(&self) -> Option<String> {
        (self.state() == State::Condition)
            .then(|| format!("p. {}: {} ({})", self.page, self.passage, self.reason))
    }
}

/// A clause as a person writes it down.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct RawClause {
    pub page: String,
    pub passage: String,
    pub reason: String,
}

/// A clause that stands in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewClause {
    pub document: AgreementDocumentId,
    pub page: i32,
    pub passage: String,
    pub reason: String,
}

impl RawClause {
    /// Checks what a person wrote against the document.
    ///
    /// # Errors
    /// The field that is wrong, and why: a page that is not there, a passage that does not stand on it, no reason.
    pub fn check(&self, pages: Option<&Pages>) -> Result<NewClause, Wrong> {
        let reason = self.reason.trim();
        let length = reason.chars().count();
        if length == 0 || reason.contains('\0') {
            return Err(("clause_reason", Say::new("agreement-clause-reason-needed")));
        }
        if length > LONGEST {
            let say = Say::new("field-too-long").with("most", LONGEST);
            return Err(("clause_reason", say.with("length", length)));
        }
        let pages = pages.ok_or_else(|| ("clause_page", Say::new("agreement-no-document")))?;
        let page: i32 = self.page.trim().parse().unwrap_or(0);
        let is_scanned = pages.text(page).is_some_and(str::is_empty);
        let passage = if is_scanned {
            let passage = passage::quotation(&self.passage);
            let length = passage.chars().count();
            if !(passage::SHORTEST_PASSAGE..=passage::LONGEST_PASSAGE).contains(&length) {
                let say = Say::new("agreement-passage-length")
                    .with("least", passage::SHORTEST_PASSAGE)
                    .with("most", passage::LONGEST_PASSAGE);
                return Err(("clause_passage", say));
            }
            passage
        } else {
            let line = RawLine {
                basis: "passage".into(),
                page: self.page.clone(),
                passage: self.passage.clone(),
                ..RawLine::default()
            };
            line.quoted(pages).map_err(|(field, say)| match field {
                "page" => ("clause_page", say),
                _ => ("clause_passage", say),
            })?
        };
        Ok(NewClause {
            document: pages.document,
            page,
            passage,
            reason: reason.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clause(words: &[(Party, Word)]) -> Clause {
        Clause {
            id: AgreementClauseId::fresh(),
            document: AgreementDocumentId::fresh(),
            page: 3,
            passage: "De licentiegever mag controleren.".into(),
            reason: "recht op controle".into(),
            noted_by: "Coen".into(),
            noted_at: DateTime::UNIX_EPOCH,
            judged: words
                .iter()
                .map(|(party, word)| Judged {
                    party: *party,
                    word: *word,
                    by: UserId::fresh(),
                    name: String::new(),
                    at: DateTime::UNIX_EPOCH,
                })
                .collect(),
        }
    }

    #[test]
    fn both_have_to_say_that_nothing_follows() {
        use Party::{Institution, Platform};
        use Word::{Condition, NoConsequence};
        for (words, expected) in [
            (vec![], State::Open),
            (vec![(Institution, NoConsequence)], State::Open),
            (vec![(Platform, Condition)], State::Open),
            (
                vec![(Institution, NoConsequence), (Platform, NoConsequence)],
                State::NoConsequence,
            ),
            (
                vec![(Institution, NoConsequence), (Platform, Condition)],
                State::Condition,
            ),
            (
                vec![(Institution, Condition), (Platform, Condition)],
                State::Condition,
            ),
        ] {
            let clause = clause(&words);
            assert_eq!(clause.state(), expected);
            assert_eq!(clause.condition().is_some(), expected == State::Condition);
        }
    }

    #[test]
    fn a_clause_stands_on_its_page_and_says_why_it_is_one() {
        let pages = Pages {
            document: AgreementDocumentId::fresh(),
            texts: vec![
                "Artikel 9.\nDe licentiegever mag controleren.".into(),
                String::new(),
            ],
        };
        let raw = |page: &str, passage: &str, reason: &str| RawClause {
            page: page.into(),
            passage: passage.into(),
            reason: reason.into(),
        };
        let wrong = |raw: RawClause| raw.check(Some(&pages)).map_err(|(field, _)| field);
        assert!(
            wrong(raw(
                "1",
                "Artikel 9. De licentiegever mag controleren.",
                "x"
            ))
            .is_ok()
        );
        assert!(wrong(raw("2", "wat op de scan staat", "x")).is_ok());
        for (given, field) in [
            (
                raw("1", "De licentiegever mag niets.", "x"),
                "clause_passage",
            ),
            (raw("1", "", "x"), "clause_passage"),
            (raw("2", "", "x"), "clause_passage"),
            (raw("3", "De licentiegever", "x"), "clause_page"),
            (raw("1", "De licentiegever", " "), "clause_reason"),
        ] {
            assert_eq!(wrong(given), Err(field));
        }
    }
}
