//! A line: one term of one layer, what it was coded as, where that stands in the document, and who confirmed it.

use chrono::{DateTime, Utc};

use super::{
    agreement::{Agreement, words},
    passage, template,
    term::{Term, Value},
};
use crate::{
    error::Say,
    ids::{AgreementDocumentId, AgreementLineId, UserId},
    permissions::Layer,
};

words! {
    /// Why no program may approve a line, so that a person must act.
    Need {
        /// Nobody has looked at it yet.
        NotCoded = "not_coded",
        /// There is a value (from a template, or read in an earlier document), but its place was not named.
        NoPlace = "no_place",
        /// It was read, and the terms have no words for it.
        CannotCode = "cannot_code",
    }
}

words! {
    /// For whom somebody confirms.
    Party {
        /// The manager of the institution whose data it is.
        Institution = "institution",
        /// The legal reviewer of the platform.
        Platform = "platform",
    }
}

/// Where a value was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// Quoted from a page.
    Passage {
        document: AgreementDocumentId,
        page: i32,
        passage: String,
    },
    /// A page that has no text to quote.
    Page {
        document: AgreementDocumentId,
        page: i32,
    },
    /// The text of law or licence that the template names; `reason` says why it has this value.
    Template { reason: String },
    /// Nowhere: the agreement is silent, and the cautious value counts.
    Silent,
}

impl Basis {
    /// The word in the database, in JSON and in keys of texts.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passage { .. } => "passage",
            Self::Page { .. } => "page",
            Self::Template { .. } => "template",
            Self::Silent => "silent",
        }
    }

    /// The page, where there is one.
    #[must_use]
    pub fn page(&self) -> Option<i32> {
        match self {
            Self::Passage { page, .. } | Self::Page { page, .. } => Some(*page),
            Self::Template { .. } | Self::Silent => None,
        }
    }
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It has a value, and a place.
    Coded { value: Value, basis: Basis },
    /// A person must act first.
    NeedsHuman {
        need: Need,
        /// What could not be coded, or why a template has this value.
        reason: String,
        /// A value that still lacks its place.
        value: Option<Value>,
    },
}

/// Somebody's word that a line is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    pub party: Party,
    pub by: UserId,
    /// Their name.
    pub name: String,
    pub at: DateTime<Utc>,
}

/// One version of a line. The newest of its term is the one that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub id: AgreementLineId,
    pub layer: Layer,
    pub term: Term,
    /// From 1.
    pub version: i32,
    pub said: Said,
    /// Name of who coded it.
    pub coded_by: String,
    pub coded_at: DateTime<Utc>,
    pub confirmations: Vec<Confirmation>,
}

impl Line {
    /// Whether `party` confirmed it.
    #[must_use]
    pub fn is_confirmed_by(&self, party: Party) -> bool {
        self.confirmations.iter().any(|one| one.party == party)
    }

    /// Whether a person must act before it can be confirmed.
    #[must_use]
    pub fn needs_human(&self) -> bool {
        match self.said {
            Said::Coded { .. } => false,
            Said::NeedsHuman { .. } => true,
        }
    }

    /// The value, also one that still lacks its place.
    #[must_use]
    pub fn value(&self) -> Option<&Value> {
        match &self.said {
            Said::Coded { value, .. } => Some(value),
            Said::NeedsHuman { value, .. } => value.as_ref(),
        }
    }

    /// Where the value was read, if it has been coded.
    #[must_use]
    pub fn basis(&self) -> Option<&Basis> {
        match &self.said {
            Said::Coded { basis, .. } => Some(basis),
            Said::NeedsHuman { .. } => None,
        }
    }
}

/// How far the lines of an agreement are, over all its layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Progress {
    pub lines: usize,
    /// A person must act on these first.
    pub needs_human: usize,
    /// Of which nobody has coded yet, or whose place is not named.
    pub uncoded: usize,
    pub confirmed_by_institution: usize,
    pub confirmed_by_platform: usize,
}

impl Progress {
    /// Counts the lines that stand.
    #[must_use]
    pub fn of(lines: &[Line]) -> Self {
        let count = |holds: &dyn Fn(&Line) -> bool| lines.iter().filter(|line| holds(line)).count();
        Self {
            lines: lines.len(),
            needs_human: count(&Line::needs_human),
            uncoded: count(&|line| {
                matches!(
                    line.said,
                    Said::NeedsHuman {
                        need: Need::NotCoded | Need::NoPlace,
                        ..
                    }
                )
            }),
            confirmed_by_institution: count(&|line| line.is_confirmed_by(Party::Institution)),
            confirmed_by_platform: count(&|line| line.is_confirmed_by(Party::Platform)),
        }
    }

    /// Whether each line is coded and confirmed by both parties.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lines > 0
            && self.needs_human == 0
            && self.confirmed_by_institution == self.lines
            && self.confirmed_by_platform == self.lines
    }

    /// How many lines `party` can confirm but has not.
    #[must_use]
    pub fn left_for(&self, party: Party) -> usize {
        let done = match party {
            Party::Institution => self.confirmed_by_institution,
            Party::Platform => self.confirmed_by_platform,
        };
        self.lines - self.needs_human - done
    }
}

