//! How far jobs and attempts are.

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobStatus {
    /// Asked for; an operator decides.
    Submitted,
    /// Allowed; waits for room.
    Approved,
    /// Has an attempt.
    Running,
    /// Rests until somebody lets it go on.
    Paused,
    /// Made a model.
    Succeeded,
    /// Cannot be done as it is.
    Failed,
    /// Stopped by a person.
    Cancelled,
    /// Not allowed by the operator.
    Rejected,
    /// Stopped because a dataset may not be used.
    Blocked,
}

impl JobStatus {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Submitted,
        Self::Approved,
        Self::Running,
        Self::Paused,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Rejected,
        Self::Blocked,
    ];

    /// The word in the database, in JSON and in keys of texts (`jobs-status-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Approved => "approved",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Blocked => "blocked",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == text)
    }

    /// Whether nothing happens to it any more.
    #[must_use]
    pub fn is_over(self) -> bool {
        match self {
            Self::Submitted | Self::Approved | Self::Running | Self::Paused => false,
            Self::Succeeded | Self::Failed | Self::Cancelled | Self::Rejected | Self::Blocked => {
                true
            }
        }
    }

    /// Where `step` leads from here.
    ///
    /// # Errors
    /// [`WrongStatus`] where the step cannot be taken now.
    pub fn after(self, step: Step) -> Result<Self, WrongStatus> {
        match (self, step) {
            (Self::Submitted, Step::Approve) => Ok(Self::Approved),
            (Self::Submitted, Step::Reject) => Ok(Self::Rejected),
            (Self::Submitted | Self::Approved | Self::Paused, Step::Cancel) => Ok(Self::Cancelled),
            // The program is asked; how it ends decides.
            (Self::Running, Step::Cancel | Step::Block | Step::Pause) => Ok(Self::Running),
            (Self::Submitted | Self::Approved | Self::Paused, Step::Block) => Ok(Self::Blocked),
            (Self::Approved, Step::Pause) => Ok(Self::Paused),
            (Self::Paused, Step::Resume) => Ok(Self::Approved),
            // It was asked to leave and has not yet: the next attempt goes on by itself.
            (Self::Running, Step::Resume) => Ok(Self::Running),
            (Self::Approved, Step::Dispatch) => Ok(Self::Running),
            (Self::Running, Step::Conclude(end)) => Ok(end.status()),
            _ => Err(WrongStatus { status: self }),
        }
    }
}

/// Something that happens to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Approve,
    Reject,
    Cancel,
    /// A dataset may not be used any more.
    Block,
    Dispatch,
    /// A person lets it rest.
    Pause,
    /// A person lets it go on.
    Resume,
    /// An attempt ended.
    Conclude(JobEnd),
}

/// What the end of an attempt means for its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEnd {
    Succeeded,
    Failed,
    Cancelled,
    Blocked,
    /// Another attempt is made.
    Again,
    /// Another attempt is made when somebody says so.
    Paused,
}

impl JobEnd {
    /// The status that follows.
    #[must_use]
    pub fn status(self) -> JobStatus {
        match self {
            Self::Succeeded => JobStatus::Succeeded,
            Self::Failed => JobStatus::Failed,
            Self::Cancelled => JobStatus::Cancelled,
            Self::Blocked => JobStatus::Blocked,
            Self::Again => JobStatus::Approved,
            Self::Paused => JobStatus::Paused,
        }
    }
}

/// A step that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this cannot be done to a job that is {}", status.name())]
pub struct WrongStatus {
    /// How far it is.
    pub status: JobStatus,
}

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptStatus {
    /// Decided and written down; the backend may or may not have it.
    Dispatching,
    /// The backend has it.
    Running,
    Succeeded,
    Failed,
    Cancelled,
    /// Ended without telling how.
    Lost,
}

impl AttemptStatus {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Dispatching,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Lost,
    ];

    /// The word in the database, in JSON and in keys of texts (`jobs-attempt-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dispatching => "dispatching",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == text)
    }

    /// Whether its token counts and its program may work.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Dispatching | Self::Running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Step; 13] = [
        Step::Approve,
        Step::Reject,
        Step::Cancel,
        Step::Block,
        Step::Dispatch,
        Step::Pause,
        Step::Resume,
        Step::Conclude(JobEnd::Succeeded),
        Step::Conclude(JobEnd::Failed),
        Step::Conclude(JobEnd::Cancelled),
        Step::Conclude(JobEnd::Blocked),
        Step::Conclude(JobEnd::Again),
        Step::Conclude(JobEnd::Paused),
    ];

    #[test]
    fn the_whole_state_machine() {
        let mut table = Vec::new();
        for status in JobStatus::ALL {
            for step in STEPS {
                if let Ok(after) = status.after(step) {
                    table.push(format!("{} {step:?} -> {}", status.name(), after.name()));
                }
            }
        }
        assert_eq!(
            table,
            [
                "submitted Approve -> approved",
                "submitted Reject -> rejected",
                "submitted Cancel -> cancelled",
                "submitted Block -> blocked",
                "approved Cancel -> cancelled",
                "approved Block -> blocked",
                "approved Dispatch -> running",
                "approved Pause -> paused",
                "running Cancel -> running",
                "running Block -> running",
                "running Pause -> running",
                "running Resume -> running",
                "running Conclude(Succeeded) -> succeeded",
                "running Conclude(Failed) -> failed",
                "running Conclude(Cancelled) -> cancelled",
                "running Conclude(Blocked) -> blocked",
                "running Conclude(Again) -> approved",
                "running Conclude(Paused) -> paused",
                "paused Cancel -> cancelled",
                "paused Block -> blocked",
                "paused Resume -> approved",
            ]
        );
    }

    #[test]
    fn what_is_over_stays_over() {
        for status in JobStatus::ALL.into_iter().filter(|s| s.is_over()) {
            for step in STEPS {
                assert!(status.after(step).is_err(), "{status:?} {step:?}");
            }
        }
    }

    #[test]
    fn words_are_read_back() {
        for status in JobStatus::ALL {
            assert_eq!(JobStatus::parse(status.name()), Some(status));
        }
        for status in AttemptStatus::ALL {
            assert_eq!(AttemptStatus::parse(status.name()), Some(status));
        }
    }
}
