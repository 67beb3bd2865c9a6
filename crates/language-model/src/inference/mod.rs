//! Generating text: 8-bit weights, a cache of keys and values, adapters at run time, and sampling.
//!
//! [`InferenceModel::step`] takes the next tokens of any number of sequences, each with its own [`KvCache`] and its
//! own [`Adapter`] or none, and gives logits; a [`Sampler`] chooses; [`TextStream`] and [`StopMatcher`] turn tokens
//! into text that may be shown.

mod adapter;
mod cache;
mod forward;
pub mod kernels;
mod model;
pub mod q8;
mod rows;
mod sampler;
mod stop;
#[cfg(test)]
mod tests;
mod text;

pub use self::{
    adapter::{Adapter, AdapterError, CONFIG_FILE, WEIGHTS_FILE},
    cache::KvCache,
    forward::{StepError, Work, Workspace},
    model::InferenceModel,
    q8::Activations,
    sampler::{Sampler, Sampling},
    stop::StopMatcher,
    text::TextStream,
};