/// What a person says a line is, before it is checked against the document.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct RawLine {
    /// `passage`, `page`, `silent`, `template`, or `cannot_code`.
    pub basis: String,
    /// The chosen words, or the text that was typed.
    pub value: Vec<String>,
    pub page: String,
    pub passage: String,
    /// What cannot be coded.
    pub reason: String,
}

/// A document's text, as far as a line needs it.
#[derive(Debug, Clone)]
pub struct Pages {
    pub document: AgreementDocumentId,
    /// Tidy text, the first page first; empty: a page without text.
    pub texts: Vec<String>,
}

impl Pages {
    /// The text of page `number`, counted from 1.
    #[must_use]
    pub fn text(&self, number: i32) -> Option<&str> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        self.texts.get(at).map(String::as_str)
    }

    /// Whether no page has any text: a scan.
    #[must_use]
    pub fn is_scan(&self) -> bool {
        self.texts.iter().all(String::is_empty)
    }
}

/// A field of the form with what is wrong with it.
pub type Wrong = (&'static str, Say);

impl RawLine {
    /// Checks what a person said against the document and the line as it stands.
    ///
    /// # Errors
    /// The field that is wrong, and why: a passage that does not stand on the page, a page that is not there, a
    /// page with text that was not quoted, a value that the term cannot have.
    pub fn check(
        &self,
        agreement: &Agreement,
        pages: Option<&Pages>,
        line: &Line,
    ) -> Result<Said, Wrong> {
        let reason = self.reason.trim();
        if self.basis == "cannot_code" {
            if reason.is_empty() {
                return Err(("reason", Say::new("agreement-reason-needed")));
            }
            if reason.chars().count() > 2000 || reason.contains('\0') {
                let length = reason.chars().count();
                let say = Say::new("field-too-long").with("most", 2000);
                return Err(("reason", say.with("length", length)));
            }
            return Ok(Said::NeedsHuman {
                need: Need::CannotCode,
                reason: reason.to_owned(),
                value: None,
            });
        }
        let (value, basis) = match self.basis.as_str() {
            "silent" => {
                let value = line
                    .term
                    .when_silent()
                    .ok_or_else(|| ("basis", Say::new("agreement-may-not-be-silent")))?;
                (value, Basis::Silent)
            }
            "template" => {
                let said = agreement
                    .template
                    .as_deref()
                    .and_then(template::find)
                    .and_then(|template| template.terms.get(&line.term));
                let (Some(said), Some(_)) = (said, &agreement.source_url) else {
                    return Err(("basis", Say::new("agreement-no-template-text")));
                };
                let value = line.term.parse(&self.value).map_err(|say| ("value", say))?;
                // Where the template has a value, its reason is a reason for that one only.
                if said.value.as_ref().is_some_and(|own| *own != value) {
                    return Err(("value", Say::new("agreement-not-the-templates-value")));
                }
                let reason = said.reason.stored();
                (value, Basis::Template { reason })
            }
            "passage" | "page" => {
                let value = line.term.parse(&self.value).map_err(|say| ("value", say))?;
                (value, self.place(pages)?)
            }
            _ => return Err(("basis", Say::new("field-choice"))),
        };
        if let (Term::ValidUntil, Value::Day(day), Some(end)) =
            (line.term, &value, agreement.facts.expires_on)
            && *day > end
        {
            return Err((
                "value",
                Say::new("agreement-outlives-agreement").with("end", end),
            ));
        }
        Ok(Said::Coded { value, basis })
    }

    fn place(&self, pages: Option<&Pages>) -> Result<Basis, Wrong> {
        let pages = pages.ok_or_else(|| ("page", Say::new("agreement-no-document")))?;
        let page: i32 = self.page.trim().parse().unwrap_or(0);
        let text = pages.text(page).ok_or_else(|| {
            let say = Say::new("agreement-page-unknown").with("pages", pages.texts.len());
            ("page", say)
        })?;
        if self.basis == "page" {
            return if text.is_empty() {
                Ok(Basis::Page {
                    document: pages.document,
                    page,
                })
            } else {
                Err(("passage", Say::new("agreement-page-has-text")))
            };
        }
        Ok(Basis::Passage {
            document: pages.document,
            page,
            passage: self.quoted(pages)?,
        })
    }

    /// The passage as it stands on the page.
    ///
    /// # Errors
    /// The field that is wrong: there is no such page, or the passage does not stand on it.
    pub(super) fn quoted(&self, pages: &Pages) -> Result<String, Wrong> {
        let page: i32 = self.page.trim().parse().unwrap_or(0);
        let text = pages.text(page).ok_or_else(|| {
            let say = Say::new("agreement-page-unknown").with("pages", pages.texts.len());
            ("page", say)
        })?;
        let passage = passage::quotation(&self.passage);
        let length = passage.chars().count();
        if !(passage::SHORTEST_PASSAGE..=passage::LONGEST_PASSAGE).contains(&length) {
            let say = Say::new("agreement-passage-length")
                .with("least", passage::SHORTEST_PASSAGE)
                .with("most", passage::LONGEST_PASSAGE);
            return Err(("passage", say));
        }
        if passage::find(text, &passage).is_none() {
            let say = Say::new("agreement-passage-not-there").with("page", page);
            return Err(("passage", say));
        }
        Ok(passage)
    }
}
