//! Inference keys: asked for by one person, decided on by another, shown once, rotated, revoked, and what they spend.
//!
//! The counters that enforce a key's limits are the ones that people see: `quota` writes them, `usage` shows them.

mod authenticate;
mod decide;
mod key;
mod leaked;
pub mod quota;
mod request;
mod reveal;
mod revoke;
mod rotate;
mod secret;
mod store;
mod terms;
mod usage;
mod waiting;
pub mod web;

pub use self::{
    authenticate::{Holder, authenticate},
    decide::{DecideError, approve, reject},
    key::{Key, Limits, Status},
    leaked::{Leaked, LeakedError, report_leaked},
    request::{NewKey, RequestError, request},
    reveal::{RevealError, reveal},
    revoke::{RevokeError, revoke},
    rotate::{Overlap, RotateError, rotate},
    secret::Secret,
    terms::{TermsError, accept_terms, has_accepted_terms},
    waiting::{Waiting, What, waiting_for},
};
