//! Where models are served: the programs that do it, and which model stands in which.
//!
//! Serving programs report how they stand and ask what they should have; the portal never calls them for this, so that
//! they may stand behind any door. A program that is not heard of for ten seconds is gone. Which model stands where is
//! decided by [`placement`], a pure rule; `arrange` has the database follow it.

mod arrange;
mod assign;
mod drain;
mod list;
mod placement;
mod process;
mod report;
mod store;
pub mod web;

pub use self::{arrange::arrange, store::places};
