//! The audit log: reading it, and what makes it provable.
//!
//! Writing a line is `db::WriteTx`'s alone. Here the lines become the leaves of a Merkle tree: [`walk`] checks the
//! whole log, [`sign`] signs a checkpoint over it, `prove` makes proofs, [`bundle`] an export that holds without us.
//! docs/transparency-log.md tells how it fits together.

mod alarm;
pub mod bundle;
mod checkpoint;
mod list;
mod log;
mod prove;
mod sign;
mod store;
mod walk;
pub mod web;

pub use self::{
    alarm::{AlarmError, alarm},
    checkpoint::{SignatureProblem, Signed, check_checkpoint},
    list::{Entry, Filter, entries, of_subject},
    log::{Log, LogError, origin},
    prove::{Proven, ProvenLines, proven_lines},
    sign::{SignError, When, sign},
    store::Check,
    walk::{Depth, Problem, WalkError, Walked, walk},
};
