//! Files on their way into a dataset: opened, sent in parts, put together, read from end to end.
//!
//! The bytes go to the object store in parts, each under its own SHA-256. What identifies the whole until it
//! is verified is `tree`: the SHA-256 over the digests of the parts. Nothing is readable before it is ready.

mod abort;
mod carry;
mod check;
mod complete;
mod find;
mod form;
mod open;
mod pace;
mod parts;
mod receive;
mod split;
mod store;
mod upload;
mod verify;
pub mod web;

pub use self::{
    abort::{AbortError, Discard, DiscardError, abort, discard, sweep},
    carry::carry,
    check::{BadExample, BadExamples},
    pace::{Pace, PaceError},
    receive::{ReceiveError, Receiving, expect, receive, receive_again},
    split::{Document, DocumentHash, Found, Split, text_of},
    upload::{InvalidPath, Upload, parse_path, part_size_bytes},
    verify::{Verify, VerifyError, verify},
};
