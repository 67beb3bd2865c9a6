use std::sync::Arc;

use crate::{Config, Tensor, Weights};

use super::{cache::KvCache, q8::Q8Matrix};

/// A base model, ready to generate: matrices in 8 bits, norms in f32.
#[derive(Debug)]
pub struct InferenceModel {
    pub(super) config: Config,
    pub(super) embedding: Arc<Q8Matrix>,
    pub(super) layers: Vec<Layer>,
    pub(super) final_norm: Vec<f32>,
    /// The embedding itself where they are tied.
    pub(super) head: Arc<Q8Matrix>,
    pub(super) rotation: Rotation,
}

/// The weights of one block.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) attention_norm: Vec<f32>,
    /// Query, key and value projections below each other: one product instead of three.
    pub(super) query_key_value: Q8Matrix,
    pub(super) output: Q8Matrix,
    pub(super) feed_forward_norm: Vec<f32>,
    /// Gate and up projections below each other.
    pub(super) gate_up: Q8Matrix,
    pub(super) down: Q8Matrix,
}

/// Cosines and sines of the rotary angles, `[position, head_dim / 2]`.
#[derive(Debug)]
pub(super) struct Rotation {
    pub(super) cosines: Vec<f32>,
    pub(super) sines: Vec<f32>,
}

impl InferenceModel {
    /// Requantises `weights`; a sequence has at most `most_tokens` tokens, and never more than the model's context.
    ///
    /// Takes about 1.13 bytes a weight, and for a moment the f32 form of the largest matrix.
    pub fn new(config: &Config, weights: &Weights, most_tokens: usize) -> Self {
        let mut config = config.clone();
        config.context_length = config.context_length.min(most_tokens);
        let embedding = Arc::new(pack(&[&weights.embedding]));
        let head = if config.is_embedding_tied {
            Arc::clone(&embedding)
        } else {
            Arc::new(pack(&[&weights.head]))
        };
        let layers = weights
            .layers
            .iter()
            .map(|layer| Layer {
                attention_norm: layer.attention_norm.to_f32(),
                query_key_value: pack(&[&layer.query, &layer.key, &layer.value]),
                output: pack(&[&layer.output]),
                feed_forward_norm: layer.feed_forward_norm.to_f32(),
                gate_up: pack(&[&layer.gate, &layer.up]),
                down: pack(&[&layer.down]),
            })
            .collect();
        Self {
            rotation: Rotation::new(&config),
            embedding,
            layers,
            final_norm: weights.final_norm.to_f32(),
            head,
            config,
        }
    }

    /// The shape; its context length is the one that is served.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// An empty cache for a sequence of at most `capacity` tokens.
    pub fn new_cache(&self, capacity: usize) -> KvCache {
        KvCache::new(self.config.layers, capacity.min(self.config.context_length))
    }

    /// Bytes that a token takes in a cache.
    pub fn cache_bytes_per_token(&self) -> usize {
        2 * self.config.layers * self.config.kv_size() * size_of::<f32>()
    }

    /// Bytes of all matrices.
    pub fn size_bytes(&self) -> usize {
        let tables = match Arc::ptr_eq(&self.embedding, &self.head) {
            true => self.embedding.size_bytes(),
            false => self.embedding.size_bytes() + self.head.size_bytes(),
        };
        let layer = |layer: &Layer| {
            layer.query_key_value.size_bytes()
                + layer.output.size_bytes()
                + layer.gate_up.size_bytes()
                + layer.down.size_bytes()
        };
        tables + self.layers.iter().map(layer).sum::<usize>()
    }
}

impl Rotation {
    /// Angles `position * theta^(-2i / head_dim)` (Su et al. 2021, eq. 15).
    fn new(config: &Config) -> Self {
        let half = config.head_dim / 2;
        let mut cosines = Vec::with_capacity(config.context_length * half);
        let mut sines = Vec::with_capacity(config.context_length * half);
        let exponent = |i: usize| -2.0 * i as f64 / config.head_dim as f64;
        let frequencies: Vec<f64> = (0..half)
            .map(|i| f64::from(config.rope_theta).powf(exponent(i)))
            .collect();
        for position in 0..config.context_length {
            for frequency in &frequencies {
                let angle = position as f64 * frequency;
                cosines.push(angle.cos() as f32);
                sines.push(angle.sin() as f32);
            }
        }
        Self { cosines, sines }
    }
}

/// Puts matrices of the same width below each other, in 8 bits.
fn pack(tensors: &[&Tensor]) -> Q8Matrix {
    let parts: Vec<(Vec<f32>, usize)> = tensors
        .iter()
        .map(|tensor| (tensor.to_f32(), tensor.rows()))
        .collect();
    let parts: Vec<(&[f32], usize)> = parts
        .iter()
        .map(|(values, rows)| (values.as_slice(), *rows))
        .collect();
    let columns = tensors.first().map_or(0, |tensor| tensor.columns());
    Q8Matrix::stack(&parts, columns)
}
