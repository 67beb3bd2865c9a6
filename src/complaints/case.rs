//! One case: what was asked, where it stands, what was decided.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::request::{Capacity, Kind, UnknownName, names};
use crate::{
    ids::{ComplaintId, InstitutionId, UserId},
    policy::{Action, Scope},
    web::Lang,
};

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody has taken it up.
    Received,
    /// Somebody works on it.
    Handling,
    /// A decision that is not a full yes waits for a second person.
    Prepared,
    /// Decided, and the letter written.
    Decided,
}

names!(Status {
    Received = "received",
    Handling = "handling",
    Prepared = "prepared",
    Decided = "decided",
});

/// What can happen to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Somebody takes it up, or over.
    Take,
    /// A decision is written down.
    Prepare(Outcome),
    /// The second person agrees.
    Confirm,
    /// The second person does not.
    SendBack,
}

/// The case is not in a state in which this can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a case that is {} cannot be changed by {step:?}", .status.name())]
pub struct WrongStatus {
    /// Its state.
    pub status: Status,
    /// What was tried.
    pub step: Step,
}

impl Status {
    /// The state after `step`.
    ///
    /// # Errors
    /// [`WrongStatus`] where the step cannot be taken from here.
    pub fn after(self, step: Step) -> Result<Self, WrongStatus> {
        match (self, step) {
            (Self::Received | Self::Handling, Step::Take) | (Self::Prepared, Step::SendBack) => {
                Ok(Self::Handling)
            }
            (Self::Handling, Step::Prepare(Outcome::Granted)) | (Self::Prepared, Step::Confirm) => {
                Ok(Self::Decided)
            }
            (Self::Handling, Step::Prepare(Outcome::Partly | Outcome::Refused)) => {
                Ok(Self::Prepared)
            }
            (status, step) => Err(WrongStatus { status, step }),
        }
    }
}

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Yes, in full.
    Granted,
    /// Yes to a part.
    Partly,
    /// No.
    Refused,
}

names!(Outcome {
    Granted = "granted",
    Partly = "partly",
    Refused = "refused",
});

/// How it was found out who asks. No copy of a document is kept, whatever the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityMethod {
    /// They answered a letter to an address that was known before.
    KnownEmail,
    /// They were called back on a number that was known before.
    CalledBack,
    /// They showed a document, in person or on a screen.
    Shown,
    /// They signed in with a means of electronic identification.
    Electronic,
    /// Their authority to speak for somebody else was seen.
    Authority,
    /// It could not be found out (GDPR, art. 11(2) and 12(6)).
    NotEstablished,
}

names!(IdentityMethod {
    KnownEmail = "known_email",
    CalledBack = "called_back",
    Shown = "shown",
    Electronic = "electronic",
    Authority = "authority",
    NotEstablished = "not_established",
});

/// What tells who asks and what they said; deleted a while after the decision.
#[derive(Debug, Clone)]
pub struct Details {
    pub(super) name: String,
    pub(super) email: String,
    pub(super) request: String,
    pub(super) works: String,
    pub(super) terms: Vec<String>,
    pub(super) search_terms: Vec<String>,
    pub(super) salt: Vec<u8>,
    pub(super) evidence: Option<EvidenceFile>,
    pub(super) extension_reason: Option<String>,
    pub(super) identity_note: Option<String>,
    /// Why it was decided so.
    pub(super) reason: Option<String>,
}

/// A file that came with the form.
#[derive(Debug, Clone)]
pub(super) struct EvidenceFile {
    pub(super) name: String,
    pub(super) size_bytes: i64,
    pub(super) sha256: String,
    pub(super) object_key: String,
    pub(super) object_version: String,
}

/// Who did something, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Who.
    pub by: UserId,
    /// When.
    pub at: DateTime<Utc>,
}

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its id.
    pub id: ComplaintId,
    /// The number that people use.
    pub number: String,
    /// The platform, which handles it.
    pub institution: InstitutionId,
    /// What is asked.
    pub kind: Kind,
    /// For whom.
    pub capacity: Capacity,
    /// The language of the form, and so of the letters.
    pub language: Lang,
    /// Hash of what was sent.
    pub request_sha256: String,
    /// The signed receipt, as it was given.
    pub receipt: String,
    /// When it came in.
    pub received_at: DateTime<Utc>,
    /// Where it stands.
    pub status: Status,
    /// When the answer is due.
    pub due_at: DateTime<Utc>,
    /// Who gave it more time.
    pub extended: Option<Done>,
    /// Who works on it.
    pub owner: Option<UserId>,
    /// How it was found out who asks.
    pub identity: Option<(IdentityMethod, Done)>,
    /// What is decided, by whom it was written.
    pub prepared: Option<(Outcome, Done)>,
    /// By whom it was decided.
    pub decided: Option<Done>,
    /// Who asks and what they said; none once that was deleted.
    pub details: Option<Details>,
}

impl Case {
    /// Whether the answer should have been given before `now`.
    #[must_use]
    pub fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        self.status != Status::Decided && now > self.due_at
    }

    /// What its handler needs leave for.
    #[must_use]
    pub fn action(&self) -> Action {
        if self.kind.is_of_data_subject() {
            Action::HandlePrivacyRequest
        } else {
            Action::HandleRightsComplaint
        }
    }

    /// What the rules of authorisation look at; `requested_by` is who wrote the decision.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::of(self.institution).requested_by(self.prepared.map(|(_, done)| done.by))
    }

    /// Whether it is clear who asks, as far as the kind of case needs it.
    #[must_use]
    pub fn is_identity_clear(&self) -> bool {
        !self.kind.is_of_data_subject()
            || self
                .identity
                .is_some_and(|(method, _)| method != IdentityMethod::NotEstablished)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEPS: [Step; 6] = [
        Step::Take,
        Step::Prepare(Outcome::Granted),
        Step::Prepare(Outcome::Partly),
        Step::Prepare(Outcome::Refused),
        Step::Confirm,
        Step::SendBack,
    ];

    /// The table as it is drawn; a dot is a refusal. Columns as in `STEPS`.
    const DRAWN: [(Status, [Option<Status>; 6]); 4] = {
        use Status::{Decided, Handling, Prepared, Received};
        const NO: Option<Status> = None;
        [
            (Received, [Some(Handling), NO, NO, NO, NO, NO]),
            (
                Handling,
                [
                    Some(Handling),
                    Some(Decided),
                    Some(Prepared),
                    Some(Prepared),
                    NO,
                    NO,
                ],
            ),
            (Prepared, [NO, NO, NO, NO, Some(Decided), Some(Handling)]),
            (Decided, [NO; 6]),
        ]
    };

    proptest! {
        #[test]
        fn every_walk_keeps_to_the_drawn_table(walk in prop::collection::vec(0_usize..6, 0..40)) {
            let mut status = Status::Received;
            for at in walk {
                let row = DRAWN.iter().find(|(from, _)| *from == status).unwrap().1;
                match (status.after(STEPS[at]), row[at]) {
                    (Ok(after), Some(drawn)) => {
                        prop_assert_eq!(after, drawn);
                        status = after;
                    }
                    (Err(refused), None) => prop_assert_eq!(refused.status, status),
                    (is, drawn) => prop_assert!(false, "{:?} is {:?}, drawn {:?}", status, is, drawn),
                }
            }
        }
    }

    #[test]
    fn names_lead_back() {
        for status in Status::ALL {
            assert_eq!(status.name().parse(), Ok(*status));
        }
        for method in IdentityMethod::ALL {
            assert_eq!(method.name().parse(), Ok(*method));
        }
    }
}
