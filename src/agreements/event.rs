//! What the audit log is told of agreements, and why a step was not taken.

use serde::Serialize;

use super::{
    agreement::{Agreement, WrongStatus},
    term::TermsError,
};
use crate::{
    db::{CommitError, Event, StoreError, Subject},
    error::{AppError, Say},
    ids::AgreementId,
    objects::ObjectError,
    permissions::GiveError,
    policy::Denied,
};

/// Something that happened to an agreement, with what is particular to it.
#[derive(Debug, Serialize)]
pub(super) struct Happened<'a, T: Serialize> {
    #[serde(skip)]
    kind: &'static str,
    #[serde(skip)]
    agreement: &'a Agreement,
    #[serde(flatten)]
    what: T,
}

impl<'a, T: Serialize> Happened<'a, T> {
    /// `kind` as in `agreements.submitted`.
    pub(super) fn new(kind: &'static str, agreement: &'a Agreement, what: T) -> Self {
        Self {
            kind,
            agreement,
            what,
        }
    }
}

impl<T: Serialize> Event for Happened<'_, T> {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "agreement",
            id: self.agreement.id.0,
            institution: self.agreement.institution,
        }
    }
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AgreementError {
    #[error("there is no agreement {0}")]
    NotFound(AgreementId),
    /// A field of what was sent, and what is wrong with it.
    #[error("{0}: {1}")]
    Field(&'static str, Say),
    /// It does not fit how things stand.
    #[error("{0}")]
    Conflict(Say),
    /// More bytes than an agreement may have.
    #[error("a document has at most {most_bytes} bytes")]
    TooLarge { most_bytes: u64 },
    #[error(transparent)]
    WrongStatus(#[from] WrongStatus),
    #[error(transparent)]
    Terms(#[from] TermsError),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Give(#[from] GiveError),
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl AgreementError {
    /// A clash with how things stand.
    pub(super) fn conflict(key: &'static str) -> Self {
        Self::Conflict(Say::new(key))
    }
}

impl From<sqlx::Error> for AgreementError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<AgreementError> for AppError {
    fn from(error: AgreementError) -> Self {
        match error {
            AgreementError::NotFound(_) => Self::NotFound,
            AgreementError::Field(_, say) => Self::Invalid(say),
            AgreementError::Conflict(say) => Self::Conflict(say),
            AgreementError::TooLarge { most_bytes } => Self::TooLarge(
                Say::new("agreement-document-too-large").with("most", most_bytes / 1_000_000),
            ),
            AgreementError::WrongStatus(_) => Self::conflict("agreement-wrong-status"),
            AgreementError::Terms(TermsError::Missing(_)) => {
                Self::conflict("agreement-not-complete")
            }
            AgreementError::Terms(TermsError::EndsBeforeItBegins) => {
                Self::conflict("agreement-terms-end-before-they-begin")
            }
            AgreementError::Terms(TermsError::AllowedAndProhibited) => {
                Self::conflict("agreement-allowed-and-prohibited")
            }
            AgreementError::Denied(why) => why.into(),
            AgreementError::Give(why) => why.into(),
            AgreementError::Objects(why) => why.into(),
            AgreementError::Store(why) => why.into(),
            AgreementError::Commit(why) => why.into(),
        }
    }
}
