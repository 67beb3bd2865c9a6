use std::sync::Arc;

use crate::{Config, LayerTensors, Tensor, Weights};

use super::{
    cache::{KvCache, PAGE_TOKENS, PagePool, PageShape},
    packed::PackedMatrix,
};

/// How the weights of a base model are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeightBits {
    /// 4 bits where the file stores them so, 8 bits otherwise.
    #[default]
    AsStored,
    /// 8 bits.
    Eight,
}

/// A base model, ready to generate: packed matrices, norms in f32.
#[derive(Debug)]
pub struct InferenceModel {
    pub(super) config: Config,
    pub(super) embedding: Arc<PackedMatrix>,
    pub(super) layers: Vec<Layer>,
    pub(super) final_norm: Vec<f32>,
    /// The embedding itself where they are tied.
    pub(super) head: Arc<PackedMatrix>,
    pub(super) rotation: Rotation,
    pages: Arc<PagePool>,
}

/// The weights of one block.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) attention_norm: Vec<f32>,
    /// Query, key and value projections below each other: one product instead of three.
    pub(super) query_key_value: PackedMatrix,
    pub(super) output: PackedMatrix,
    pub(super) feed_forward_norm: Vec<f32>,
    /// Gate and up projections below each other.
    pub(super) gate_up: PackedMatrix,
    pub(super) down: PackedMatrix,
}

/// Cosines and sines of the rotary angles, `[position, head_dim / 2]`.
#[derive(Debug)]
pub(super) struct Rotation {
    pub(super) cosines: Vec<f32>,
    pub(super) sines: Vec<f32>,
}

impl InferenceModel {
    /// Packs `weights` as they are stored; a sequence has at most `most_tokens` tokens, and never more than the model's
    /// context.
    pub fn new(config: &Config, weights: &Weights, most_tokens: usize) -> Self {
        Self::with_bits(config, weights, most_tokens, WeightBits::AsStored)
    }

    /// As [`InferenceModel::new`], with a choice of the weights' bits: 0.63 bytes a weight in 4, 1.06 in 8.
    pub fn with_bits(
        config: &Config,
        weights: &Weights,
        most_tokens: usize,
        bits: WeightBits,
    ) -> Self {
        let pack = |tensors: &[&Tensor]| match bits {
            WeightBits::AsStored => PackedMatrix::pack(tensors),
            WeightBits::Eight => PackedMatrix::pack_eight(tensors),
        };
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
            pages: Arc::new(PagePool::new(PageShape {
                layers: config.layers,
                kv_heads: config.kv_heads,
                head_dim: config.head_dim,
            })),
            embedding,
            layers,
            final_norm: weights.final_norm.to_f32(),
            head,
            config,
        }
    }

    /// Bytes that [`InferenceModel::new`] would take for these weights, without making anything.
    pub fn packed_bytes(config: &Config, weights: &Weights) -> usize {
        let head = match config.is_embedding_tied {
            true => 0,
            false => PackedMatrix::packed_bytes(&[&weights.head]),
        };
        let layer = |layer: &LayerTensors| {
            PackedMatrix::packed_bytes(&[&layer.query, &layer.key, &layer.value])
                + PackedMatrix::packed_bytes(&[&layer.output])
                + PackedMatrix::packed_bytes(&[&layer.gate, &layer.up])
                + PackedMatrix::packed_bytes(&[&layer.down])
        };
        PackedMatrix::packed_bytes(&[&weights.embedding])
            + head
            + weights.layers.iter().map(layer).sum::<usize>()
    }

    /// The shape; its context length is the one that is served.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// An empty cache for a sequence of at most `capacity` tokens.
    pub fn new_cache(&self, capacity: usize) -> KvCache {
        KvCache::new(&self.pages, capacity.min(self.config.context_length))
    }

    /// Bytes that a cache for so many tokens takes when it is full: whole pages.
    pub fn cache_bytes(&self, tokens: usize) -> usize {
        tokens.div_ceil(PAGE_TOKENS) * self.pages.page_bytes()
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
    /// Angles `position * frequency` for each position of the context.
    fn new(config: &Config) -> Self {
        let half = config.head_dim / 2;
        let mut cosines = Vec::with_capacity(config.context_length * half);
        let mut sines = Vec::with_capacity(config.context_length * half);
        let frequencies = config.rotary_frequencies();
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
