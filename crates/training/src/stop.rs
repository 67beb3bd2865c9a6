//! Why work ends before its end.

use std::sync::{Arc, Mutex, PoisonError};

/// A reason to stop that lies outside the work itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The portal said so in its answer to events.
    #[error("cancelled: {0}")]
    Cancelled(String),
    /// Reading was refused, or the token is not valid any more.
    #[error("refused: {0}")]
    Refused(String),
    /// The attempt has ended in the portal's books; nobody waits for it.
    #[error("the attempt has ended")]
    Ended,
    /// Nobody answered for too long.
    #[error("{0}")]
    Unreachable(String),
    /// The scheduler asked the process to end.
    #[error("asked to end")]
    Terminated,
}

impl Stop {
    /// True where the same attempt may be taken up again, so that its place is worth keeping.
    pub fn may_resume(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Terminated => true,
            Self::Cancelled(_) | Self::Refused(_) | Self::Ended => false,
        }
    }
}

/// A place for the first reason to stop, seen by all threads.
#[derive(Debug, Clone, Default)]
pub struct StopSign(Arc<Mutex<Option<Stop>>>);

impl StopSign {
    /// Notes a reason; the first one stays.
    pub fn raise(&self, stop: Stop) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(stop);
    }

    /// # Errors
    /// The reason, where one has been noted.
    pub fn check(&self) -> Result<(), Stop> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(stop) => Err(stop.clone()),
            None => Ok(()),
        }
    }
}
