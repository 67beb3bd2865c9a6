//! What a request can fail with, in terms the caller can act on.

use std::fmt;

use crate::policy::Denied;

/// A failure as the edge sees it. How it is shown is decided by the kind of route:
/// `web::page_error` for people, `web::api_error` for programs.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// There is no such thing, or the caller may not know of it.
    #[error("not found")]
    NotFound,
    /// Nobody is signed in, and the page is not public.
    #[error("sign in first")]
    SignInFirst,
    /// The caller may know of it but may not do this. A key of the texts.
    #[error("{0}")]
    Forbidden(Say),
    /// What was sent cannot be used.
    #[error("{0}")]
    Invalid(Say),
    /// It does not fit the state that the thing is in.
    #[error("{0}")]
    Conflict(Say),
    /// Sent more than is taken.
    #[error("{0}")]
    TooLarge(Say),
    /// Asked more often than is taken.
    #[error("{0}")]
    TooMany(Say),
    /// A part that this needs is away; trying later may help.
    #[error("{what} cannot be reached")]
    Unavailable {
        /// Which part, for example "object store".
        what: &'static str,
        /// The cause, for the log.
        #[source]
        cause: anyhow::Error,
    },
    /// Anything the caller can do nothing about. Its text goes to the log, never to the caller.
    #[error("internal error")]
    Internal(#[source] anyhow::Error),
}

/// A sentence for people: a key of the texts with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Say {
    /// Key in `locales/*/*.ftl`; also the stable code in the JSON API.
    pub key: &'static str,
    /// Named arguments of the text.
    pub args: Vec<(&'static str, String)>,
}

impl Say {
    /// A text without arguments.
    #[must_use]
    pub fn new(key: &'static str) -> Self {
        Self {
            key,
            args: Vec::new(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.args.push((name, value.to_string()));
        self
    }
}

impl fmt::Display for Say {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)
    }
}

impl AppError {
    /// A refusal of what was sent.
    #[must_use]
    pub fn invalid(key: &'static str) -> Self {
        Self::Invalid(Say::new(key))
    }

    /// A clash with the state the thing is in.
    #[must_use]
    pub fn conflict(key: &'static str) -> Self {
        Self::Conflict(Say::new(key))
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::SignInFirst => 401,
            Self::Forbidden(_) => 403,
            Self::Invalid(_) => 422,
            Self::Conflict(_) => 409,
            Self::TooLarge(_) => 413,
            Self::TooMany(_) => 429,
            Self::Unavailable { .. } => 503,
            Self::Internal(_) => 500,
        }
    }
}

impl AppError {
    /// The sentence for people; for what is ours, one that gives nothing away.
    #[must_use]
    pub fn say(&self) -> Say {
        match self {
            Self::Forbidden(say)
            | Self::Invalid(say)
            | Self::Conflict(say)
            | Self::TooLarge(say)
            | Self::TooMany(say) => say.clone(),
            Self::NotFound => Say::new("error-not-found"),
            Self::SignInFirst => Say::new("error-sign-in"),
            Self::Unavailable { what, .. } => Say::new("error-unavailable").with("what", what),
            Self::Internal(_) => Say::new("error-internal"),
        }
    }

    /// Puts what is ours in the log, once, at the edge.
    pub fn log(&self) {
        match self {
            Self::Unavailable { what, cause } => {
                tracing::error!(what, error = %format!("{cause:#}"), "a part is away");
            }
            Self::Internal(cause) => {
                tracing::error!(error = %format!("{cause:#}"), "internal error");
            }
            Self::NotFound
            | Self::SignInFirst
            | Self::Forbidden(_)
            | Self::Invalid(_)
            | Self::Conflict(_)
            | Self::TooLarge(_)
            | Self::TooMany(_) => {}
        }
    }
}

impl From<Denied> for AppError {
    fn from(denied: Denied) -> Self {
        match denied {
            // Another institution's thing is answered like one that is not there.
            Denied::OtherInstitution => Self::NotFound,
            Denied::Role => Self::Forbidden(Say::new("denied-role")),
            Denied::OwnRequest => Self::Forbidden(Say::new("denied-own-request")),
            Denied::SecondReview => Self::Forbidden(Say::new("denied-second-review")),
        }
    }
}

impl From<anyhow::Error> for AppError {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

impl From<sqlx::Error> for AppError {
    fn from(error: sqlx::Error) -> Self {
        let is_away = matches!(
            error,
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed
        );
        if is_away {
            Self::Unavailable {
                what: "database",
                cause: error.into(),
            }
        } else {
            Self::Internal(error.into())
        }
    }
}

impl From<crate::db::CommitError> for AppError {
    fn from(error: crate::db::CommitError) -> Self {
        match error {
            crate::db::CommitError::Database(cause) => cause.into(),
            crate::db::CommitError::Unrecorded | crate::db::CommitError::Payload(_) => {
                Self::Internal(error.into())
            }
        }
    }
}

impl From<crate::db::StoreError> for AppError {
    fn from(error: crate::db::StoreError) -> Self {
        match error {
            crate::db::StoreError::Database(cause) => cause.into(),
            crate::db::StoreError::Corrupt(cause) => Self::Internal(cause.into()),
        }
    }
}

impl From<crate::objects::ObjectError> for AppError {
    fn from(error: crate::objects::ObjectError) -> Self {
        Self::Unavailable {
            what: "object store",
            cause: error.into(),
        }
    }
}
