//! The quota ledger: what institutions, projects and keys may use, and what they used.
//!
//! The arithmetic is the crate `quota`; here are its rows, the exchanges of this process with them, and what a gateway
//! calls. `docs/quota.md` has the whole.

mod end;
mod exchange;
mod held;
mod known;
mod ledger;
mod limit;
mod project;
mod record;
mod run;
mod set;
mod shares;
mod standing;
mod state;
mod store;
pub mod web;

pub use self::{
    end::{Left, expire, left, settle_left, tidy},
    held::{Growth, Held, Wish},
    ledger::{Figures, Ledger, NewRequest, ReserveError},
    limit::{Limit, limits_of, set_limit},
    project::{Project, place_new_key, projects_of},
    record::{Context, Outcome, Price, Spent},
    shares::{BeyondShares, Shares, lock_shares_besides, shares_besides},
    standing::{Standing, Used, standing_of, used_of, used_of_all},
    store::day_of,
};
pub use quota::{Ask, Measure, NodeId, Window};
