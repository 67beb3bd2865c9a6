//! How a program stands, as its backend sees it.

use chrono::{DateTime, TimeDelta, Utc};

/// What a backend tells of one program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How it stands.
    pub state: State,
    /// What the backend calls it: a Slurm job id. `None` where the handle is all there is.
    pub native_id: Option<String>,
    /// Why it stands so, in the backend's own words: `Resources`, `ReqNodeNotAvail`.
    pub reason: Option<String>,
    /// The queue that it stands in: a Slurm partition.
    pub partition: Option<String>,
    /// Its place among those that wait for the same machines, from 1.
    pub queue_position: Option<u32>,
    /// When it was started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// What it has used so far.
    pub used: Usage,
}

/// How a program stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Accepted, and waiting for room. One that ran may wait again, where the scheduler put it back.
    Pending,
    /// Runs, or holds its machines while it is held up.
    Running,
    /// Ended.
    Ended {
        /// What it returned; 128 + n where signal n ended it; 124 where it ran over its time limit.
        exit_code: i32,
        /// Who or what ended it.
        cause: Cause,
    },
    /// There is no trace of it: it was never started, or so long ago that nobody remembers.
    Unknown,
}

/// Who or what ended a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The program itself, or a signal from we do not know whom.
    Exited,
    /// Its time was over.
    TimeLimit,
    /// The machine failed under it.
    NodeFailed,
    /// It had to make room for another.
    Preempted,
    /// It asked for more memory than it was given.
    OutOfMemory,
    /// Somebody other than us took it out of the queue, or the scheduler did.
    StoppedByScheduler,
    /// It left the queue without having run.
    NeverStarted,
}

/// What a program has used; `None` where the backend does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on the machines.
    pub seconds: u64,
    /// GPUs it was given, over all its machines.
    pub gpus: Option<u32>,
    /// Cores it was given, over all its machines.
    pub cores: Option<u32>,
    /// Machines it was given.
    pub nodes: Option<u32>,
}

impl Report {
    /// One of which there is no trace.
    #[must_use]
    pub fn unknown() -> Self {
        Self::of(State::Unknown)
    }

    /// Nothing but the state.
    #[must_use]
    pub fn of(state: State) -> Self {
        Self {
            state,
            native_id: None,
            reason: None,
            partition: None,
            queue_position: None,
            started_at: None,
            ended_at: None,
            used: Usage::default(),
        }
    }
}

/// Seconds from start to end, or until `now`, begun ones in full; 0 where it never started.
pub(crate) fn seconds_used(
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> u64 {
    started_at.map_or(0, |start| {
        let used = ended_at.unwrap_or(now) - start;
        u64::try_from(used.max(TimeDelta::zero()).num_milliseconds())
            .map_or(0, |milliseconds| milliseconds.div_ceil(1000))
    })
}
