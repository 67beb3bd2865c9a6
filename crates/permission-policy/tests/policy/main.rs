//! What the rules answer: written cases, properties, and terms in other people's words.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot set itself up should fail"
)]

mod arbitrary;
mod cases;
mod exchange;
mod properties;
mod support;
