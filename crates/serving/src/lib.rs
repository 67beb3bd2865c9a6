//! Serves language models over the OpenAI API: several bases, many adapters over each, all in one batch.
//!
//! [`Registry`] holds what is served, [`Engine`] makes the tokens in one thread, [`http`] answers requests, and
//! [`portal`] keeps the registry as the portal assigns.

pub mod constraint;
pub mod engine;
pub mod fits;
pub mod http;
pub mod portal;
pub mod registry;
pub mod settings;
pub mod usage_log;

pub use self::{engine::Engine, registry::Registry, usage_log::UsageLog};
