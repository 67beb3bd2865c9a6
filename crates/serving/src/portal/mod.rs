//! Keeps the registry as the portal assigns: fetches, loads, drops, and reports.

mod fetch;
mod follow;
mod leave;
mod load;
mod status;

pub use self::{
    fetch::{FetchError, Store},
    follow::{FollowError, Follower, FollowerSettings},
};
