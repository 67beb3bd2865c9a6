//! What the rule looks at, and what it says.

use std::collections::BTreeMap;

use crate::ids::{DeploymentId, ServingProcessId};

/// A process that lives, as far as the rule needs it.
#[derive(Debug, Clone)]
pub(in crate::serving) struct Process {
    pub(in crate::serving) id: ServingProcessId,
    /// The names of bases that it takes; all where it is empty.
    pub(in crate::serving) takes: Vec<String>,
    pub(in crate::serving) most_adapters: usize,
    pub(in crate::serving) room_bytes: Option<u64>,
    /// Answers that run or wait there.
    pub(in crate::serving) load: u32,
    /// Somebody wants nothing new there.
    pub(in crate::serving) is_draining: bool,
    /// It ends by itself, whatever still stands there.
    pub(in crate::serving) is_leaving: bool,
}

/// A model that is to be served.
#[derive(Debug, Clone)]
pub(in crate::serving) struct Wanted {
    pub(in crate::serving) id: DeploymentId,
    /// The name of the base, which is its own where it is none's adapter.
    pub(in crate::serving) base_name: String,
    pub(in crate::serving) over: Over,
    pub(in crate::serving) replicas: usize,
    pub(in crate::serving) is_draining: bool,
    pub(in crate::serving) bytes: u64,
}

/// What a model needs beside itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serving) enum Over {
    Nothing,
    /// A base; none where that is not to be served.
    Base(Option<DeploymentId>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serving) enum PlaceState {
    Loading,
    Ready,
    Failed,
}

/// A model in a process.
#[derive(Debug, Clone, Copy)]
pub(in crate::serving) struct Place {
    pub(in crate::serving) deployment: DeploymentId,
    pub(in crate::serving) process: ServingProcessId,
    pub(in crate::serving) state: PlaceState,
    /// It takes nothing new.
    pub(in crate::serving) is_left: bool,
    /// It is left, and nothing runs there any more.
    pub(in crate::serving) is_quiet: bool,
}

/// What stands where, and what should.
#[derive(Debug, Clone, Default)]
pub(in crate::serving) struct Stand {
    pub(in crate::serving) processes: Vec<Process>,
    pub(in crate::serving) wanted: Vec<Wanted>,
    pub(in crate::serving) places: Vec<Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::serving) enum Change {
    /// Load it there.
    Add(DeploymentId, ServingProcessId),
    /// Send nothing new there.
    Leave(DeploymentId, ServingProcessId),
    /// It was left, and is wanted again.
    Return(DeploymentId, ServingProcessId),
    /// Forget it there.
    Drop(DeploymentId, ServingProcessId),
}

/// Why a model has fewer places than it should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::serving) enum Why {
    /// No process takes anything new.
    NoProcess,
    /// No process takes this base.
    NotTaken,
    /// Those that take it have no memory left, or enough adapters.
    NoRoom,
    /// It stands in each that takes it, and should stand in more.
    TooFew,
    /// Its base is not to be served.
    NoBase,
    /// Every process that could have it failed to load it.
    Failed,
}

/// How a model stands once the changes are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serving) struct Standing {
    pub(in crate::serving) wanted: usize,
    /// Places that are ready or load.
    pub(in crate::serving) placed: usize,
    pub(in crate::serving) why: Option<Why>,
}

#[derive(Debug, Default)]
pub(in crate::serving) struct Arrangement {
    pub(in crate::serving) changes: Vec<Change>,
    pub(in crate::serving) standing: BTreeMap<DeploymentId, Standing>,
}
