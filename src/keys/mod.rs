//! Inference keys: asked for by one person, decided on by another, shown once, and what they spend.
//!
//! The counters that enforce a key's limits are the ones that people see: `quota` writes them, `usage` shows them.

mod authenticate;
mod decide;
mod key;
pub mod quota;
mod request;
mod reveal;
mod revoke;
mod secret;
mod store;
mod usage;
mod waiting;
pub mod web;

pub use self::{
    authenticate::{Holder, authenticate},
    decide::{DecideError, approve, reject},
    key::{Key, Limits, Status},
    request::{NewKey, RequestError, request},
    reveal::{RevealError, reveal},
    revoke::{RevokeError, revoke},
    secret::Secret,
    waiting::{Waiting, What, waiting_for},
};
