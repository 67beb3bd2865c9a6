//! Messages to programs of institutions, signed as Standard Webhooks says (and as OpenAI's SDKs verify): in order, until
//! they are taken or twelve hours have passed.

mod deliver;
mod endpoint;
mod keep;
mod secret;
mod store;
mod tell;
pub mod web;

pub use self::{
    deliver::{DeliverError, sweep},
    tell::{Kind, tell},
};
