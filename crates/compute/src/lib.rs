//! Running programs somewhere: on this machine, or on a cluster.
//!
//! A [`ComputeBackend`] starts a program for one attempt of a job, tells how it stands and stops it. It knows
//! nothing of jobs beyond that: what the program does and finds it tells the portal itself, through the job contract.
//!
//! | backend | where | module |
//! |---|---|---|
//! | [`Local`] | processes of this machine | `local` |
//! | Slurm | a cluster, through slurmrestd or ssh | has its place beside `local`, and passes [`conformance`] too |
//!
//! Whatever the backend, *an attempt is started at most once*: [`ComputeBackend::submit`] with the same attempt id
//! finds the first start, also after a crash between the start and the caller's own commit. A backend on Slurm gets
//! there by using the attempt id as the job's name and looking for it before it submits.

mod backend;
pub mod conformance;
mod launch;
mod local;

pub use self::{
    backend::{ComputeBackend, ComputeError, Handle, JobStatus, Refusal},
    launch::Launch,
    local::Local,
};
