//! Finds personal data with a form of its own in texts, and puts a mark in its place: e-mail addresses, Dutch citizen service
//! numbers (BSN), bank accounts (IBAN) and telephone numbers. In a stream of pieces the result is that of the whole text,
//! however it is cut ([`Redactor`]); JSON stays JSON ([`JsonRedactor`]).
//!
//! Names, addresses of houses and what can be told from the sense of a text are not found. One in eleven numbers of nine digits
//! passes the test of a citizen service number, and is then replaced too.

mod find;
mod json;
mod redact;
mod segment;

pub use self::{
    find::{Found, Kind, find},
    json::JsonRedactor,
    redact::{Redactor, redact},
};
