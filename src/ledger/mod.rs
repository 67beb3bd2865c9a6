//! The use ledger: tokens that were really read of each dataset version, tokens that each model served, and what
//! each contributor is told of it, month by month.
//!
//! Raw events (`tokens_read`, `usage_records`) are the only source. A month's journal is computed from them by the
//! published [`formula`], written in double entry when the month closes, and never changed afterwards; until then
//! the same computation shows how the month stands. See `docs/ledger.md`.

mod close;
pub mod formula;
#[cfg(test)]
mod golden;
mod journal;
mod look;
mod month;
mod statement;
mod store;
mod table;
mod verify;
pub mod web;

pub use self::{
    close::{CloseError, close_due},
    month::Month,
    verify::{Difference, verify},
};
