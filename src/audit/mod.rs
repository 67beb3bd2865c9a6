//! Reading the audit log. Writing it is `db::WriteTx`'s alone.

mod list;
pub mod web;

pub use self::list::{Entry, Filter, entries, of_subject};
