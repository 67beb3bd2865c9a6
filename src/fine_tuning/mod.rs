//! OpenAI's fine-tuning API: files, uploads, jobs and their events, as the stock SDKs speak it.
//!
//! A file that is sent here is the one file of a dataset of the key's institution, and a job that is asked for here is a job
//! like any other: reviews, permission and approval hold for both. While people decide, the job waits; [`advance`] takes it
//! on as soon as it may go on, and asks for it in the name of the person whose key it was.

mod advance;
mod ask;
mod bad_line;
mod change;
mod create;
mod events;
mod examination;
mod examine;
mod expire;
mod failure;
mod file;
mod happened;
mod ids;
mod job;
mod judge;
mod pause;
mod permit;
mod put_together;
mod resolve;
mod results;
mod show;
mod store;
mod tell;
mod upload;
pub mod web;

pub use self::{
    advance::{Ports, sweep},
    expire::sweep as sweep_expired,
    upload::sweep as sweep_uploads,
};
