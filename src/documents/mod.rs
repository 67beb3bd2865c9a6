//! Finding documents by what they say: the words of every verified file, and where each document stands in it.
//!
//! The text is kept once, in the object store; a passage is read from there when it is shown.

mod find;
mod fold;
mod index;
mod names;
mod passage;
mod store;
mod term;

pub use self::{
    find::{DocumentKey, Listed, Place, Search, count, describe, search, unindexed},
    index::{IndexError, catch_up, forget, is_forgotten},
    names::name_variants,
    passage::{Passage, passage},
    term::{Term, parse_terms},
};
