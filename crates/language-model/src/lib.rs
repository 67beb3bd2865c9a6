//! The engine core that training and serving share.
//!
//! Opens Llama-family models ([`model_file::ModelFile`]) from GGUF or safetensors, turns text into tokens and chats
//! into text, and keeps weights as they are stored until someone needs them in another form. Files are taken from
//! anywhere: sizes, counts and offsets are checked before use.

pub mod chat_template;
pub mod config;
pub mod document;
pub mod export;
pub mod gguf;
mod hub_weights;
pub mod inference;
pub mod lora;
pub mod matrix;
pub mod model_file;
mod parameters;
pub mod quantised;
mod rotary_scaling;
pub mod synthetic;
pub mod tokenizer;
pub mod tokenizer_training;
pub mod training_graph;
pub mod weights;
mod whole_weights;

pub use self::{
    chat_template::{ChatTemplate, Message},
    config::Config,
    document::Document,
    lora::{LoraAdapter, Target},
    model_file::{ModelFile, OpenError},
    parameters::{Parameters, Place},
    rotary_scaling::RotaryScaling,
    tokenizer::Tokenizer,
    weights::{LayerTensors, Tensor, Weights},
    whole_weights::WholeWeights,
};
