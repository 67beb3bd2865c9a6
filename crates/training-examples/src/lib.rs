//! What can be learnt from: a line of JSONL as an example, or the field of it that is wrong and what would do.
//!
//! The portal asks before people decide on data, and the training program reads with the same code: what the one takes
//! the other takes. What only a base model's tokenizer can tell (its own control tokens, the length in tokens) is left
//! to the program.

mod control;
mod example;
mod fault;
mod jsonl;
mod lines;

pub use self::{
    control::control_text_in,
    example::{Example, MOST_MESSAGE_BYTES, Message, OneKind, Wanted},
    fault::Fault,
    jsonl::{completion_of, example, text_of},
    lines::{Judge, Lines},
};
