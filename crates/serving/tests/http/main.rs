//! The server over HTTP, with a tiny model.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

mod adapters;
mod answers;
mod following;
mod forms;
mod given;
mod refusals;
mod silence;

/// Path of chats.
const CHAT: &str = "/v1/chat/completions";
/// Path of text completions.
const TEXT: &str = "/v1/completions";
