//! What a key may still spend: set aside before a request, settled after it.
//!
//! The counters live in Postgres, so that any number of gateways share them. A reservation is a lease: whoever
//! holds it renews it while the request runs, and what is not renewed is settled by whoever finds it.

mod calendar;
mod ledger;
mod reserve;
mod settle;
mod store;

pub use self::{
    calendar::{day_ends, day_of},
    ledger::{Ask, Completion, Day, Grant},
    reserve::{
        NewReservation, Renewal, ReserveError, Reserved, Standing, renew, reserve, standing,
    },
    settle::{Expired, Outcome, Settlement, expired, forget_minutes, settle, settle_expired},
};
