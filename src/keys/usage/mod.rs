//! What was used: read from the counters that enforce and the records they leave; and who is told before a budget ends.

mod alert;
mod chart;
mod own;
mod pace;
mod store;
pub(super) mod web;
mod which;
mod written;

pub use self::{
    alert::{ALERT_EVERY, AlertError, tell_of_budgets},
    own::{Node, UsedOfModel, nodes_of, used_by_model},
};
