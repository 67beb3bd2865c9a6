//! Inference keys: asked for by one person, decided on by another, shown once, rotated, revoked, and what they spend.
//!
//! The counters that enforce a key's limits are the ones that people see: [`crate::quota`] writes them, `usage` shows
//! them.

mod cache;
mod commerce;
mod decide;
mod holder;
mod key;
mod leaked;
mod looks;
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
    cache::{Cache, Known},
    commerce::NotForProfit,
    decide::{DecideError, approve, reject},
    holder::Holder,
    key::{Key, Limits, Status},
    leaked::{Leaked, LeakedError, report_leaked},
    request::{NewKey, RequestError, request},
    reveal::{RevealError, reveal},
    revoke::{RevokeError, revoke},
    rotate::{Overlap, RotateError, rotate},
    secret::Secret,
    terms::{TermsError, accept_terms, has_accepted_terms},
    usage::{
        ALERT_EVERY, AlertError, Node as KeyNode, UsedOfModel, nodes_of, tell_of_budgets,
        used_by_model,
    },
    waiting::{Waiting, What, waiting_for},
};
