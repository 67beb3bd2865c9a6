//! Why work ends before its end.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

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
    /// True where the work may be taken up again, so that its place is worth keeping.
    pub fn may_resume(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Terminated => true,
            Self::Cancelled(reason) => reason == PAUSED,
            Self::Refused(_) | Self::Ended => false,
        }
    }
}

/// The reason of a cancel after which the work goes on later.
pub const PAUSED: &str = "paused";

/// A place for the first reason to stop, seen by all threads; and for the wish that a checkpoint be stored.
#[derive(Debug, Clone, Default)]
pub struct StopSign {
    stop: Arc<Mutex<Option<Stop>>>,
    wants_checkpoint: Arc<AtomicBool>,
}

impl StopSign {
    /// Notes a reason; the first one stays.
    pub fn raise(&self, stop: Stop) {
        self.stop
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(stop);
    }

    /// # Errors
    /// The reason, where one has been noted.
    pub fn check(&self) -> Result<(), Stop> {
        match &*self.stop.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(stop) => Err(stop.clone()),
            None => Ok(()),
        }
    }

    /// Asks for a checkpoint at the next step; the work goes on.
    pub fn ask_for_checkpoint(&self) {
        self.wants_checkpoint.store(true, Ordering::Release);
    }

    /// Whether a checkpoint was asked for since the last call.
    pub fn take_checkpoint_wish(&self) -> bool {
        self.wants_checkpoint.swap(false, Ordering::AcqRel)
    }
}
