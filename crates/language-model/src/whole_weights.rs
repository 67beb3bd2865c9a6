//! All weights of a model in f32, to be trained themselves.

use std::ops::Range;

use crate::{
    config::Config,
    model_file::ModelFile,
    parameters::{Parameters, Place},
    synthetic::Noise,
    weights::{HUB_NAMES, Weights},
};

/// The standard deviation that fresh matrices start with, as in `initializer_range` of the hub's Llama layout.
const INITIAL_DEVIATION: f32 = 0.02;

/// All weights of a model, in one flat vector.
///
/// Projections that read the same input (query, key and value; gate and up) lie one under the other, so that the
/// graph takes them as one matrix. A tied head has no numbers of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeWeights {
    config: Config,
    parameters: Vec<f32>,
}

/// Where the parts of one block lie; the matrices `[outputs, inputs]` row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockPlaces {
    pub(crate) attention_norm: Range<usize>,
    pub(crate) query_key_value: Range<usize>,
    pub(crate) output: Range<usize>,
    pub(crate) feed_forward_norm: Range<usize>,
    pub(crate) gate_up: Range<usize>,
    pub(crate) down: Range<usize>,
}

impl WholeWeights {
    /// The weights of `model`, read into memory: four bytes each.
    pub fn from_model(model: &ModelFile) -> Self {
        let mut whole = Self::zeroed(&model.config);
        for (place, tensor) in whole.layout().iter().zip(in_order(&model.weights)) {
            let columns = place.shape[1];
            let rows = whole.parameters[place.range.clone()].chunks_mut(columns);
            for (row, numbers) in rows.enumerate() {
                tensor.format().dequantise(tensor.row(row), numbers);
            }
        }
        whole
    }

    /// A model that has learnt nothing: norms one, matrices uniform with a standard deviation of 0.02, those that
    /// write into the residual stream less by `√(2 layers)` (Radford et al. 2019, section 2.3).
    pub fn fresh(config: &Config, seed: u64) -> Self {
        let mut whole = Self::zeroed(config);
        let mut noise = Noise::new(seed);
        let residual = 1.0 / (2.0 * config.layers as f32).sqrt();
        for place in whole.layout() {
            let numbers = &mut whole.parameters[place.range.clone()];
            if !place.decays {
                numbers.fill(1.0);
                continue;
            }
            let into_residual = place.name.contains("o_proj") || place.name.contains("down_proj");
            let deviation = INITIAL_DEVIATION * if into_residual { residual } else { 1.0 };
            // A uniform number within ±s has the deviation s / √3.
            let scale = deviation * 3.0f32.sqrt();
            numbers.iter_mut().for_each(|x| *x = noise.sample() * scale);
        }
        whole
    }

    fn zeroed(config: &Config) -> Self {
        let count = usize::try_from(config.parameters()).unwrap_or(usize::MAX);
        Self {
            config: config.clone(),
            parameters: vec![0.0; count],
        }
    }

    /// The shape of the model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn numbers(&self) -> &[f32] {
        &self.parameters
    }

    fn table(&self) -> usize {
        self.config.vocab_size * self.config.hidden_size
    }

    /// `[vocab, d]`.
    pub(crate) fn embedding(&self) -> Range<usize> {
        0..self.table()
    }

    /// `[vocab, d]`; the embedding itself where they are tied.
    pub(crate) fn head(&self) -> Range<usize> {
        let start = self.table() + self.config.hidden_size;
        if self.config.is_embedding_tied {
            self.embedding()
        } else {
            start..start + self.table()
        }
    }

    /// `[d]`.
    pub(crate) fn final_norm(&self) -> Range<usize> {
        self.table()..self.table() + self.config.hidden_size
    }

    pub(crate) fn block(&self, layer: usize) -> BlockPlaces {
        let config = &self.config;
        let (d, ff, q) = (
            config.hidden_size,
            config.intermediate_size,
            config.query_size(),
        );
        let joint = (q + 2 * config.kv_size()) * d;
        let each = 2 * d + joint + d * q + 3 * d * ff;
        let tables = if config.is_embedding_tied { 1 } else { 2 };
        let mut next = tables * self.table() + d + layer * each;
        let mut take = |count| {
            let start = next;
            next += count;
            start..next
        };
        BlockPlaces {
            attention_norm: take(d),
            query_key_value: take(joint),
            output: take(d * q),
            feed_forward_norm: take(d),
            gate_up: take(2 * d * ff),
            down: take(d * ff),
        }
    }
}

