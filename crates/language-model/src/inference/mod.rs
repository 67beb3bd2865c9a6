//! Generating text: packed weights, a cache of keys and values, adapters at run time, and sampling.
//!
//! [`InferenceModel::step`] takes the next tokens of any number of sequences, each with its own [`KvCache`] and its
//! own [`Adapter`] or none, and gives logits; a [`Sampler`] chooses; [`TextStream`] and [`StopMatcher`] turn tokens
//! into text that may be shown.

mod activations;
mod adapter;
mod cache;
mod forward;
pub mod kernels;
mod model;
pub mod packed;
mod rows;
mod sampler;
mod stop;
mod team;
#[cfg(test)]
mod tests;
mod text;

/// Tokens of one step from which on more do not make it faster a token: what is computed for them leaves the
/// second-level cache.
pub const STEP_TOKENS: usize = 64;

pub use self::{
    activations::{Activations, Q8Rows},
    adapter::{Adapter, AdapterError, CONFIG_FILE, WEIGHTS_FILE},
    cache::{FullPage, KvCache, PAGE_TOKENS},
    forward::{StepError, Work, Workspace},
    model::{InferenceModel, WeightBits},
    sampler::{Sampler, Sampling, likeliest, log_total},
    stop::StopMatcher,
    team::Team,
    text::TextStream,
};
