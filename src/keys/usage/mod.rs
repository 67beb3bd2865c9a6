//! What was used: read from the counters that enforce and the records they leave.

mod store;
pub(super) mod web;

pub(super) use self::store::{of_day, of_key};
