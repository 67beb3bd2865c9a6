//! Running programs somewhere: on this machine, or on a cluster.
//!
//! A [`ComputeBackend`] starts a program for one attempt of a job, tells how it stands and stops it. It knows
//! nothing of jobs beyond that: what the program does and finds it tells the portal itself, through the job contract.
//!
//! | backend | where | module |
//! |---|---|---|
//! | [`Local`] | processes of this machine | `local` |
//! | [`Slurm`] | jobs of a cluster, through its commands here, the same over ssh, or slurmrestd | `slurm` |
//!
//! [`Places`] opens what the configuration names.
//!
//! Whatever the backend, *an attempt is started at most once*: [`ComputeBackend::submit`] with the same attempt id
//! finds the first start, also after a crash between the start and the caller's own commit. [`conformance`] is the
//! suite that each backend passes.

mod backend;
pub mod conformance;
mod launch;
mod local;
mod log;
mod places;
mod recipe;
mod reconcile;
mod redact;
mod report;
mod slurm;

pub use self::{
    backend::{ComputeBackend, ComputeError, Handle, Listed, Refusal, Trouble},
    launch::{Launch, Resources},
    local::Local,
    log::{LOG_PART_BYTES, LogPart},
    places::{ComputePlace, Place, PlaceError, PlaceKind, Places, Surroundings},
    recipe::{PlaceRecipe, RecipeKind},
    reconcile::cancel_strays,
    redact::redact,
    report::{Cause, Report, State, Usage},
    slurm::{RestSettings, Slurm, SlurmSettings, SshSettings, Transport},
};
