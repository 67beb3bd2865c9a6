//! What runs in the background: which task is done by whom, and what recurs.

use crate::{
    app::Ports,
    worker::{Chore, Handler},
};

/// Every kind of task with its handler.
#[must_use]
pub fn handlers() -> Vec<Handler<Ports>> {
    vec![]
}

/// Everything that recurs.
#[must_use]
pub fn chores() -> Vec<Chore<Ports>> {
    vec![]
}
