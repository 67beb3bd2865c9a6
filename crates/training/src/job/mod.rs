//! One job of the portal, from its spec to its outcome.

mod attempt;
mod checkpoints;
mod events;
mod observer;
mod outcome;
mod portal;
mod run;
mod staging;
mod upload;

pub use self::{
    portal::{CallError, Pauses, Portal},
    run::{End, Place, run},
    staging::hash_file,
};
