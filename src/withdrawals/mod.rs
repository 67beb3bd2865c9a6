//! Withdrawing permission: everything it touches is found first, then stopped and marked in one transaction.
//! And the page on which contributors see where their data is used.

mod cascade;
mod reach;
mod store;
pub mod web;

pub use self::{
    cascade::{WithdrawError, withdraw},
    reach::{Reach, reach},
};