/// The stored tensors in the order of [`WholeWeights`].
fn in_order(weights: &Weights) -> Vec<&crate::weights::Tensor> {
    let mut tensors = vec![&weights.embedding, &weights.final_norm];
    if !weights.is_embedding_tied() {
        tensors.push(&weights.head);
    }
    for layer in &weights.layers {
        tensors.extend(layer.all());
    }
    tensors
}

impl Parameters for WholeWeights {
    fn flat(&self) -> &[f32] {
        &self.parameters
    }

    fn flat_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// Named as in the model hub's layout.
    fn layout(&self) -> Vec<Place> {
        let config = &self.config;
        let (d, ff) = (config.hidden_size, config.intermediate_size);
        let (q, kv) = (config.query_size(), config.kv_size());
        let mut places: Vec<Place> = Vec::new();
        let mut push = |name: String, shape: [usize; 2], decays| {
            let start = places.last().map_or(0, |place| place.range.end);
            places.push(Place {
                name,
                range: start..start + shape[0] * shape[1],
                shape,
                decays,
            });
        };
        let table = [config.vocab_size, d];
        push(HUB_NAMES.embedding.to_owned(), table, true);
        push(HUB_NAMES.final_norm.to_owned(), [1, d], false);
        if !config.is_embedding_tied {
            push(HUB_NAMES.head.to_owned(), table, true);
        }
        let shapes = [
            [1, d],
            [q, d],
            [kv, d],
            [kv, d],
            [d, q],
            [1, d],
            [ff, d],
            [ff, d],
            [d, ff],
        ];
        for layer in 0..config.layers {
            for (name, shape) in HUB_NAMES.layer.iter().zip(shapes) {
                let name = format!("{}{layer}.{name}", HUB_NAMES.layer_prefix);
                push(name, shape, shape[0] > 1);
            }
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotary_scaling::RotaryScaling;

    fn config(is_embedding_tied: bool) -> Config {
        Config {
            vocab_size: 50,
            hidden_size: 8,
            intermediate_size: 12,
            layers: 3,
            heads: 4,
            kv_heads: 2,
            head_dim: 4,
            rope_theta: 10_000.0,
            rope_scaling: RotaryScaling::None,
            norm_epsilon: 1e-5,
            context_length: 64,
            is_embedding_tied,
        }
    }

    #[test]
    fn the_named_places_are_those_that_the_graph_reads() {
        for is_tied in [true, false] {
            let whole = WholeWeights::fresh(&config(is_tied), 1);
            let layout = whole.layout();
            let range = |name: &str| {
                let place = layout.iter().find(|place| place.name == name);
                place.map(|place| place.range.clone()).unwrap_or_default()
            };
            assert_eq!(
                layout.last().map(|last| last.range.end),
                Some(whole.flat().len())
            );
            assert_eq!(range("model.embed_tokens.weight"), whole.embedding());
            assert_eq!(range("model.norm.weight"), whole.final_norm());
            if !is_tied {
                assert_eq!(range("lm_head.weight"), whole.head());
            }
            for layer in 0..3 {
                let block = whole.block(layer);
                let of = |name: &str| range(&format!("model.layers.{layer}.{name}.weight"));
                assert_eq!(of("input_layernorm"), block.attention_norm);
                assert_eq!(of("self_attn.q_proj").start, block.query_key_value.start);
                assert_eq!(of("self_attn.v_proj").end, block.query_key_value.end);
                assert_eq!(of("self_attn.o_proj"), block.output);
                assert_eq!(of("post_attention_layernorm"), block.feed_forward_norm);
                assert_eq!(of("mlp.gate_proj").start, block.gate_up.start);
                assert_eq!(of("mlp.up_proj").end, block.gate_up.end);
                assert_eq!(of("mlp.down_proj"), block.down);
            }
        }
    }
}
