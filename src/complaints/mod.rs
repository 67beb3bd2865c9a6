//! A request or complaint from outside: of a person whose data may be in our datasets (GDPR, art. 15 to 22), or of
//! who holds rights in a work (copyright; Code of Practice for general-purpose AI, copyright chapter, 1.5).
//!
//! From the public form with its receipt to the letter: who handles it, by when, which documents it is about, what
//! was decided and done. Nothing that tells who asked goes to the audit log.

mod arrivals;
mod case;
mod code;
mod deadline;
mod decide;
mod error;
mod file;
mod follow;
mod forget;
#[cfg(test)]
mod golden;
mod handle;
mod happened;
mod letter;
mod mail;
mod mark;
mod receipt;
mod remark;
mod remind;
mod request;
mod search;
mod store;
mod waiting;
pub mod web;

pub use self::{
    case::{Case, IdentityMethod, Outcome, Status},
    code::FollowCode,
    error::ComplaintError,
    forget::forget,
    mail::{MailLetter, MailLetterError, mail},
    remind::{EVERY as REMIND_EVERY, remind},
    request::{Capacity, Kind},
    waiting::{Waiting, WaitsFor, waiting_for},
};
