//! What people are told: on a page, among their tasks where they must say that they read it, and by mail.
//!
//! A slice tells in the transaction of the change it tells about ([`tell`]), so that nobody hears of what did
//! not happen and nothing happens unheard. Mail goes out afterwards, at least once; a mail server knows a
//! repetition by its Message-ID. Who does not acknowledge in time is reported to who can do something about it.

mod acknowledge;
mod confirm_token;
mod deliver;
mod escalate;
mod mail;
mod notice;
mod store;
mod tell;
pub mod web;

use std::time::Duration;

pub use self::{
    acknowledge::{AcknowledgeError, acknowledge},
    deliver::{Deliver, DeliverError, deliver},
    mail::{Letter, MailError, Mailer},
    notice::{About, Notice, Recipient, Shown, Value},
    store::{Counts, Filter, count_about, list, waiting_for},
    tell::{tell, tell_all},
};
use crate::{db::Db, worker::Running};

/// Between two looks for notices that nobody acknowledged in time.
pub const ESCALATE_EVERY: Duration = Duration::from_secs(60);

/// The chore: tells who can act of every notice that was not acknowledged in time.
pub fn escalate_overdue(db: &Db) -> Running<'_> {
    Box::pin(async move { Ok(escalate::sweep(db).await?) })
}
