//! What every backend can do.

use std::{fmt, io};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Launch, LogPart, Report, State};

/// Where a program runs.
#[async_trait]
pub trait ComputeBackend: Send + Sync {
    /// A short name, as shown to people and kept in the database.
    fn name(&self) -> &'static str;

    /// Starts the program, or finds it where this attempt was started already.
    ///
    /// May be called any number of times for one attempt, also by several portals at once: the program starts once.
    ///
    /// # Errors
    /// [`ComputeError::Refused`] where it will never start, [`ComputeError::Unreachable`] where it may have been.
    async fn submit(&self, launch: &Launch) -> Result<Handle, ComputeError>;

    /// How the program stands; [`State::Unknown`](crate::State::Unknown) where the backend has no trace of it.
    ///
    /// # Errors
    /// [`ComputeError`] where the backend cannot tell.
    async fn status(&self, handle: &Handle) -> Result<Report, ComputeError>;

    /// How many programs stand, in as few questions as the backend allows; the answers in the order of `handles`.
    ///
    /// # Errors
    /// [`ComputeError`] where the backend cannot tell of any of them.
    async fn statuses(&self, handles: &[Handle]) -> Result<Vec<Report>, ComputeError> {
        let mut reports = Vec::with_capacity(handles.len());
        for handle in handles {
            reports.push(self.status(handle).await?);
        }
        Ok(reports)
    }

    /// Stops the program and all it started; returns when they are gone. One that is gone already is no error.
    ///
    /// Asks first and forces after a time of grace, so this may take that time.
    ///
    /// # Errors
    /// [`ComputeError`] where it may still run.
    async fn cancel(&self, handle: &Handle) -> Result<(), ComputeError>;

    /// What the program wrote (standard output and error together), from byte `from` on, without its secrets.
    ///
    /// Answers at most [`LOG_PART_BYTES`](crate::LOG_PART_BYTES), and whole lines only while the program runs. Ask
    /// again from [`LogPart::next`].
    ///
    /// # Errors
    /// [`ComputeError`] where the backend cannot tell.
    async fn log(&self, handle: &Handle, from: u64) -> Result<LogPart, ComputeError>;

    /// As [`ComputeBackend::log`], of a program whose state the caller asked for just before: for many logs at once
    /// ([`ComputeBackend::statuses`]), where asking for each state again costs more than reading.
    ///
    /// # Errors
    /// As [`ComputeBackend::log`].
    async fn log_as_seen(
        &self,
        handle: &Handle,
        from: u64,
        _seen: State,
    ) -> Result<LogPart, ComputeError> {
        self.log(handle, from).await
    }

    /// Removes what an ended attempt left: its log, its working folder. Read the log first.
    ///
    /// What remains are the few bytes that keep the attempt from being started again, and its exit code.
    ///
    /// # Errors
    /// [`Refusal::Running`] while it runs; [`ComputeError`] where something may be left.
    async fn clean(&self, handle: &Handle) -> Result<(), ComputeError>;

    /// What waits or runs there that was submitted from here, whether or not anybody still knows of it.
    ///
    /// A backend whose programs are found in no other way than by their handles lists none.
    ///
    /// # Errors
    /// [`ComputeError`] where the backend cannot tell.
    async fn list(&self) -> Result<Vec<Listed>, ComputeError> {
        Ok(Vec::new())
    }
}

/// What a backend calls a started program: the attempt id. Its own word for it is [`Report::native_id`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Handle(pub String);

impl fmt::Display for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One of what [`ComputeBackend::list`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The attempt it was submitted for.
    pub attempt: Uuid,
    /// What the backend calls it.
    pub native_id: String,
    /// When it was submitted, where the backend tells.
    pub submitted_at: Option<DateTime<Utc>>,
}

/// Why a backend could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    /// Trying again later may help.
    #[error("the compute backend could not be reached")]
    Unreachable(#[source] io::Error),
    /// Trying again will not help.
    #[error("the compute backend refused: {0}")]
    Refused(Refusal),
    /// Nothing works there until somebody mends it; what waits should wait, and a person should be told.
    #[error("the compute place is locked: {0}")]
    Locked(Trouble),
}

/// What is wrong with a place as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The machine answers with a key other than the one that was written down for it.
    #[error("the host key is not the one that is known: {0}")]
    HostKey(String),
    /// We are not let in: a key, a token or a name is refused.
    #[error("the credentials are refused: {0}")]
    Credentials(String),
    /// The settings do not fit what is there.
    #[error("the settings do not fit: {0}")]
    Settings(String),
}

impl From<Trouble> for ComputeError {
    fn from(trouble: Trouble) -> Self {
        Self::Locked(trouble)
    }
}

/// What is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The program is not there, not a file, not executable or not named by an absolute path.
    #[error("{0} is not a program that can be run")]
    Program(String),
    /// A name that a shell would not pass on, or a value with a NUL.
    #[error("the environment variable {0:?} cannot be passed on")]
    Environment(String),
    /// An argument with a NUL.
    #[error("an argument cannot be passed on")]
    Argument,
    /// A time limit of less than a second or more than a year.
    #[error("the time limit must be between a second and a year")]
    TimeLimit,
    /// A request for no cores, or for no machine.
    #[error("at least one core is needed, and one machine: programs on several are not started")]
    Resources,
    /// Not a handle of this backend.
    #[error("{0:?} is not a handle of this backend")]
    Handle(String),
    /// The scheduler said no to this request: no such partition, an account without rights, more than there is.
    #[error("the scheduler refused: {0}")]
    Scheduler(String),
    /// The job's script could not be written.
    #[error("the job script could not be written: {0}")]
    Script(String),
    /// It must have ended first.
    #[error("{0} still runs")]
    Running(Handle),
}

impl From<Refusal> for ComputeError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
