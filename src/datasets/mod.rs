//! The dataset registry: register, submit, review.

mod catalogue;
mod coverage;

pub use self::{
    catalogue::{PublishedVersion, ReadyFile, published, ready_files},
    coverage::{Decision, decide_use, lock_for_use, read as read_policy},
};
